#pragma once
#include <asio/this_coro.hpp>
#include <list>
#include <memory>

#include "sluice/async/clock.hpp"

namespace sluice::testing {

// A clock that moves only by advance(). Belongs to one loop's thread.
class FakeClock final : public Clock {
 public:
  FakeClock() = default;
  explicit FakeClock(const Executor&) {}

  TimePoint now() const override { return now_; }
  std::int64_t unix_nanoseconds() const override {
    return start_unix_ns +
           std::chrono::duration_cast<std::chrono::nanoseconds>(now_.time_since_epoch()).count();
  }
  Task<> sleep_until(TimePoint time) override {
    Event never(co_await asio::this_coro::executor);
    while (now_ < time) co_await wait(never, time);
  }
  Task<> wait(Event& event, TimePoint deadline) override {
    if (now_ >= deadline) co_return;
    Sleeper sleeper(sleepers_, event, deadline);
    co_await event.wait();
  }

  // Wakes whose time has come; they run when the caller next awaits something that is not ready.
  void advance(Duration duration) {
    now_ += duration;
    for (Sleeper* sleeper : *sleepers_)
      if (sleeper->deadline <= now_) sleeper->event.notify_all();
  }
  // How many wait for a time.
  std::size_t sleepers() const { return sleepers_->size(); }

  static constexpr std::int64_t start_unix_ns = 1'700'000'000'000'000'000;

 private:
  struct Sleeper {
    using List = std::list<Sleeper*>;
    Sleeper(std::shared_ptr<List> all, Event& e, TimePoint d)
        : list(std::move(all)), at(list->insert(list->end(), this)), event(e), deadline(d) {}
    ~Sleeper() { list->erase(at); }
    std::shared_ptr<List> list;
    List::iterator at;
    Event& event;
    TimePoint deadline;
  };
  TimePoint now_{};
  // Shared with the sleepers: a frame that the loop's end destroys may outlive a clock of another frame.
  std::shared_ptr<Sleeper::List> sleepers_ = std::make_shared<Sleeper::List>();
};

}  // namespace sluice::testing
