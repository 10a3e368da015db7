#include "sluice/async/channel.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "sluice/async/scope.hpp"
#include "sluice/pipeline/flow.hpp"
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
  explicit Item(int v, std::size_t n = 100) : value(v), size(n) {}
  Item(Item&&) = default;
  Item& operator=(Item&&) = default;
  int value;
  std::size_t size;
  std::size_t bytes() const { return size; }
};

Task<> produce(int first, int n, Writer<Item> out) {
  for (int i = first; i < first + n; ++i) co_await out.send(Item(i));
  out.close();
}
Task<> produce_then_throw(Writer<Item> out) {
  co_await out.send(Item(1));
  throw Error(Error::Kind::transient, "source failed");
}
Task<> twice(Reader<Item> in, Writer<Item> out) {
  while (auto item = co_await in.next()) co_await out.send(Item(item->value * 2));
  out.close();
}
Task<> sum(int& total, Reader<Item> in) {
  while (auto item = co_await in.next()) total += item->value;
}
Task<> send_one(Writer<Item>& out, int value, std::size_t size) { co_await out.send(Item(value, size)); }
Task<> collect(Reader<Item>& in, std::vector<int>& values) {
  while (auto item = co_await in.next()) values.push_back(item->value);
}

TEST(Flow, StagesRunToTheEnd) {
  run([](Loop& loop) -> Task<> {
    int total = 0;
    FlowOptions options(loop.executor(), 250);
    co_await (from(options, produce, 0, 1000) | through(twice) | into(sum, total));
    EXPECT_EQ(total, 999000);
  });
}

TEST(Flow, TheCauseIsRethrownNotTheConsequence) {
  run([](Loop& loop) -> Task<> {
    int total = 0;
    std::string what;
    FlowOptions options(loop.executor(), 250);
    try {
      co_await (from(options, produce_then_throw) | through(twice) | through(twice) | into(sum, total));
    } catch (const Error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "source failed");
  });
}

Task<> throw_at_once(Writer<Item>) {
  throw Error(Error::Kind::transient, "source failed");
  co_return;
}

TEST(Flow, TheCauseIsRethrownAlsoIfItNeverSuspended) {
  run([](Loop& loop) -> Task<> {
    int total = 0;
    std::string what;
    auto [out, in] = channel<Item>(loop.executor(), 250);
    try {
      co_await all(sum(total, std::move(in)), throw_at_once(std::move(out)));
    } catch (const Error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "source failed");
  });
}

TEST(Flow, IsDroppedUnawaitedWithoutRunning) {
  Loop loop;
  int total = 0;
  {
    FlowOptions options(loop.executor(), 250);
    Task<> never = from(options, produce, 0, 10) | through(twice) | into(sum, total);
  }
  EXPECT_EQ(loop.drain(), 0u);
  EXPECT_EQ(total, 0);
}

TEST(Channel, DeliversInOrderThenTheSaidEnd) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 1000);
  std::vector<int> values;
  Held held(loop, all(produce(0, 100, std::move(out)), collect(in, values)));
  EXPECT_TRUE(held.settle().ended()) << held.failure();
  std::vector<int> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(values, expected);
}

TEST(Channel, HoldsTheSenderAtTheBudget) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 250);
  Held first(loop, send_one(out, 1, 100)), second(loop, send_one(out, 2, 100)),
      third(loop, send_one(out, 3, 100));
  loop.drain();
  EXPECT_TRUE(first.ended() && second.ended());
  EXPECT_FALSE(third.ended());
  EXPECT_EQ(out.queued_bytes(), 200u);
  EXPECT_EQ(in.poll()->value, 1);
  loop.drain();
  EXPECT_TRUE(third.ended());
  EXPECT_EQ(out.queued_bytes(), 200u);
}

