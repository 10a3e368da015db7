#include "sluice/async/clock.hpp"

#include <gtest/gtest.h>

#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/held.hpp"
#include "sluice/testing/run.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::Held;
using testing::run;

Task<> note_after(FakeClock& clock, Clock::Duration wait, std::vector<int>& order, int id) {
  co_await clock.sleep(wait);
  order.push_back(id);
}

TEST(FakeClock, WakesOnlyWhoseTimeHasCome) {
  Loop loop;
  FakeClock clock;
  std::vector<int> order;
  Held a(loop, note_after(clock, 30s, order, 30)), b(loop, note_after(clock, 10s, order, 10)),
      c(loop, note_after(clock, 0s, order, 0)), d(loop, note_after(clock, -5s, order, -5));
  loop.drain();
  EXPECT_EQ(order, (std::vector<int>{0, -5})) << "what is due does not wait";
  EXPECT_EQ(clock.sleepers(), 2u);
  clock.advance(9s);
  loop.drain();
  EXPECT_EQ(order.size(), 2u);
  clock.advance(1s);
  loop.drain();
  EXPECT_EQ(order.back(), 10);
  clock.advance(1h);
  loop.drain();
  EXPECT_EQ(order.back(), 30);
  EXPECT_EQ(clock.sleepers(), 0u);
}

TEST(FakeClock, TellsUnixTimeFromAFixedStart) {
  FakeClock clock;
  EXPECT_EQ(clock.unix_nanoseconds(), FakeClock::start_unix_ns);
  clock.advance(1500ms);
  EXPECT_EQ(clock.unix_nanoseconds(), FakeClock::start_unix_ns + 1'500'000'000);
}

Task<> wait_then_note(Clock& clock, Event& event, Clock::TimePoint deadline, int& woken) {
  co_await clock.wait(event, deadline);
  ++woken;
}

TEST(FakeClock, WaitsForAnEventOrTheDeadline) {
  Loop loop;
  FakeClock clock;
  Event event(loop.executor());
  int woken = 0;
  Held by_event(loop, wait_then_note(clock, event, clock.now() + 10s, woken));
  loop.drain();
  event.notify_all();
  loop.drain();
  EXPECT_EQ(woken, 1);
  Held by_time(loop, wait_then_note(clock, event, clock.now() + 10s, woken));
  loop.drain();
  clock.advance(10s);
  loop.drain();
  EXPECT_EQ(woken, 2);
}

TEST(SteadyClock, WaitsForAnEventOrTheDeadline) {
  Loop loop;
  SteadyClock clock;
  Event event(loop.executor());
  int woken = 0;
  Held by_event(loop, wait_then_note(clock, event, clock.now() + 1000h, woken));
  loop.drain();
  EXPECT_EQ(woken, 0);
  event.notify_all();
  loop.drain();
  EXPECT_EQ(woken, 1);
  Held by_time(loop, wait_then_note(clock, event, clock.now(), woken));
  loop.drain();
  EXPECT_EQ(woken, 2);
}

TEST(SteadyClock, SleepsNoLessThanAsked) {
  run([](Loop&) -> Task<> {
    SteadyClock clock;
    auto start = clock.now();
    co_await clock.sleep(2ms);
    EXPECT_GE(clock.now() - start, 2ms);
    EXPECT_GT(clock.unix_nanoseconds(), FakeClock::start_unix_ns);
  });
}

}  // namespace
}  // namespace sluice
