// What one evaluation of a collection schema costs per document: the schema that discovery of a PostgreSQL
// table gives (capture-postgres.md §2.6, ten columns) on a change event of some 300 bytes, and simpler ones
// to see where the time goes. Parsing is measured apart, since the combiner parses once for all that it does.
#include <benchmark/benchmark.h>

#include "allocations.hpp"
#include "sluice/runtime/inference.hpp"
#include "sluice/runtime/schema.hpp"
#include "sluice/runtime/shape.hpp"

namespace {

using namespace sluice;

constexpr std::string_view columns = R"json(
  "id": {"type": "integer"}, "customer_id": {"type": "integer"},
  "status": {"type": ["string","null"], "maxLength": 20}, "total": {"type": ["string","null"], "format": "number"},
  "currency": {"type": ["string","null"], "maxLength": 3, "minLength": 3}, "note": {"type": ["string","null"]},
  "created_at": {"type": ["string","null"], "format": "date-time"},
  "updated_at": {"type": ["string","null"], "format": "date-time"},
  "external_id": {"type": ["string","null"], "format": "uuid"}, "paid": {"type": ["boolean","null"]})json";

std::string discovered() {
  return R"json({"$defs": {"PublicOrders": {"type": "object", "required": ["id"], "$anchor": "PublicOrders",
    "properties": {)json" +
         std::string(columns) + R"json(}}},
 "allOf": [
  {"if":   {"properties": {"_meta": {"properties": {"op": {"const": "d"}}}}},
   "then": {"reduce": {"strategy": "merge", "delete": true}},
   "else": {"reduce": {"strategy": "merge"}},
   "required": ["_meta"],
   "properties": {"_meta": {"type": "object", "required": ["op","source"], "reduce": {"strategy": "merge"},
     "properties": {
      "op":     {"enum": ["c","d","u"]},
      "source": {"type": "object", "required": ["schema","table","loc"], "properties": {
        "ts_ms": {"type": "integer"}, "schema": {"type": "string"}, "snapshot": {"type": "boolean"},
        "table": {"type": "string"}, "loc": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3},
        "txid": {"type": "integer"}}},
      "before": {"$ref": "#PublicOrders", "reduce": {"strategy": "firstWriteWins"}}}}}},
  {"$ref": "#PublicOrders"}],
 "x-infer-schema": true})json";
}

std::string flat() {
  return R"({"type":"object","required":["id"],"properties":{)" + std::string(columns) + "}}";
}

constexpr std::string_view sorted =
    R"({"_meta":{"op":"u","source":{"loc":[94489280512,94489281000,94489281240],"schema":"public","table":"orders","ts_ms":1735689600123},"uuid":"DocUUIDPlaceholder-329Bb50aa48EAa9ef"},"created_at":"2025-01-01T10:20:30.123456Z","currency":"EUR","customer_id":4711,"external_id":"66285dbc-543d-11ef-8001-69ef5bf77016","id":42,"note":null,"paid":true,"status":"shipped","total":"1234.50","updated_at":"2025-01-02T10:20:30Z"})";

void parse(benchmark::State& state) {
  json::Tree tree;
  for (auto _ : state) {
    tree.parse(sorted);
    benchmark::DoNotOptimize(tree.size());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(sorted.size()));
}

// What `work` costs, which is done once a document.
template <class Work>
void per_document(benchmark::State& state, Work work) {
  std::size_t before = allocations();
  for (auto _ : state) benchmark::DoNotOptimize(work());
  state.counters["allocs/doc"] =
      static_cast<double>(allocations() - before) / static_cast<double>(state.iterations());
  state.SetItemsProcessed(state.iterations());
}

void evaluate(benchmark::State& state, const std::string& schema) {
  runtime::Validator validator(runtime::Schema::compile(schema));
  json::Tree tree;
  tree.parse(sorted);
  if (!validator.validate(tree).valid()) state.SkipWithError(validator.explain(tree).c_str());
  per_document(state, [&] { return validator.validate(tree).valid(); });
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(sorted.size()));
}

// Schema inference of one more document like those before it (runtime.md §13.2).
void widen(benchmark::State& state) {
  runtime::Shape shape = runtime::Shape::nothing();
  json::Tree tree;
  tree.parse(sorted);
  runtime::widen(shape, tree, tree.root());
  per_document(state, [&] { return runtime::widen(shape, tree, tree.root()); });
}

// What a document costs that has only properties that its write schema names.
void known_names(benchmark::State& state) {
  runtime::Inference inference(runtime::Schema::compile(discovered()), "");
  runtime::NameCheck names(inference.names());
  json::Tree tree;
  tree.parse(sorted);
  if (!names.knows(tree)) state.SkipWithError("unknown names");
  per_document(state, [&] { return names.knows(tree); });
}

// And one with a column that the write schema does not name yet.
void new_column(benchmark::State& state) {
  runtime::Inference inference(runtime::Schema::compile(discovered()), "");
  runtime::NameCheck names(inference.names());
  std::string text(sorted);
  text.insert(text.size() - 1, R"(,"vip":true)");
  json::Tree tree;
  tree.parse(text);
  for (auto _ : state)
    if (!names.knows(tree)) inference.widen(tree);
  state.SetItemsProcessed(state.iterations());
}

void take_sourced(benchmark::State& state) {
  runtime::Schema schema = runtime::Schema::compile(discovered());
  runtime::Inference inference(schema, "");
  for (auto _ : state) inference.source(schema);
}

BENCHMARK(parse);
BENCHMARK(widen);
BENCHMARK(known_names);
BENCHMARK(new_column);
BENCHMARK(take_sourced);
BENCHMARK_CAPTURE(evaluate, discovered, discovered());
BENCHMARK_CAPTURE(evaluate, flat_table, flat());
BENCHMARK_CAPTURE(evaluate, only_type, std::string(R"({"type":"object"})"));

}  // namespace

BENCHMARK_MAIN();
