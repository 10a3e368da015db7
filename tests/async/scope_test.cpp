#include "sluice/async/scope.hpp"

#include <gtest/gtest.h>

#include "sluice/async/channel.hpp"
#include "sluice/async/cpu.hpp"
#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/held.hpp"
#include "sluice/testing/run.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::Held;
using testing::run;

struct Item {
  std::size_t bytes() const { return 1; }
};

// How a child fails.
enum class When { at_once, after_a_turn, while_others_wait, in_its_cleanup };
Task<> turn() {
  Event pause(co_await asio::this_coro::executor);
  co_await pause.wait_until(Clock::TimePoint::min());
}

Task<> fail(When when, FakeClock& clock) {
  if (when == When::after_a_turn) co_await turn();
  if (when == When::while_others_wait) co_await clock.sleep(1s);
  std::exception_ptr cancelled;
  try {
    if (when == When::in_its_cleanup) co_await clock.sleep(1000h);
  } catch (...) {
    cancelled = std::current_exception();
  }
  throw Error(Error::Kind::config, "the cause");
}
Task<> patient(int& ended, FakeClock& clock) {
  struct Count {
    explicit Count(int& n) : count(n) {}
    ~Count() { ++count; }
    int& count;
  };
  Count count(ended);
  co_await clock.sleep(1000h);
}
// Awaits after its cancellation, as a rollback would.
Task<> slow_to_end(int& ended, FakeClock& clock) {
  std::exception_ptr cancelled;
  try {
    co_await clock.sleep(1000h);
  } catch (...) {
    cancelled = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state();
  co_await turn();
  co_await turn();
  ++ended;
  if (cancelled) std::rethrow_exception(cancelled);
}

Task<> fail_with(std::string what, Error::Kind kind = Error::Kind::config, std::string sqlstate = {}) {
  Error error(kind, std::move(what));
  error.set_sqlstate(std::move(sqlstate));
  throw error;
  co_return;
}
Task<> count_after_a_turn(int& ended) {
  co_await turn();
  ++ended;
}
Task<> spawn_chain(Scope& scope, int& ended, int left) {
  co_await turn();
  ++ended;
  if (left > 1) scope.spawn(spawn_chain(scope, ended, left - 1));
}
Task<> call_cancel(Held*& held) {
  held->cancel();
  co_return;
}

std::vector<Task<>> siblings(std::size_t failing, When when, FakeClock& clock, int& ended) {
  std::vector<Task<>> tasks;
  for (std::size_t i = 0; i < 3; ++i) {
    if (i == failing)
      tasks.push_back(fail(when, clock));
    else
      tasks.push_back(i == 1 ? patient(ended, clock) : slow_to_end(ended, clock));
  }
  return tasks;
}

TEST(All, TheFailureOfAnyChildCancelsTheOthersAndIsRethrownAfterTheirEnd) {
  for (When when : {When::at_once, When::after_a_turn, When::while_others_wait}) {
    for (std::size_t failing = 0; failing < 3; ++failing) {
      Loop loop;
      FakeClock clock;
      int ended = 0;
      Held held(loop, all_of(siblings(failing, when, clock, ended)));
      held.settle();
      clock.advance(1s);
      held.settle();
      EXPECT_EQ(held.failure(), "the cause") << int(when) << ' ' << failing;
      EXPECT_EQ(ended, 2);
      EXPECT_EQ(loop.drain(), 0u);
    }
  }
}

TEST(All, AFailureDuringCleanupIsReported) {
  Loop loop;
  FakeClock clock;
  int ended = 0;
  Held held(loop, all(fail(When::in_its_cleanup, clock), patient(ended, clock)));
  held.settle().cancel().settle();
  EXPECT_EQ(held.failure(), "the cause");
  EXPECT_EQ(ended, 1);
}

TEST(All, TheFirstOfSeveralFailuresIsReported) {
  run([](Loop&) -> Task<> {
    FakeClock clock;
    std::string what;
    try {
      co_await all(fail(When::after_a_turn, clock), fail_with("second"));
    } catch (const Error& e) {
      what = e.message();
    }
    EXPECT_EQ(what, "second") << "that one came first";
  });
}

TEST(All, OfNothingEndsAtOnce) {
  run([](Loop&) -> Task<> { co_await all(); });
  run([](Loop&) -> Task<> { co_await all_of({}); });
}

// Kinds and fields survive the way through several scopes.
TEST(All, RethrowsTheVeryException) {
  run([](Loop&) -> Task<> {
    bool same = false;
    try {
      co_await all(all(all(fail_with("deep", Error::Kind::transient, "57P01"))));
    } catch (const Error& e) {
      same = e.kind() == Error::Kind::transient && e.sqlstate() == "57P01" && e.message() == "deep";
    }
    EXPECT_TRUE(same);
  });
}

Task<> produce_one_then_fail(Writer<Item> out, When when, FakeClock& clock) {
  Item item;
  co_await out.send(std::move(item));
  co_await fail(when, clock);
}
Task<> consume(Reader<Item> in) {
  while (auto item = co_await in.next()) {
  }
}
Task<> consume_one_then_fail(Reader<Item> in, When when, FakeClock& clock) {
  co_await in.next();
  co_await fail(when, clock);
}
Task<> flood(Writer<Item> out) {
  for (;;) {
    Item item;
    co_await out.send(std::move(item));
  }
}

TEST(All, ReportsTheCauseAndNotTheChannelThatBrokeByIt) {
  for (When when : {When::at_once, When::after_a_turn, When::while_others_wait}) {
    for (int order = 0; order < 4; ++order) {
      Loop loop;
      FakeClock clock;
      auto [out, in] = channel<Item>(loop.executor(), 10);
      std::vector<Task<>> tasks;
      bool writer_fails = order % 2 == 0;
      if (writer_fails) {
        tasks.push_back(produce_one_then_fail(std::move(out), when, clock));
        tasks.push_back(consume(std::move(in)));
      } else {
        tasks.push_back(flood(std::move(out)));
        tasks.push_back(consume_one_then_fail(std::move(in), when, clock));
      }
      if (order / 2) std::swap(tasks.front(), tasks.back());
      Held held(loop, all_of(std::move(tasks)));
      held.settle();
      clock.advance(1s);
      held.settle();
      EXPECT_EQ(held.failure(), "the cause") << int(when) << ' ' << order;
    }
  }
}

// The broken side of a channel may be in an inner scope and the cause outside of it.
TEST(All, ReportsTheCauseAcrossNestedScopes) {
  Loop loop;
  FakeClock clock;
  auto [out, in] = channel<Item>(loop.executor(), 10);
  int ended = 0;
  Held held(loop, all(all(consume(std::move(in)), patient(ended, clock)),
                      produce_one_then_fail(std::move(out), When::while_others_wait, clock)));
  held.settle();
  clock.advance(1s);
  held.settle();
  EXPECT_EQ(held.failure(), "the cause");
  EXPECT_EQ(ended, 1);
}

TEST(Scoped, RunsChildrenWhoseNumberIsKnownOnlyAtRunTime) {
  run([](Loop&) -> Task<> {
    FakeClock clock;
    int ended = 0;
    co_await scoped([&](Scope& scope) -> Task<> {
      for (int i = 0; i < 50; ++i) scope.spawn(count_after_a_turn(ended));
      co_return;
    });
    EXPECT_EQ(ended, 50);
  });
}

TEST(Scoped, ChildrenMaySpawnSiblings) {
  run([](Loop&) -> Task<> {
    int ended = 0;
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.spawn(spawn_chain(scope, ended, 10));
      co_return;
    });
    EXPECT_EQ(ended, 10);
  });
}

