#pragma once
#include <algorithm>

#include "sluice/async/retry.hpp"

namespace sluice::tools {

// When the next session of a task begins (runtime.md §11, §16): sessions start an interval apart, and those
// that fail or end at once further and further apart.
class Restarts {
 public:
  Restarts(Clock::Duration interval, std::uint64_t seed)
      : interval_(interval), backoff_(std::chrono::seconds(1), std::chrono::seconds(60), 0.2, seed) {}

  // The pause after a session that ended well.
  Clock::Duration after_end(Clock::Duration lasted) {
    Clock::Duration rest = std::max(Clock::Duration::zero(), interval_ - lasted);
    if (rest == Clock::Duration::zero() && lasted < std::chrono::seconds(1)) return backoff_.next();
    backoff_.reset();
    return rest;
  }
  Clock::Duration after_failure(Clock::Duration lasted) {
    if (lasted > std::chrono::seconds(60)) backoff_.reset();
    return backoff_.next();
  }

 private:
  Clock::Duration interval_;
  Backoff backoff_;
};

}  // namespace sluice::tools
