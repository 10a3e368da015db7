#pragma once
#include <cstdint>
#include <random>

#include "sluice/async/clock.hpp"
#include "sluice/async/task.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

// Waiting times that double from `first` to `most`, each moved by up to ±`jitter` of itself.
class Backoff {
 public:
  Backoff(Clock::Duration first, Clock::Duration most, double jitter, std::uint64_t seed);
  // The next waiting time.
  Clock::Duration next();
  // After success: start again from `first`.
  void reset() { current_ = first_; }

 private:
  Clock::Duration first_, most_, current_;
  double jitter_;
  std::minstd_rand random_;
};

// Calls attempt() up to `tries` times, waiting as `backoff` says between them, until it does not throw a
// transient Error; the last such error, and any other, is rethrown as it was. Only connecting is retried so.
template <class Attempt>
auto retry(Clock& clock, Backoff backoff, int tries, Attempt attempt) -> decltype(attempt()) {
  for (int left = tries - 1;; --left) {
    try {
      co_return co_await attempt();
    } catch (const Error& e) {
      if (e.kind() != Error::Kind::transient || left <= 0) throw;
    }
    co_await clock.sleep(backoff.next());
  }
}

}  // namespace sluice