TEST(Channel, LetsAnItemLargerThanTheBudgetPassAlone) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 250);
  Held small(loop, send_one(out, 1, 1)), big(loop, send_one(out, 2, 1'000'000)),
      after(loop, send_one(out, 3, 1));
  loop.drain();
  EXPECT_TRUE(small.ended());
  EXPECT_FALSE(big.ended());
  EXPECT_FALSE(after.ended()) << "no item overtakes";
  EXPECT_EQ(in.poll()->value, 1);
  loop.drain();
  EXPECT_TRUE(big.ended());
  EXPECT_FALSE(after.ended()) << "nothing beside the big one";
  EXPECT_EQ(in.poll()->value, 2);
  loop.drain();
  EXPECT_TRUE(after.ended());
}

TEST(Channel, CountsAnItemWithoutBytesToo) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 10 * sizeof(Item));
  auto flood = [&, &writer = out]() -> Task<> {
    for (int i = 0; i < 1000; ++i) co_await writer.send(Item(i, 0));
  };
  Held held(loop, flood());
  held.settle();
  EXPECT_FALSE(held.ended());
  EXPECT_EQ(out.queued_bytes(), 10 * sizeof(Item));
  held.cancel().settle();
}

// A large item waits its turn; small ones of other writers do not slip past it for ever.
TEST(Channel, ServesWaitingSendersInTheOrderInWhichTheyCame) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 250);
  std::vector<std::unique_ptr<Held>> held;
  std::size_t sizes[] = {100, 100, 240, 10, 10, 240, 10};
  for (int i = 0; i < 7; ++i) {
    held.push_back(std::make_unique<Held>(loop, send_one(out, i, sizes[i])));
    loop.drain();
  }
  std::vector<int> order;
  while (auto item = in.poll()) {
    order.push_back(item->value);
    loop.drain();
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Channel, ASenderThatIsCancelledLeavesItsPlaceAndItsItemIsNotQueued) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 100);
  Held first(loop, send_one(out, 1, 100)), big(loop, send_one(out, 2, 100)), small(loop, send_one(out, 3, 1));
  loop.drain();
  in.poll();
  big.cancel();
  loop.drain();
  EXPECT_TRUE(big.cancelled());
  EXPECT_TRUE(small.ended());
  EXPECT_EQ(in.poll()->value, 3);
  EXPECT_FALSE(in.poll());
}

Task<> send_randomly(Writer<Item> out, unsigned seed, int n, std::size_t& most) {
  std::minstd_rand random(seed);
  for (int i = 0; i < n; ++i) {
    Item item(i, 1 + random() % 400);
    std::size_t alone = item.bytes();
    co_await out.send(std::move(item));
    if (out.queued_bytes() != alone) most = std::max(most, out.queued_bytes());
  }
}
Task<> send_all_then_close(Writer<Item> out, std::size_t& most) {
  co_await scoped([&](Scope& scope) -> Task<> {
    for (unsigned seed = 1; seed <= 5; ++seed) scope.spawn(send_randomly(out.share(), seed, 500, most));
    co_return;
  });
  out.close();
}

TEST(Channel, StaysWithinItsBudgetUnderManyWriters) {
  run([](Loop& loop) -> Task<> {
    auto [out, in] = channel<Item>(loop.executor(), 300);
    std::size_t most = 0;
    int total = 0;
    co_await all(send_all_then_close(std::move(out), most), sum(total, std::move(in)));
    EXPECT_EQ(total, 5 * 499 * 500 / 2);
    EXPECT_LE(most, 300u);
    EXPECT_GT(most, 200u) << "the budget is made use of";
  });
}

TEST(Channel, IsBrokenForTheReaderWhenTheLastWriterDiesUnsaid) {
  Loop loop;
  auto ends = channel<Item>(loop.executor(), 1000);
  std::vector<int> values;
  Held reading(loop, collect(ends.second, values));
  {
    Writer<Item> out = std::move(ends.first), other = out.share();
    Held sending(loop, send_one(other, 7, 1));
    loop.drain();
  }
  loop.drain();
  EXPECT_EQ(values, std::vector<int>{7}) << "what was sent is delivered first";
  EXPECT_EQ(reading.failure(), "the writer went away without saying that all was sent");
}

