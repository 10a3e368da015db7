// What does a row of nine mixed columns cost on its way from the server's text to a document, by COPY and by
// replication, without and with libpq and the loop? copy_from_server needs PostgreSQL and prints our own CPU
// time a row.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include "allocations.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/pg/pgoutput.hpp"
#include "sluice/pg/types.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace {

using namespace sluice;
using namespace sluice::pg;

struct Column {
  const char* name;
  Oid oid;
  const char* type;
};
constexpr Column columns[] = {
    {"id", 20, "int8"},          {"customer", 25, "text"},      {"email", 25, "text"},
    {"amount", 1700, "numeric"}, {"paid", 16, "bool"},          {"created", 1184, "timestamptz"},
    {"qty", 23, "int4"},         {"attributes", 3802, "jsonb"}, {"note", 25, "text"},
};

TypeCatalog catalog() {
  TypeCatalog types;
  for (const Column& column : columns) {
    Type type;
    type.oid = column.oid;
    type.name = column.type;
    type.schema = "pg_catalog";
    types.add(type);
  }
  return types;
}

RowWriter writer() {
  std::vector<RowColumn> all;
  for (const Column& column : columns) all.push_back({column.name, column.oid, column.oid == 20});
  return RowWriter(catalog(), std::move(all), {});
}

std::vector<std::string> values(int i) {
  return {std::to_string(i),
          fmt::format("customer number {}", i * 7),
          fmt::format("c{}@example.com", i),
          fmt::format("{}.{:02}", i * 13, i % 100),
          i % 2 ? "t" : "f",
          fmt::format("2024-03-{:02} 12:34:56.789012+00", 1 + i % 28),
          std::to_string(i % 50),
          fmt::format(R"({{"tag": "t{}", "region": "eu-west-1"}})", i % 9),
          "a note of some length, with \"quotes\""};
}

constexpr std::string_view meta =
    R"({"op":"c","source":{"loc":[-1,123456,0],"schema":"public","snapshot":true,"table":"orders"}})";

std::vector<std::string> copy_lines() {
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) lines.push_back(fmt::format("{}\n", fmt::join(values(i), "\t")));
  return lines;
}

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

std::vector<std::string> messages() {
  std::vector<std::string> all;
  for (int i = 0; i < 1000; ++i) {
    std::string message = "w" + std::string(24, '\0') + "I";
    put(message, 16384, 4);
    message += "N";
    put(message, std::size(columns), 2);
    for (const std::string& value : values(i)) {
      message += "t";
      put(message, value.size(), 4);
      message += value;
    }
    all.push_back(std::move(message));
  }
  return all;
}

// Runs work(row) over all rows until the time is up.
template <class Work>
void run(benchmark::State& state, const std::vector<std::string>& rows, Work work) {
  for (const std::string& row : rows) work(row);
  std::size_t before = allocations(), bytes = 0;
  for (const std::string& row : rows) bytes += row.size();
  for (auto _ : state)
    for (const std::string& row : rows) work(row);
  auto count = static_cast<double>(state.iterations()) * static_cast<double>(rows.size());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.counters["time/row"] =
      benchmark::Counter(count, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs/row"] = static_cast<double>(allocations() - before) / count;
}

void split_line(benchmark::State& state) {
  std::string line;
  Field fields[16];
  run(state, copy_lines(), [&](const std::string& row) {
    line = row;
    benchmark::DoNotOptimize(split_copy_line(line.data(), line.size(), fields, 16));
  });
}
BENCHMARK(split_line);

void line_to_document(benchmark::State& state) {
  RowWriter rows = writer();
  std::string line, out;
  Field fields[16];
  run(state, copy_lines(), [&](const std::string& row) {
    line = row;
    std::size_t count = split_copy_line(line.data(), line.size(), fields, 16);
    out.clear();
    rows.append(out, fields, count, meta);
    benchmark::DoNotOptimize(out.data());
  });
}
BENCHMARK(line_to_document);

void message_to_document(benchmark::State& state) {
  RowWriter rows = writer();
  pgoutput::Decoder decoder;
  std::string out;
  run(state, messages(), [&](const std::string& row) {
    auto frame = decode_frame(row);
    auto message = decoder.decode(std::get<XLogData>(frame).payload);
    auto& insert = std::get<pgoutput::Insert>(message);
    out.clear();
    rows.append(out, insert.row.fields, insert.row.count, meta);
    benchmark::DoNotOptimize(out.data());
  });
}
BENCHMARK(message_to_document);

void transcode(benchmark::State& state, std::string name, Oid oid, std::string text) {
  TypeCatalog types;
  Type type;
  type.oid = oid;
  type.name = std::move(name);
  type.schema = "pg_catalog";
  types.add(type);
  Transcoder transcoder(types, oid, false, {});
  std::string out;
  run(state, {text}, [&](const std::string& value) {
    out.clear();
    transcoder.append(out, value);
    benchmark::DoNotOptimize(out.data());
  });
}
BENCHMARK_CAPTURE(transcode, int8, "int8", 20, "1234567890");
BENCHMARK_CAPTURE(transcode, float8, "float8", 701, "1234.5678");
BENCHMARK_CAPTURE(transcode, numeric, "numeric", 1700, "123456.7890");
BENCHMARK_CAPTURE(transcode, timestamptz, "timestamptz", 1184, "2024-03-01 12:34:56.789012+00");
BENCHMARK_CAPTURE(transcode, text_20, "text", 25, std::string(20, 'x'));
BENCHMARK_CAPTURE(transcode, text_1000, "text", 25, std::string(1000, 'x'));
BENCHMARK_CAPTURE(transcode, text_1000_wide, "text", 25, [] {
  std::string text;
  while (text.size() < 1000) text += "ü€";
  return text;
}());
BENCHMARK_CAPTURE(transcode, json_200, "json", 114,
                  R"({"a":)" + std::string("[1,2,\"three\",{\"x\":null}]") + R"(,"b":")" +
                      std::string(150, 'y') + "\"}");
