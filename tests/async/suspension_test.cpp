// Every place where a coroutine can be suspended by this module, met by the same four fates: it is cancelled
// there, it is cancelled before it began, the loop is destroyed under it, and the same as one child of
// several.
#include <gtest/gtest.h>

#include <csignal>

#include "sluice/async/channel.hpp"
#include "sluice/async/cpu.hpp"
#include "sluice/async/retry.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/pipeline/flow.hpp"
#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/held.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::Held;

struct Item {
  explicit Item(std::size_t n) : size(n) {}
  std::size_t size;
  std::size_t bytes() const { return size; }
};

// What the coroutines of a test share; lives in the frame of their parent.
struct World {
  explicit World(const Executor& executor)
      : World(executor, channel<Item>(executor, 100), channel<Item>(executor, 100)) {}
  Event event;
  FakeClock clock;
  SteadyClock steady;
  Writer<Item> full;
  Reader<Item> full_end;
  Writer<Item> empty_end;
  Reader<Item> empty;
  int begun = 0, dropped = 0;

 private:
  using Ends = std::pair<Writer<Item>, Reader<Item>>;
  World(const Executor& executor, Ends a, Ends b)
      : event(executor),
        full(std::move(a.first)),
        full_end(std::move(a.second)),
        empty_end(std::move(b.first)),
        empty(std::move(b.second)) {}
};

// Counts the frames that died.
struct Witness {
  explicit Witness(int& n) : count(n) {}
  ~Witness() { ++count; }
  int& count;
};

Task<> event_wait(World& w) { co_await w.event.wait(); }
Task<> event_wait_until(World& w) { co_await w.event.wait_until(Clock::TimePoint::max()); }
Task<> steady_sleep(World& w) { co_await w.steady.sleep(1000h); }
Task<> steady_wait(World& w) { co_await w.steady.wait(w.event, w.steady.now() + 1000h); }
Task<> fake_sleep(World& w) { co_await w.clock.sleep(1s); }
Task<> fake_wait(World& w) { co_await w.clock.wait(w.event, w.clock.now() + 1s); }
Task<> send(World& w) {
  co_await w.full.send(Item(100));
  co_await w.full.send(Item(1));
}
Task<> hand_over(World& w) {
  co_await w.full.hand_over(Item(100));
  co_await w.full.hand_over(Item(1));
}
Task<> sends_in_line(World& w) {
  co_await w.full.send(Item(100));
  co_await all(w.full.send(Item(1)), w.full.send(Item(2)), w.full.send(Item(3)));
}
Task<> next(World& w) { co_await w.empty.next(); }
Task<> next_until(World& w) { co_await w.empty.next_until(w.clock, w.clock.now() + 1s); }
Task<> next_until_steady(World& w) { co_await w.empty.next_until(w.steady, w.steady.now() + 1000h); }
Task<> all_of_two(World& w) { co_await all(event_wait(w), next(w)); }
Task<> nested(World& w) { co_await all(all(all_of_two(w), fake_sleep(w)), send(w)); }
Task<> scoped_body(World& w) {
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(fake_sleep(w));
    co_await w.event.wait();
  });
}
Task<> scoped_join(World& w) {
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(fake_sleep(w));
    scope.spawn(next(w));
    co_return;
  });
}
Task<> scoped_inner_join(World& w) {
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(event_wait(w));
    co_await scope.join();
  });
}
Task<> signal_wait(World&) {
  std::vector<int> signals{SIGUSR2};
  co_await next_signal(std::move(signals));
}
Task<> until_signal_wait(World& w) {
  std::vector<int> signals{SIGUSR2};
  co_await until_signal(event_wait(w), std::move(signals));
}
Task<> refuse() {
  throw Error(Error::Kind::transient, "refused");
  co_return;
}
Task<> retry_pause(World& w) {
  Backoff backoff(1s, 8s, 0.1, 1);
  co_await retry(w.clock, std::move(backoff), 1000, refuse);
}
Task<> produce(World& w, Writer<Item> out) {
  co_await out.send(Item(10));
  co_await w.event.wait();
}
Task<> pass(Reader<Item> in, Writer<Item> out) {
  while (auto item = co_await in.next()) co_await out.send(std::move(*item));
  out.close();
}
Task<> consume(Reader<Item> in) {
  while (auto item = co_await in.next()) {
  }
}
Task<> pipeline_source(World& w) {
  FlowOptions options(co_await asio::this_coro::executor, 50);
  co_await (from(options, produce, w) | through(pass) | through(pass) | into(consume));
}
Task<> flood(Writer<Item> out) {
  for (;;) co_await out.send(Item(20));
}
Task<> stall(World& w, Reader<Item> in) {
  co_await in.next();
  co_await w.event.wait();
}
Task<> pipeline_backpressure(World& w) {
  FlowOptions options(co_await asio::this_coro::executor, 50);
  co_await (from(options, flood) | through(pass) | through(pass) | into(stall, w));
}

