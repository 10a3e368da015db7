#include "signals.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <latch>

#include "sluice/async/scope.hpp"
#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/held.hpp"

namespace sluice::connector {
namespace {

using namespace std::chrono_literals;
using testing::Held;

// Serves `work`, abandoned or not.
struct Stage {
  testing::FakeClock clock;
  CpuPool pool{1};
  Loop loop;
  protocol::Stop stop{loop.executor()};
  std::string abandoned;

  Task<> serve(Task<> work) {
    auto abandon = [this](const Error& e) { abandoned = e.message(); };
    return until_signalled(std::move(work), clock, stop, abandon);
  }
  // Signals arrive through a pipe, so that the loop may have to turn a few times.
  template <class Condition>
  void settle_until(Held& held, Condition condition) {
    for (int i = 0; i < 100'000 && !condition(); ++i) held.settle();
    EXPECT_TRUE(condition());
  }
};

Task<> until_stopped(protocol::Stop& stop) { co_await stop.wait(); }
Task<> for_ever() {
  Event never(co_await asio::this_coro::executor);
  co_await never.wait();
}
Task<> fail_when_cancelled() {
  Event never(co_await asio::this_coro::executor);
  try {
    co_await never.wait();
  } catch (...) {
    throw Error(Error::Kind::transient, "could not roll back");
  }
}
void wait_for(std::latch* latch) { latch->wait(); }
Task<> block(CpuPool& pool, std::latch& latch) { co_await on_cpu(pool, wait_for, &latch); }
Task<> fail() {
  throw Error(Error::Kind::config, "no such host");
  co_return;
}

TEST(UntilSignalled, WorkThatStopsInTimeHasNotFailed) {
  for (int number : {SIGTERM, SIGINT}) {
    Stage stage;
    Held held(stage.loop, stage.serve(until_stopped(stage.stop)));
    held.settle();
    std::raise(number);
    stage.settle_until(held, [&] { return held.ended(); });
    EXPECT_EQ(held.failure(), "");
    EXPECT_EQ(stage.stop.reason(), number == SIGTERM ? "stopped by SIGTERM" : "stopped by SIGINT");
    EXPECT_EQ(stage.clock.sleepers(), 0u);
  }
}

TEST(UntilSignalled, FailuresAreThoseOfTheWork) {
  Stage stage;
  Held held(stage.loop, stage.serve(fail()));
  held.settle();
  EXPECT_EQ(held.failure(), "no such host");
  EXPECT_EQ(stage.loop.drain(), 0u);
}

TEST(UntilSignalled, WorkIsCancelledInTheEnd) {
  for (bool fails : {false, true}) {
    Stage stage;
    Held held(stage.loop, stage.serve(fails ? fail_when_cancelled() : for_ever()));
    held.settle();
    std::raise(SIGTERM);
    stage.settle_until(held, [&] { return stage.clock.sleepers() == 1; });
    stage.clock.advance(6s);
    held.settle();
    EXPECT_FALSE(held.ended());
    stage.clock.advance(1s);
    held.settle();
    EXPECT_EQ(held.failure(), "stopped by SIGTERM, but could not end within 7 s");
    EXPECT_EQ(stage.abandoned, "");
    EXPECT_EQ(stage.clock.sleepers(), 0u);
  }
}

TEST(UntilSignalled, ASecondSignalCancelsAtOnce) {
  Stage stage;
  Held held(stage.loop, stage.serve(for_ever()));
  held.settle();
  std::raise(SIGINT);
  stage.settle_until(held, [&] { return stage.clock.sleepers() == 1; });
  std::raise(SIGTERM);
  stage.settle_until(held, [&] { return held.ended(); });
  EXPECT_EQ(held.failure(), "stopped by a second signal (Terminated)");
  EXPECT_EQ(stage.abandoned, "");
}

TEST(UntilSignalled, WhatIgnoresCancellationIsAbandonedAfterASecond) {
  for (bool twice : {false, true}) {
    Stage stage;
    std::latch latch(1);
    Held held(stage.loop, stage.serve(block(stage.pool, latch)));
    held.settle();
    std::raise(SIGTERM);
    stage.settle_until(held, [&] { return stage.clock.sleepers() == 1; });
    if (twice) {
      std::raise(SIGTERM);
      for (int i = 0; i < 100; ++i) held.settle();
    }
    if (!twice) stage.clock.advance(7s);
    held.settle();
    EXPECT_EQ(stage.abandoned, "");
    stage.clock.advance(1s);
    stage.settle_until(held, [&] { return !stage.abandoned.empty(); });
    EXPECT_FALSE(held.ended());
    EXPECT_EQ(stage.abandoned, twice ? "stopped by a second signal (Terminated)"
                                     : "stopped by SIGTERM, but could not end within 7 s");
    latch.count_down();
    stage.settle_until(held, [&] { return held.ended(); });
  }
}

}  // namespace
}  // namespace sluice::connector