BENCHMARK_CAPTURE(transcode, bytea_1000, "bytea", 17, "\\x" + std::string(2000, 'a'));
BENCHMARK_CAPTURE(transcode, interval, "interval", 1186, "1 year 2 mons -3 days +04:05:06.7");

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](timeval t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

constexpr int server_rows = 500'000;

Task<> fill(Context& context, ConnectOptions options) {
  auto db = co_await Connection::connect(context, std::move(options));
  co_await db->run(fmt::format(
      "CREATE TABLE orders AS SELECT i::int8 AS id, 'customer number ' || i * 7 AS customer, 'c' || i || "
      "'@example.com' AS email, "
      "(i * 13.25)::numeric AS amount, i % 2 = 0 AS paid, timestamptz '2024-03-01 12:34:56.789012+00' + i * "
      "interval '1 s' AS created, "
      "i % 50 AS qty, jsonb_build_object('tag', 't' || i % 9, 'region', 'eu-west-1') AS attributes, "
      "'a note of some length, with \"quotes\"' AS note FROM generate_series(1, {}) i",
      server_rows));
  co_await db->run("VACUUM ANALYZE orders");
}

enum class Depth { receive, document };

Task<> read_all(Context& context, ConnectOptions options, Depth depth) {
  auto db = co_await Connection::connect(context, std::move(options));
  RowWriter rows = writer();
  Field fields[16];
  std::string out;
  co_await db->start_copy_out("COPY orders TO STDOUT");
  for (;;) {
    std::optional<std::string_view> row = db->poll_copy();
    if (!row) row = co_await db->next_copy();
    if (!row) break;
    if (depth == Depth::receive) continue;
    std::span<char> line = db->copy_bytes();
    std::size_t count = split_copy_line(line.data(), line.size(), fields, 16);
    if (out.size() > 1 << 20) out.clear();
    rows.append(out, fields, count, meta);
  }
}

void copy_from_server(benchmark::State& state, Depth depth) {
  testing::PrivatePostgres server;
  ConnectOptions options;
  options.host = server.socket_folder();
  options.port = server.port();
  options.user = options.database = testing::PrivatePostgres::user;
  options.settings = pinned_settings();
  CpuPool pool(1);
  SteadyClock clock;
  Loop loop;
  Context context(loop.executor(), pool, clock, Log());
  loop.run(fill(context, options));
  double before = cpu_seconds();
  for (auto _ : state) loop.run(read_all(context, options, depth));
  auto count = static_cast<double>(state.iterations()) * server_rows;
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.counters["our_cpu_ns/row"] = (cpu_seconds() - before) * 1e9 / count;
}
BENCHMARK_CAPTURE(copy_from_server, receive, Depth::receive)->UseRealTime()->Iterations(3);
BENCHMARK_CAPTURE(copy_from_server, document, Depth::document)->UseRealTime()->Iterations(3);

}  // namespace

BENCHMARK_MAIN();
