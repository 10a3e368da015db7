#pragma once
#include <list>
#include <utility>

#include "sluice/async/clock.hpp"

namespace sluice::testing {

// A clock that moves only by advance().
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Executor executor) : moved_(std::move(executor)) {}
  TimePoint now() const override { return now_; }
  std::int64_t unix_nanoseconds() const override {
    return start_unix_ns +
           std::chrono::duration_cast<std::chrono::nanoseconds>(now_.time_since_epoch()).count();
  }
  Task<> sleep_until(TimePoint time) override {
    while (now_ < time) co_await moved_.wait();
  }
  Task<> wait(Event& event, TimePoint deadline) override {
    if (now_ >= deadline) co_return;
    struct Registration {
      std::list<Event*>& list;
      std::list<Event*>::iterator at;
      ~Registration() { list.erase(at); }
    };
    Registration registration{watched_, watched_.insert(watched_.end(), &event)};
    co_await event.wait();
  }
  void advance(Duration duration) {
    now_ += duration;
    moved_.notify_all();
    for (Event* event : watched_) event->notify_all();
  }

  static constexpr std::int64_t start_unix_ns = 1'700'000'000'000'000'000;

 private:
  TimePoint now_{};
  Event moved_;
  std::list<Event*> watched_;
};

}  // namespace sluice::testing