TEST(Channel, EndsWhenOneOfSeveralWritersCloses) {
  Loop loop;
  auto ends = channel<Item>(loop.executor(), 1000);
  std::vector<int> values;
  Held reading(loop, collect(ends.second, values));
  {
    Writer<Item> out = std::move(ends.first), other = out.share();
    Held sending(loop, send_one(other, 7, 1));
    loop.drain();
    out.close();
    Held late(loop, send_one(other, 8, 1));
    loop.drain();
    EXPECT_NE(late.failure(), "") << "it would be lost";
  }
  loop.drain();
  EXPECT_TRUE(reading.ended());
  EXPECT_EQ(reading.failure(), "");
  EXPECT_EQ(values, std::vector<int>{7});
}

TEST(Channel, ClosingFailsSendersThatStillWait) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 100);
  Held first(loop, send_one(out, 1, 100)), waiting(loop, send_one(out, 2, 100));
  loop.drain();
  out.close();
  loop.drain();
  EXPECT_TRUE(waiting.ended());
  EXPECT_NE(waiting.failure(), "") << "its item was not sent";
}

TEST(Channel, IsBrokenForSendersWhenTheReaderDies) {
  Loop loop;
  auto ends = channel<Item>(loop.executor(), 100);
  Writer<Item> out = std::move(ends.first);
  auto in = std::make_unique<Reader<Item>>(std::move(ends.second));
  Held first(loop, send_one(out, 1, 100)), waiting(loop, send_one(out, 2, 100));
  loop.drain();
  in.reset();
  loop.drain();
  EXPECT_EQ(waiting.failure(), "the reader went away");
  Held late(loop, send_one(out, 3, 100));
  loop.drain();
  EXPECT_EQ(late.failure(), "the reader went away");
  EXPECT_EQ(out.queued_bytes(), 0u);
  out.close();
}

TEST(Channel, BrokenIsATransientError) { EXPECT_EQ(Broken("x").kind(), Error::Kind::transient); }

struct Received {
  std::vector<int> values;
  int timeouts = 0;
};
Task<> receive_by(Clock::Duration patience, FakeClock& clock, Reader<Item>& in, Received& received) {
  for (;;) {
    Reader<Item>::Timed timed = co_await in.next_until(clock, clock.now() + patience);
    if (timed.ended) co_return;
    if (timed.item)
      received.values.push_back(timed.item->value);
    else
      ++received.timeouts;
  }
}

// Item and deadline fall together in every order of the events around them.
TEST(Channel, NextUntilLosesNoItemAtTheDeadline) {
  for (int order = 0; order < 4; ++order) {
    Loop loop;
    FakeClock clock;
    auto [out, in] = channel<Item>(loop.executor(), 1'000'000);
    Received received;
    Held reading(loop, receive_by(1s, clock, in, received));
    loop.drain();
    for (int i = 0; i < 300; ++i) {
      if (order / 2) clock.advance(1s);
      Held sending(loop, send_one(out, i, 1));
      if (order % 2) loop.drain();
      if (!(order / 2)) clock.advance(1s);
      loop.drain();
    }
    out.close();
    loop.drain();
    EXPECT_TRUE(reading.ended()) << reading.failure();
    ASSERT_EQ(received.values.size(), 300u) << order;
    for (int i = 0; i < 300; ++i) EXPECT_EQ(received.values[std::size_t(i)], i);
  }
}

