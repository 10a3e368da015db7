#include "sluice/async/channel.hpp"

#include <gtest/gtest.h>

#include "sluice/async/cpu.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/pipeline/flow.hpp"
#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/run.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::run;

struct Item {
  explicit Item(int v) : value(v) {}
  int value;
  std::size_t bytes() const { return 100; }
};

Task<> produce(int n, Writer<Item> out) {
  for (int i = 0; i < n; ++i) co_await out.send(Item(i));
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

TEST(Flow, StagesRunToTheEnd) {
  run([](Loop& loop) -> Task<> {
    int total = 0;
    FlowOptions options(loop.executor(), 250);
    co_await (from(options, produce, 1000) | through(twice) | into(sum, total));
    EXPECT_EQ(total, 999000);
  });
}

TEST(Flow, TheCauseIsRethrownNotTheConsequence) {
  run([](Loop& loop) -> Task<> {
    int total = 0;
    std::string what;
    FlowOptions options(loop.executor(), 250);
    try {
      co_await (from(options, produce_then_throw) | through(twice) | into(sum, total));
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

std::string shout(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  return text;
}
void fail(std::string text) { throw Error(Error::Kind::config, text); }

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
  });
}

}  // namespace
}  // namespace sluice
