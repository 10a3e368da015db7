#include "sluice/async/retry.hpp"

#include <algorithm>

namespace sluice {

Backoff::Backoff(Clock::Duration first, Clock::Duration most, double jitter, std::uint64_t seed)
    : first_(first),
      most_(most),
      current_(first),
      jitter_(jitter),
      random_(static_cast<std::uint32_t>(seed)) {}

Clock::Duration Backoff::next() {
  double factor = std::uniform_real_distribution<double>(1 - jitter_, 1 + jitter_)(random_);
  auto wait = std::chrono::duration_cast<Clock::Duration>(current_ * factor);
  current_ = std::min(current_ * 2, most_);
  return wait;
}

}  // namespace sluice
