// Many rows through flat memory: the runtime with its connectors stays within 256 MiB whatever the row count,
// also when a single source transaction changes a million rows. Rates are printed, not judged:
// benchmarks do.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "harness/pipeline.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace {

using namespace std::chrono_literals;
constexpr std::int64_t most_kib = 256 * 1024;

int rows() {
  const char* text = std::getenv("SLUICE_SCALE_ROWS");
  return text ? std::atoi(text) : 2'000'000;
}

const harness::Table mixed{"shop",
                           "mixed",
                           {"id"},
                           "jsonb_build_object('id', id, 'name', name, 'small', small, 'amount', "
                           "amount::text, 'ratio', ratio, 'active', active, "
                           "'day', day::text, 'at', rtrim(rtrim(to_char(at AT TIME ZONE 'UTC', "
                           "'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '0'), '.') || 'Z', "
                           "'extra', extra)",
                           ""};

// Runs --once, prints what it took, and checks memory.
void run_within_memory(harness::Pipeline& pipeline, int changed) {
  auto start = std::chrono::steady_clock::now();
  std::unique_ptr<harness::Program> run = pipeline.start(true);
  std::optional<int> status = run->wait(600s);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_EQ(status, 0) << pipeline.tail_of_log(3000);
  fmt::print("{} rows in {:.1f} s, {:.0f} rows/s, peak {} MiB\n", changed, seconds, changed / seconds,
             run->peak_rss_kib() / 1024);
  std::fflush(stdout);
  EXPECT_LE(run->peak_rss_kib(), most_kib);
}

TEST(Scale, RowsAndOneLargeTransactionInFlatMemory) {
  harness::TemporaryFolder folder;
  sluice::testing::PrivatePostgres server;
  std::string dsn = harness::dsn(server);
  harness::Client client(dsn);
  client.run(
      fmt::format("CREATE SCHEMA shop; CREATE TABLE shop.mixed (id bigint PRIMARY KEY, name text, small "
                  "smallint, amount numeric(12,2), "
                  "ratio double precision, active boolean, day date, at timestamptz, extra jsonb);"
                  "CREATE TABLE public.flow_watermarks (slot text PRIMARY KEY, watermark text);"
                  "CREATE PUBLICATION flow_publication FOR ALL TABLES;"
                  "INSERT INTO shop.mixed SELECT i, 'name of row ' || i, i % 30000, i * 0.01, i / 7.0, i % 2 "
                  "= 0, '2020-01-01'::date + i % 2000, "
                  "'2024-01-01'::timestamptz + i * interval '1 second', jsonb_build_object('k', i % 100, "
                  "'t', md5(i::text)) "
                  "FROM generate_series(1, {}) i; ANALYZE shop.mixed",
                  rows()));
  harness::Pipeline::Options options = harness::Pipeline::Options::of(server);
  harness::Pipeline pipeline(folder.path(), options);
  pipeline.discover();

  run_within_memory(pipeline, rows());
  int changed = std::min(rows(), 1'000'000);
  client.run(
      fmt::format("UPDATE shop.mixed SET small = small + 1, name = name || '!' WHERE id <= {}", changed));
  run_within_memory(pipeline, changed);

  harness::Difference d =
      harness::compare(client, pipeline.database(), harness::Pipeline::destination(mixed), mixed);
  for (const std::string& example : d.examples) fmt::print("{}\n", example);
  EXPECT_TRUE(d.equal());
  EXPECT_EQ(d.destination_rows, rows());
}

}  // namespace
