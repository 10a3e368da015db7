#include "sluice/async/event.hpp"

#include <gtest/gtest.h>
#include <asio/post.hpp>

#include <memory>
#include <string>

#include "sluice/async/scope.hpp"
#include "sluice/testing/held.hpp"
#include "sluice/testing/run.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::Held;
using testing::run;
using Time = std::chrono::steady_clock;

Task<> wait_then_note(Event& event, std::string& log, char name) {
  co_await event.wait();
  log += name;
}
Task<> wait_until_then_note(Event& event, Time::time_point deadline, std::string& log, char name) {
  co_await event.wait_until(deadline);
  log += name;
}

TEST(Event, WakesAllThatWaitInTurnAndNobodyLater) {
  Loop loop;
  Event event(loop.executor());
  std::string log;
  event.notify_all();
  Held a(loop, wait_then_note(event, log, 'a')), b(loop, wait_then_note(event, log, 'b'));
  loop.drain();
  EXPECT_EQ(log, "") << "a notification is not kept";
  event.notify_all();
  EXPECT_EQ(log, "") << "who waits runs in a turn of its own";
  Held later(loop, wait_then_note(event, log, 'c'));
  loop.drain();
  EXPECT_EQ(log, "ab");
  event.notify_all();
  event.notify_all();
  loop.drain();
  EXPECT_EQ(log, "abc");
}

TEST(Event, ResumesTheFirstAtOnce) {
  Loop loop;
  Event event(loop.executor());
  std::string log;
  event.resume_first();
  Held a(loop, wait_then_note(event, log, 'a')), b(loop, wait_then_note(event, log, 'b'));
  loop.drain();
  asio::post(loop.executor(), [&] {
    event.resume_first();
    log += '.';
  });
  loop.drain();
  EXPECT_EQ(log, "a.b");
}

// Who is resumed may end what the event lives in.
TEST(Event, MayDieWhileItResumes) {
  Loop loop;
  auto event = std::make_unique<Event>(loop.executor());
  auto wait_then_destroy = [](std::unique_ptr<Event>& mine) -> Task<> {
    Event& waited = *mine;
    co_await waited.wait();
    mine.reset();
  };
  Held held(loop, wait_then_destroy(event));
  loop.drain();
  asio::post(loop.executor(), [&, e = event.get()] { e->resume_first(); });
  loop.drain();
  EXPECT_TRUE(held.ended()) << held.failure();
  EXPECT_EQ(event, nullptr);
}

Task<> give_way_then_note(Event& event, std::string& log) {
  log += '(';
  co_await event.give_way();
  log += ')';
}

TEST(Event, GivesWayToWhoWaits) {
  Loop loop;
  Event event(loop.executor());
  std::string log;
  Held a(loop, wait_then_note(event, log, 'a')), b(loop, wait_then_note(event, log, 'b'));
  loop.drain();
  Held giver(loop, give_way_then_note(event, log));
  loop.drain();
  EXPECT_EQ(log, "(a)b") << "the first before the caller goes on, the others when it is their turn";
  Held alone(loop, give_way_then_note(event, log));
  loop.drain();
  EXPECT_EQ(log, "(a)b()");
}

Task<> cancel_then_note(Event& event, Held*& victim, std::string& log) {
  co_await event.wait();
  victim->cancel();
  log += 'c';
}

TEST(Event, WhoGaveWayMayBeCancelledMeanwhile) {
  Loop loop;
  Event event(loop.executor());
  std::string log;
  Held* victim = nullptr;
  Held other(loop, cancel_then_note(event, victim, log));
  loop.drain();
  Held giver(loop, give_way_then_note(event, log));
  victim = &giver;
  loop.drain();
  EXPECT_EQ(log, "(c");
  EXPECT_TRUE(giver.cancelled()) << giver.failure();
}

TEST(Event, ACancellationOfWhoIsAwakeAlreadyIsNotLost) {
  Loop loop;
  Event event(loop.executor());
  std::string log;
  Held held(loop, wait_then_note(event, log, 'a'));
  loop.drain();
  event.notify_all();
  held.cancel();
  event.notify_all();
  loop.drain();
  EXPECT_TRUE(held.cancelled()) << held.failure();
  EXPECT_EQ(log, "");
}

Task<> wait_uninterrupted_then_note(Event& event, std::string& log) {
  co_await event.wait_uninterrupted();
  log += 'u';
  co_await event.wait();
}

TEST(Event, AnUninterruptedWaitLeavesTheCancellationPending) {
  Loop loop;
  Event event(loop.executor());
  std::string log;
  Held held(loop, wait_uninterrupted_then_note(event, log));
  loop.drain();
  held.cancel().settle();
  EXPECT_FALSE(held.ended());
  event.notify_all();
  loop.drain();
  EXPECT_EQ(log, "u");
  EXPECT_TRUE(held.cancelled()) << held.failure();
}

TEST(Event, WakesEachAtItsDeadline) {
  run([](Loop& loop) -> Task<> {
    Event event(loop.executor());
    std::string log;
    auto start = Time::now();
    co_await all(wait_until_then_note(event, start + 30ms, log, 'c'),
                 wait_until_then_note(event, start + 10ms, log, 'a'),
                 wait_until_then_note(event, start + 20ms, log, 'b'));
    EXPECT_EQ(log, "abc");
    EXPECT_GE(Time::now() - start, 30ms);
  });
}

TEST(Event, ADeadlineThatHasPassedNeedsNoNotification) {
  run([](Loop& loop) -> Task<> {
    Event event(loop.executor());
    co_await event.wait_until(Time::now() - 1s);
  });
}

Task<> wait_shortly_then_long(Event& event, Time::time_point shortly, Time::time_point later) {
  co_await event.wait_until(shortly);
  EXPECT_LT(Time::now(), shortly);
  co_await event.wait_until(later);
  EXPECT_GE(Time::now(), later) << "woken by what was set for the former wait";
}

// What was set for a wait that ended early wakes nobody, and does not keep a later deadline from being met.
TEST(Event, ADeadlineThatWasNotReachedIsForgotten) {
  run([](Loop& loop) -> Task<> {
    Event event(loop.executor());
    auto shortly = Time::now() + 1h, later = Time::now() + 20ms;
    auto notify = [](Event& e) -> Task<> {
      e.notify_all();
      co_return;
    };
    co_await all(wait_shortly_then_long(event, shortly, later), notify(event));
    // The other way round: the alarm of the former wait rings first.
    shortly = Time::now() + 20ms;
    later = Time::now() + 40ms;
    std::string log;
    co_await all(wait_until_then_note(event, shortly, log, 's'), notify(event));
    co_await event.wait_until(later);
    EXPECT_GE(Time::now(), later);
    EXPECT_EQ(log, "s");
  });
}

}  // namespace
}  // namespace sluice