struct Place {
  const char* name;
  Task<> (*enter)(World&);
};
#define PLACE(f) \
  Place { #f, f }
const Place places[] = {PLACE(event_wait),
                        PLACE(event_wait_until),
                        PLACE(steady_sleep),
                        PLACE(steady_wait),
                        PLACE(fake_sleep),
                        PLACE(fake_wait),
                        PLACE(send),
                        PLACE(hand_over),
                        PLACE(sends_in_line),
                        PLACE(next),
                        PLACE(next_until),
                        PLACE(next_until_steady),
                        PLACE(all_of_two),
                        PLACE(nested),
                        PLACE(scoped_body),
                        PLACE(scoped_join),
                        PLACE(scoped_inner_join),
                        PLACE(signal_wait),
                        PLACE(until_signal_wait),
                        PLACE(retry_pause),
                        PLACE(pipeline_source),
                        PLACE(pipeline_backpressure)};
#undef PLACE

struct Ends {
  int died = 0;
  bool resumed = false;
};

Task<> visit(Place place, World& world, Ends& ends) {
  Witness witness(ends.died);
  ++world.begun;
  co_await place.enter(world);
  ends.resumed = true;
}
Task<> alone(Place place, Ends& ends) {
  World world(co_await asio::this_coro::executor);
  co_await visit(place, world, ends);
}
Task<> among_siblings(Place place, Ends& ends) {
  World world(co_await asio::this_coro::executor);
  World before(co_await asio::this_coro::executor), after(co_await asio::this_coro::executor);
  co_await all(visit(place, before, ends), visit(place, world, ends), visit(place, after, ends));
}

class Suspended : public ::testing::TestWithParam<Place> {
 protected:
  Ends ends_;
};

TEST_P(Suspended, EndsByCancellation) {
  Loop loop;
  Held held(loop, alone(GetParam(), ends_));
  held.settle();
  ASSERT_FALSE(held.ended()) << held.failure();
  held.cancel().settle();
  EXPECT_TRUE(held.cancelled()) << held.failure();
  EXPECT_EQ(ends_.died, 1);
  EXPECT_FALSE(ends_.resumed);
  EXPECT_EQ(loop.drain(), 0u) << "something is still waiting";
}

TEST_P(Suspended, NeverBeginsWhenCancelledBefore) {
  Loop loop;
  Held held(loop, alone(GetParam(), ends_));
  held.cancel().settle();
  EXPECT_FALSE(held.ended()) << "it was to end before its first line";
  EXPECT_EQ(ends_.died, 0);
  EXPECT_EQ(loop.drain(), 0u);
}

TEST_P(Suspended, EndsWithItsSiblingsByCancellation) {
  Loop loop;
  Held held(loop, among_siblings(GetParam(), ends_));
  held.settle();
  ASSERT_FALSE(held.ended()) << held.failure();
  held.cancel().settle();
  EXPECT_TRUE(held.cancelled()) << held.failure();
  EXPECT_EQ(ends_.died, 3);
  EXPECT_EQ(loop.drain(), 0u);
}

TEST_P(Suspended, DiesWithTheLoop) {
  for (auto start : {alone, among_siblings}) {
    Loop loop;
    Held held(loop, start(GetParam(), ends_));
    held.settle();
    ASSERT_FALSE(held.ended()) << held.failure();
  }
  EXPECT_EQ(ends_.died, 4);
  EXPECT_FALSE(ends_.resumed);
}

// A cancellation and a destruction may also meet: frames whose wake-up is under way.
TEST_P(Suspended, DiesWithTheLoopWhileBeingCancelled) {
  {
    Loop loop;
    Held held(loop, among_siblings(GetParam(), ends_));
    held.settle();
    held.cancel();
  }
  EXPECT_EQ(ends_.died, 3);
}

INSTANTIATE_TEST_SUITE_P(Places, Suspended, ::testing::ValuesIn(places),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace sluice
