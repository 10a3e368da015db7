// What does a document cost in one pass through the combiner, from text to text? Row-shaped change events of
// about 300 bytes; captures insert the placeholder and sort properties, materializations read canonical text.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "allocations.hpp"
#include "orders.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/combine.hpp"

namespace {

using sluice::runtime::CombineBinding;
using sluice::runtime::Combined;
using sluice::runtime::Combiner;
using sluice::runtime::Mode;
using sluice::runtime::Schema;

using namespace sluice::literals;

// As a CDC capture declares a table.
constexpr std::string_view table_schema = R"({
  "type":"object","required":["id"],
  "properties":{
    "id":{"type":"integer"},"customer":{"type":["string","null"]},"email":{"type":["string","null"]},
    "amount":{"type":["number","null"]},"currency":{"type":["string","null"]},"paid":{"type":["boolean","null"]},
    "note":{"type":["string","null"]},"created":{"type":["string","null"],"format":"date-time"},
    "qty":{"type":["integer","null"]},"tag":{"type":["string","null"]},"region":{"type":["string","null"]},
    "_meta":{"type":"object","required":["op","source"],"properties":{"op":{"enum":["c","u","d"]},
      "source":{"type":"object","properties":{"ts_ms":{"type":"integer"},"schema":{"type":"string"},
        "table":{"type":"string"},"loc":{"type":"array","items":{"type":"integer"}}}}}}
  },
  "if":{"properties":{"_meta":{"properties":{"op":{"const":"d"}}}}},
  "then":{"reduce":{"strategy":"merge","delete":true}},
  "else":{"reduce":{"strategy":"merge"}}
})";

std::vector<std::string> documents(std::size_t count, std::size_t keys) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(sluice::bench::order(i, i * 7919 % keys));
  }
  return out;
}

Combiner combiner(std::string_view schema, Mode mode, bool capture, std::size_t budget) {
  CombineBinding binding{.name = "acme/orders",
                         .key = {sluice::json::Pointer("/id")},
                         .defaults = {},
                         .schema = Schema::compile(schema)};
  binding.mode = mode;
  binding.placeholder = capture;
  std::vector<CombineBinding> bindings;
  bindings.push_back(std::move(binding));
  return Combiner(std::move(bindings), budget);
}

struct Case {
  std::string_view schema = table_schema;
  bool capture = false;
  std::size_t keys = 50'000;
  std::size_t budget = 256_MiB;
  bool fronts = false;
};

void run(benchmark::State& state, Case c) {
  constexpr std::size_t count = 50'000;
  auto docs = documents(count, c.keys);
  if (!c.capture)
    for (std::string& d : docs) d = sluice::json::canonical(d);
  Combiner tested = combiner(c.schema, c.capture ? Mode::partial : Mode::full, c.capture, c.budget);
  std::size_t bytes = 0, out = 0;
  auto pass = [&] {
    for (const std::string& d : docs) tested.add(0, d);
    if (c.fronts)
      for (const std::string& d : docs) tested.add(0, d, true);
    tested.finish();
    while (const Combined* d = tested.next()) out += d->json.size();
  };
  pass();
  for (const std::string& d : docs) bytes += d.size();
  std::size_t before = allocations();
  for (auto _ : state) pass();
  benchmark::DoNotOptimize(out);
  auto rounds = static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(rounds) * static_cast<std::int64_t>(bytes));
  state.counters["time/doc"] = benchmark::Counter(rounds * static_cast<double>(count),
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs/doc"] =
      static_cast<double>(allocations() - before) / (rounds * static_cast<double>(count));
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MB"] = static_cast<double>(usage.ru_maxrss) / 1024;
}

BENCHMARK_CAPTURE(run, capture, Case{.capture = true})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, capture_without_schema, Case{.schema = "{}", .capture = true})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, capture_10_updates_a_key, Case{.capture = true, .keys = 5'000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, materialize, Case{})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, materialize_without_schema, Case{.schema = "{}"})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, materialize_loaded, Case{.fronts = true})->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(run, materialize_spilled, Case{.budget = 4_MiB})->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
