#pragma once
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"

namespace sluice::testing {

// A coroutine that a test drives from outside: it runs as far as it can, then the test looks at it, changes
// something, and lets it run on. The loop outlives it; what has not ended by then dies with the loop.
class Held {
 public:
  Held(Loop& loop, Task<> task) : loop_(loop), scope_(loop.executor()) {
    scope_.spawn(observe(std::move(task), outcome_));
  }

  // Runs what is ready until nothing is.
  Held& settle() {
    loop_.drain();
    return *this;
  }
  Held& cancel() {
    scope_.cancel();
    return *this;
  }
  bool ended() const { return outcome_->ended; }
  bool cancelled() const { return is_cancelled(outcome_->failure); }
  // What it threw: the text of what(), "" if it has not failed.
  std::string failure() const {
    if (!outcome_->failure) return "";
    try {
      std::rethrow_exception(outcome_->failure);
    } catch (const std::exception& e) {
      return e.what();
    }
  }

 private:
  struct Outcome {
    bool ended = false;
    std::exception_ptr failure;
  };
  static Task<> observe(Task<> task, std::shared_ptr<Outcome> outcome) {
    try {
      co_await std::move(task);
    } catch (...) {
      outcome->failure = std::current_exception();
    }
    outcome->ended = true;
  }

  Loop& loop_;
  Scope scope_;
  std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>();  // shared with observe()
};

}  // namespace sluice::testing