TEST(Scoped, AFailingBodyCancelsTheChildrenAndIsRethrown) {
  for (When when : {When::at_once, When::after_a_turn, When::while_others_wait}) {
    Loop loop;
    FakeClock clock;
    int ended = 0;
    auto body = [&](Scope& scope) -> Task<> {
      scope.spawn(patient(ended, clock));
      scope.spawn(slow_to_end(ended, clock));
      co_await fail(when, clock);
    };
    Held held(loop, scoped(body));
    held.settle();
    clock.advance(1s);
    held.settle();
    EXPECT_EQ(held.failure(), "the cause");
    EXPECT_EQ(ended, 2);
  }
}

TEST(Scoped, AFailingChildIsReportedOnlyWhenTheBodyHasEnded) {
  Loop loop;
  FakeClock clock;
  Event go(loop.executor());
  auto body = [&](Scope& scope) -> Task<> {
    scope.spawn(fail(When::at_once, clock));
    co_await go.wait();
  };
  Held held(loop, scoped(body));
  held.settle();
  EXPECT_FALSE(held.ended());
  go.notify_all();
  EXPECT_EQ(held.settle().failure(), "the cause");
}

TEST(Scoped, CancelEndsTheChildrenWithoutFailure) {
  run([](Loop&) -> Task<> {
    FakeClock clock;
    int ended = 0;
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.spawn(patient(ended, clock));
      scope.spawn(slow_to_end(ended, clock));
      co_await turn();
      scope.cancel();
    });
    EXPECT_EQ(ended, 2);
  });
}

