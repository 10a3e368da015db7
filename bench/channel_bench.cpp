// What does it cost to hand an item from one coroutine to another? Through a channel with room for many items,
// through one that suspends the sender at each, and beside them a plain call and an await of what is ready.
#include <benchmark/benchmark.h>

#include "allocations.hpp"
#include "sluice/async/channel.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"

namespace {

using namespace sluice;

constexpr int items = 100'000;

struct Item {
  std::uint64_t value = 0;
  std::size_t bytes() const { return sizeof *this; }
};

Task<> produce(Writer<Item> out) {
  Item item;
  for (; item.value < items; ++item.value) co_await out.send(item);
  out.close();
}

Task<> consume(Reader<Item> in, std::uint64_t& sum) {
  while (auto item = co_await in.next()) sum += item->value;
}

Task<> hand_over(Loop& loop, std::size_t budget_bytes, std::uint64_t& sum) {
  auto [out, in] = channel<Item>(loop.executor(), budget_bytes);
  co_await all(produce(std::move(out)), consume(std::move(in), sum));
}

Task<std::uint64_t> ready(std::uint64_t value) { co_return value; }

Task<> await_ready(std::uint64_t& sum) {
  for (std::uint64_t i = 0; i < items; ++i) sum += co_await ready(i);
}

void report(benchmark::State& state, std::size_t allocated, std::uint64_t sum) {
  if (sum == 0) state.SkipWithError("nothing arrived");
  double count = static_cast<double>(state.iterations()) * items;
  state.counters["ns/item"] = benchmark::Counter(count * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs/item"] = static_cast<double>(allocated) / count;
}

void through_a_channel(benchmark::State& state) {
  Loop loop;
  std::uint64_t sum = 0;
  std::size_t before = allocations();
  for (auto _ : state) loop.run(hand_over(loop, static_cast<std::size_t>(state.range(0)), sum));
  report(state, allocations() - before, sum);
}
BENCHMARK(through_a_channel)->ArgName("budget")->Arg(1)->Arg(1024)->Arg(1 << 20);

void await_what_is_ready(benchmark::State& state) {
  Loop loop;
  std::uint64_t sum = 0;
  std::size_t before = allocations();
  for (auto _ : state) loop.run(await_ready(sum));
  report(state, allocations() - before, sum);
}
BENCHMARK(await_what_is_ready);

[[gnu::noinline]] std::uint64_t plain(std::uint64_t value) {
  benchmark::DoNotOptimize(value);
  return value;
}

void call(benchmark::State& state) {
  std::uint64_t sum = 0;
  std::size_t before = allocations();
  for (auto _ : state)
    for (std::uint64_t i = 0; i < items; ++i) sum += plain(i);
  report(state, allocations() - before, sum);
}
BENCHMARK(call);

}  // namespace

BENCHMARK_MAIN();
