#pragma once
#include <chrono>
#include <cstdint>

#include "sluice/async/event.hpp"
#include "sluice/async/task.hpp"

namespace sluice {

// Time as the program sees it; a seam, so that tests advance it by hand (testing::FakeClock).
class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  // Nanoseconds since 1970-01-01T00:00:00Z.
  virtual std::int64_t unix_nanoseconds() const = 0;
  virtual Task<> sleep_until(TimePoint time) = 0;
  // Returns when `event` is notified or `deadline` is reached.
  virtual Task<> wait(Event& event, TimePoint deadline) = 0;
  Task<> sleep(Duration duration) { return sleep_until(now() + duration); }
};

class SteadyClock final : public Clock {
 public:
  TimePoint now() const override;
  std::int64_t unix_nanoseconds() const override;
  Task<> sleep_until(TimePoint time) override;
  Task<> wait(Event& event, TimePoint deadline) override;
};

}  // namespace sluice
