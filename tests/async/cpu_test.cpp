#include "sluice/async/cpu.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cctype>
#include <thread>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/testing/held.hpp"
#include "sluice/testing/run.hpp"

namespace sluice {
namespace {

using testing::Held;
using testing::run;

using Flag = std::shared_ptr<std::atomic<bool>>;
Flag flag() { return std::make_shared<std::atomic<bool>>(false); }
void raise_flag(const Flag& f) {
  f->store(true);
  f->notify_all();
}
void wait_for(const Flag& f) { f->wait(false); }

std::string shout(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  return text;
}
void fail(std::string text) { throw Error(Error::Kind::config, text); }
std::unique_ptr<int> pass(std::unique_ptr<int> p) { return p; }
struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  int value;
};
NoDefault make(int v) { return NoDefault(v); }
std::thread::id thread() { return std::this_thread::get_id(); }
int meet(std::barrier<>* barrier) {
  barrier->arrive_and_wait();
  return 1;
}
void run_until(Flag started, Flag finish, Flag done) {
  raise_flag(started);
  wait_for(finish);
  raise_flag(done);
}

TEST(OnCpu, ReturnsTheResultOrTheError) {
  CpuPool pool(2);
  run([&](Loop&) -> Task<> {
    EXPECT_EQ(co_await on_cpu(pool, shout, std::string("abc")), "ABC");
    std::string what;
    try {
      co_await on_cpu(pool, fail, std::string("bad bytes"));
    } catch (const Error& e) {
      what = e.what();
    }
    EXPECT_EQ(what, "bad bytes");
    auto owned = std::make_unique<int>(5);
    owned = co_await on_cpu(pool, pass, std::move(owned));
    EXPECT_EQ(*owned, 5);
    NoDefault made = co_await on_cpu(pool, make, 7);
    EXPECT_EQ(made.value, 7);
  });
}

TEST(OnCpu, RunsOffTheLoopAndResumesOnIt) {
  CpuPool pool(1);
  run([&](Loop&) -> Task<> {
    auto home = std::this_thread::get_id();
    auto there = co_await on_cpu(pool, thread);
    EXPECT_NE(there, home);
    EXPECT_EQ(std::this_thread::get_id(), home);
  });
}

TEST(OnCpu, RunsAsManyAtOnceAsThereAreThreads) {
  CpuPool pool(3);
  EXPECT_EQ(pool.threads(), 3u);
  std::barrier<> barrier(3);
  run([&](Loop&) -> Task<> {
    int met = 0;
    auto one = [&]() -> Task<> { met += co_await on_cpu(pool, meet, &barrier); };
    co_await all(one(), one(), one());
    EXPECT_EQ(met, 3);
  });
}

TEST(OnCpu, IsNotInterruptedAndTheCancellationStaysPending) {
  CpuPool pool(1);
  Loop loop;
  Flag started = flag(), finish = flag(), done = flag();
  bool returned = false, went_on = false;
  auto body = [&]() -> Task<> {
    co_await on_cpu(pool, run_until, started, finish, done);
    returned = true;
    co_await check_cancelled();
    went_on = true;
  };
  Held held(loop, body());
  held.settle();
  wait_for(started);
  held.cancel().settle();
  EXPECT_FALSE(held.ended());
  raise_flag(finish);
  while (!held.ended()) held.settle();
  EXPECT_TRUE(done->load());
  EXPECT_TRUE(returned);
  EXPECT_FALSE(went_on);
  EXPECT_TRUE(held.cancelled());
}

TEST(OnCpu, AJobOutlivesTheLoopThatStartedIt) {
  CpuPool pool(1);
  Flag started = flag(), finish = flag(), done = flag();
  {
    Loop loop;
    Held held(loop, on_cpu(pool, run_until, started, finish, done));
    held.settle();
    wait_for(started);
  }
  raise_flag(finish);
  wait_for(done);
}

TEST(OnCpu, ManyJobsEndWhileTheirLoopIsDestroyed) {
  CpuPool pool(2);
  for (int round = 0; round < 200; ++round) {
    Loop loop;
    std::vector<std::unique_ptr<Held>> held;
    for (int i = 0; i < 8; ++i) held.push_back(std::make_unique<Held>(loop, []() -> Task<> { co_return; }()));
    auto job = [&]() -> Task<> { co_await on_cpu(pool, shout, std::string(64, 'x')); };
    for (int i = 0; i < 8; ++i) held.push_back(std::make_unique<Held>(loop, job()));
    loop.drain();
  }
}

TEST(OnCpu, APoolDestroyedFirstDropsWhatHasNotBegun) {
  auto counted = std::make_shared<int>(0);
  Flag started = flag(), finish = flag(), done = flag();
  {
    Loop loop;
    auto pool = std::make_unique<CpuPool>(1);
    auto hold = [](std::shared_ptr<int> n) { ++*n; };
    Held running(loop, on_cpu(*pool, run_until, started, finish, done));
    Held queued(loop, on_cpu(*pool, +hold, counted));
    loop.drain();
    wait_for(started);
    raise_flag(finish);
    // The running job is awaited; the queued one may or may not have got its turn.
    pool.reset();
    EXPECT_TRUE(done->load());
  }
  EXPECT_EQ(counted.use_count(), 1) << "its argument was released";
}

}  // namespace
}  // namespace sluice
