// How fast is one hop of a document: parsing, its canonical form, its packed key? Row-shaped change events of
// about 300 bytes with 15 members, a column order that is not sorted, all different.
#include <benchmark/benchmark.h>

#include "allocations.hpp"
#include "orders.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/json/write.hpp"

namespace {

std::vector<std::string> documents() {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < 1000; ++i) out.push_back(sluice::bench::order(i, i));
  return out;
}

void report(benchmark::State& state, const std::vector<std::string>& docs, std::size_t allocated) {
  std::size_t bytes = 0;
  for (const std::string& d : docs) bytes += d.size();
  auto rounds = static_cast<double>(state.iterations());
  auto count = static_cast<double>(docs.size());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(docs.size()));
  state.counters["time/doc"] =
      benchmark::Counter(rounds * count, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs/doc"] = static_cast<double>(allocated) / (rounds * count);
}

template <class Work>
void run(benchmark::State& state, Work work) {
  auto docs = documents();
  for (const std::string& d : docs) work(d);  // warm
  std::size_t before = allocations();
  for (auto _ : state)
    for (const std::string& d : docs) work(d);
  report(state, docs, allocations() - before);
}

void parse(benchmark::State& state) {
  sluice::json::Tree tree;
  run(state, [&](const std::string& text) {
    tree.parse(text);
    benchmark::DoNotOptimize(tree.size());
  });
}
void parse_and_canonical(benchmark::State& state) {
  sluice::json::Tree tree;
  sluice::json::Canonical canonical;
  std::string out;
  run(state, [&](const std::string& text) {
    tree.parse(text);
    out.clear();
    canonical.write(out, tree, tree.root());
    benchmark::DoNotOptimize(out.data());
  });
}
void parse_and_pack_key(benchmark::State& state) {
  sluice::json::Tree tree;
  sluice::json::Pointer region("/region"), id("/id");
  std::string key;
  run(state, [&](const std::string& text) {
    tree.parse(text);
    key.clear();
    sluice::data::pack(key, tree, region.find(tree));
    sluice::data::pack(key, tree, id.find(tree));
    benchmark::DoNotOptimize(sluice::data::document_key_hash(key));
  });
}

BENCHMARK(parse);
BENCHMARK(parse_and_canonical);
BENCHMARK(parse_and_pack_key);

}  // namespace

BENCHMARK_MAIN();
