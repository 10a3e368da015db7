#include "sluice/async/retry.hpp"

#include <algorithm>

namespace sluice {

Backoff::Backoff(Clock::Duration first, Clock::Duration most, double jitter, std::uint64_t seed)
    : first_(std::min(first, most)),
      most_(std::min(most, Clock::Duration::max() / 4)),  // leaves room for doubling and jitter
      current_(first_),
      jitter_(std::clamp(jitter, 0.0, 1.0)),
      random_(static_cast<std::uint32_t>(seed)) {}

Clock::Duration Backoff::next() {
  double factor = std::uniform_real_distribution<double>(1 - jitter_, 1 + jitter_)(random_);
  auto wait = std::chrono::duration_cast<Clock::Duration>(current_ * factor);
  current_ = std::min(current_ * 2, most_);
  return wait;
}

}  // namespace sluice