TEST(Scoped, AChildSpawnedIntoACancelledScopeDoesNotRunOn) {
  run([](Loop&) -> Task<> {
    FakeClock clock;
    int ended = 0, passed = 0;
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.cancel();
      scope.spawn(patient(ended, clock));
      scope.spawn(count_after_a_turn(passed));
      co_return;
    });
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(passed, 0);
  });
}

int wait_for(std::shared_ptr<std::atomic<bool>> flag) {
  flag->wait(false);
  return 1;
}

// The body ends normally although it was cancelled: its last await cannot be interrupted.
TEST(Scoped, WaitsForTheChildrenOfABodyThatWasCancelledUnnoticed) {
  CpuPool pool(1);
  Loop loop;
  FakeClock clock;
  int ended = 0;
  auto flag = std::make_shared<std::atomic<bool>>(false);
  auto body = [&](Scope& scope) -> Task<> {
    scope.spawn(slow_to_end(ended, clock));
    co_await on_cpu(pool, wait_for, flag);
  };
  Held held(loop, scoped(body));
  held.settle().cancel().settle();
  EXPECT_FALSE(held.ended());
  flag->store(true);
  flag->notify_all();
  while (!held.ended()) held.settle();
  EXPECT_TRUE(held.cancelled()) << held.failure();
  EXPECT_EQ(ended, 1);
}

// A child runs at once, so it may cancel its parent before that has begun to wait.
TEST(All, IsCancelledByItsOwnChild) {
  Loop loop;
  FakeClock clock;
  int ended = 0;
  Held* self = nullptr;
  Event go(loop.executor());
  auto parent = [&]() -> Task<> {
    co_await go.wait();
    co_await all(call_cancel(self), slow_to_end(ended, clock));
  };
  Held held(loop, parent());
  self = &held;
  held.settle();
  go.notify_all();
  held.settle();
  EXPECT_TRUE(held.cancelled()) << held.failure();
  EXPECT_EQ(ended, 1);
}

// Who catches a failure must still see that it was cancelled, or a retry loop would never end.
TEST(All, LeavesTheCancellationPendingWhenAFailureCoversIt) {
  Loop loop;
  FakeClock clock;
  int reached = 0;
  auto parent = [&]() -> Task<> {
    try {
      co_await all(fail(When::in_its_cleanup, clock));
    } catch (const Error&) {
      ++reached;
    }
    co_await turn();
    ++reached;
  };
  Held held(loop, parent());
  held.settle().cancel().settle();
  EXPECT_TRUE(held.cancelled()) << held.failure();
  EXPECT_EQ(reached, 1);
}

TEST(Yield, LetsOthersHaveTheirTurn) {
  testing::run([](Loop&) -> Task<> {
    std::string order;
    auto say = [&](char c) -> Task<> {
      for (int i = 0; i < 3; ++i) {
        order += c;
        co_await yield();
      }
    };
    co_await all(say('a'), say('b'));
    EXPECT_EQ(order, "ababab");
  });
}

TEST(Yield, EndsWhenItIsCancelled) {
  testing::run([](Loop&) -> Task<> {
    int turns = 0;
    auto forever = [&]() -> Task<> {
      for (;; ++turns) co_await yield();
    };
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.spawn(forever());
      for (int i = 0; i < 5; ++i) co_await yield();
      scope.cancel();
    });
    EXPECT_GT(turns, 0);
  });
}

}  // namespace
}  // namespace sluice