TEST(Channel, NextUntilGivesUpAtTheDeadlineAndGoesOn) {
  Loop loop;
  FakeClock clock;
  auto [out, in] = channel<Item>(loop.executor(), 1000);
  Received received;
  Held reading(loop, receive_by(10s, clock, in, received));
  for (int i = 0; i < 5; ++i) {
    loop.drain();
    clock.advance(9s);
    loop.drain();
    EXPECT_EQ(received.timeouts, i);
    clock.advance(1s);
    loop.drain();
    EXPECT_EQ(received.timeouts, i + 1);
  }
  out.close();
  loop.drain();
  EXPECT_TRUE(reading.ended());
}

TEST(Channel, NextUntilHandsOutWhatIsThereAfterTheDeadline) {
  Loop loop;
  FakeClock clock;
  auto [out, in] = channel<Item>(loop.executor(), 1000);
  Held sending(loop, send_one(out, 5, 1));
  loop.drain();
  out.close();
  Received received;
  Held reading(loop, receive_by(-1s, clock, in, received));
  loop.drain();
  EXPECT_TRUE(reading.ended());
  EXPECT_EQ(received.values, std::vector<int>{5});
  EXPECT_EQ(received.timeouts, 0);
}

TEST(Channel, MovesItemsWithoutCopies) {
  struct Unique {
    std::unique_ptr<int> value;
    std::size_t bytes() const { return 8; }
  };
  run([](Loop& loop) -> Task<> {
    auto [out, in] = channel<Unique>(loop.executor(), 100);
    Unique item;
    item.value = std::make_unique<int>(3);
    co_await out.send(std::move(item));
    auto received = co_await in.next();
    EXPECT_EQ(*received->value, 3);
  });
}

Task<> read_two(Reader<Item> in, std::string& log) {
  for (int i = 0; i < 2; ++i) {
    std::optional<Item> item = co_await in.next();
    log += item ? 'r' : '-';
  }
}
Task<> hand_over_two(Writer<Item> out, std::string& log) {
  co_await yield();  // so that the reader waits
  for (int i = 0; i < 2; ++i) {
    co_await out.hand_over(Item(0));
    log += 'w';
  }
  out.close();
}

TEST(Channel, AHandedOverItemIsReadFirst) {
  run([](Loop& loop) -> Task<> {
    auto [out, in] = channel<Item>(loop.executor(), 50);
    std::string log;
    co_await all(hand_over_two(std::move(out), log), read_two(std::move(in), log));
    EXPECT_EQ(log, "rwrw");
  });
}

// The reader is busy and the budget taken: the item waits for room like any other.
TEST(Channel, AHandOverWaitsForRoom) {
  Loop loop;
  auto [out, in] = channel<Item>(loop.executor(), 150);
  std::string log;
  Held held(loop, hand_over_two(std::move(out), log));
  loop.drain();
  EXPECT_EQ(log, "w");
  EXPECT_TRUE(in.poll().has_value());
  loop.drain();
  EXPECT_EQ(log, "ww");
  EXPECT_TRUE(in.poll().has_value());
  EXPECT_TRUE(held.ended()) << held.failure();
}

Task<> read_one_then_fail(Reader<Item> in) {
  co_await in.next();
  throw Error(Error::Kind::transient, "reader failed");
}

// The reader fails while the writer lets it run.
TEST(Channel, AHandOverToWhoFailsEndsWithTheCause) {
  run([](Loop& loop) -> Task<> {
    auto [out, in] = channel<Item>(loop.executor(), 50);
    std::string log, what;
    try {
      co_await all(hand_over_two(std::move(out), log), read_one_then_fail(std::move(in)));
    } catch (const Error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "reader failed");
    EXPECT_EQ(log, "");
  });
}

TEST(Channel, AHandOverToNobodyIsBroken) {
  Loop loop;
  std::string log;
  std::optional<Held> held;
  {
    auto [out, in] = channel<Item>(loop.executor(), 50);
    held.emplace(loop, hand_over_two(std::move(out), log));
  }
  loop.drain();
  EXPECT_EQ(held->failure(), "the reader went away");
}

}  // namespace
}  // namespace sluice
