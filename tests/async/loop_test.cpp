#include "sluice/async/loop.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "sluice/async/clock.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/testing/held.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::Held;

struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  int value;
};
Task<NoDefault> make(int v) { co_return NoDefault(v); }
Task<> fail() {
  throw Error(Error::Kind::config, "no such host");
  co_return;
}
Task<> count(int& n) {
  ++n;
  co_return;
}

TEST(Loop, ReturnsOrRethrowsAndRunsAgain) {
  Loop loop;
  EXPECT_EQ(loop.run(make(3)).value, 3);
  EXPECT_THROW(loop.run(fail()), Error);
  int n = 0;
  loop.run(count(n));
  EXPECT_EQ(n, 1);
  EXPECT_EQ(loop.drain(), 0u);
}

Task<> forever(bool& cleaned) {
  struct Cleanup {
    explicit Cleanup(bool& f) : flag(f) {}
    ~Cleanup() { flag = true; }
    bool& flag;
  };
  Cleanup cleanup(cleaned);
  Event never(co_await asio::this_coro::executor);
  co_await never.wait();
}
// Ends its work in order, as a rollback would, before it lets itself be cancelled.
Task<> forever_with_rollback(bool& rolled_back) {
  Event never(co_await asio::this_coro::executor);
  std::exception_ptr cancelled;
  try {
    co_await never.wait();
  } catch (...) {
    cancelled = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state();
  co_await never.wait_until(Clock::TimePoint::min());
  rolled_back = true;
  if (cancelled) std::rethrow_exception(cancelled);
}
Task<> fail_at_rollback() {
  Event never(co_await asio::this_coro::executor);
  try {
    co_await never.wait();
  } catch (...) {
    throw Error(Error::Kind::transient, "rollback failed");
  }
}

std::vector<int> usual_signals() { return {SIGINT, SIGTERM}; }

class Signal : public ::testing::TestWithParam<int> {};

TEST_P(Signal, EndsTheLoopCleanly) {
  Loop loop;
  bool cleaned = false, rolled_back = false;
  int received = 0;
  auto main = [&]() -> Task<> {
    received =
        co_await until_signal(all(forever(cleaned), forever_with_rollback(rolled_back)), usual_signals());
  };
  Held held(loop, main());
  held.settle();
  EXPECT_FALSE(held.ended());
  std::raise(GetParam());
  while (!held.ended()) held.settle();
  EXPECT_EQ(held.failure(), "");
  EXPECT_EQ(received, GetParam());
  EXPECT_TRUE(cleaned);
  EXPECT_TRUE(rolled_back);
  EXPECT_EQ(loop.drain(), 0u);
}
INSTANTIATE_TEST_SUITE_P(Usual, Signal, ::testing::Values(SIGINT, SIGTERM));

TEST(UntilSignal, ReturnsZeroWhenTheWorkEnds) {
  Loop loop;
  int n = 0;
  EXPECT_EQ(loop.run(until_signal(count(n), usual_signals())), 0);
  EXPECT_EQ(n, 1);
  EXPECT_EQ(loop.drain(), 0u) << "nobody waits for signals any more";
}

TEST(UntilSignal, RethrowsTheFailureOfTheWork) {
  Loop loop;
  EXPECT_THROW(loop.run(until_signal(fail(), usual_signals())), Error);
}

TEST(UntilSignal, ReportsAFailureDuringTheCleanup) {
  Loop loop;
  Held held(loop, [](Task<> work) -> Task<> {
    int received = co_await until_signal(std::move(work), usual_signals());
    EXPECT_EQ(received, 0) << "not reached";
  }(fail_at_rollback()));
  held.settle();
  std::raise(SIGTERM);
  while (!held.ended()) held.settle();
  EXPECT_EQ(held.failure(), "rollback failed");
}

TEST(NextSignal, GivesTheSignalBackToTheSystemAfterwards) {
  Loop loop;
  auto once = [&]() -> Task<> {
    std::vector<int> signals{SIGUSR1};
    co_await next_signal(std::move(signals));
  };
  Held held(loop, once());
  held.settle();
  struct sigaction now{};
  sigaction(SIGUSR1, nullptr, &now);
  EXPECT_NE(now.sa_handler, SIG_DFL);
  std::raise(SIGUSR1);
  while (!held.ended()) held.settle();
  sigaction(SIGUSR1, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace sluice
