// Tables that change while they are captured: the real pipeline follows, without a change of the catalog for
// new columns, and with a rediscovery for changed types.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "harness/pipeline.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace {

using namespace std::chrono_literals;

class Schema : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<sluice::testing::PrivatePostgres>(); }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    static int number = 0;
    database_ = fmt::format("schema{}", ++number);
    harness::Client(harness::dsn(*server_)).run("CREATE DATABASE " + database_);
    sql("CREATE SCHEMA shop; CREATE TABLE shop.items (id integer PRIMARY KEY, n integer);"
        "CREATE TABLE shop.others (id integer PRIMARY KEY);"
        "CREATE TABLE public.flow_watermarks (slot text PRIMARY KEY, watermark text);"
        "INSERT INTO shop.items SELECT i, i FROM generate_series(1, 100) i; INSERT INTO shop.others VALUES "
        "(1);"
        "CREATE PUBLICATION flow_publication FOR ALL TABLES");
    pipeline_ = std::make_unique<harness::Pipeline>(folder_.path(),
                                                    harness::Pipeline::Options::of(*server_, database_));
    pipeline_->discover();
  }
  void TearDown() override {
    harness::Client client(harness::dsn(*server_));
    client.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active");
    client.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active");
  }

  void sql(const std::string& text) { harness::Client(harness::dsn(*server_, database_)).run(text); }

  // The only value of a query of the destination; empty as long as it cannot be asked.
  std::string destination(const std::string& query) const {
    sqlite3* raw = nullptr;
    sqlite3_open_v2(pipeline_->database().c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
    std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(raw, sqlite3_close);
    sqlite3_busy_timeout(raw, 10'000);
    sqlite3_stmt* statement = nullptr;
    std::string value;
    if (sqlite3_prepare_v2(raw, query.c_str(), -1, &statement, nullptr) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
      value = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return value;
  }
  // Waits until the query gives the value.
  void expect_soon(const std::string& query, const std::string& value) {
    auto due = std::chrono::steady_clock::now() + 30s;
    while (destination(query) != value && std::chrono::steady_clock::now() < due)
      std::this_thread::sleep_for(20ms);
    EXPECT_EQ(destination(query), value) << query << "\n" << pipeline_->tail_of_log(3000);
  }
  // `expected`: SQL for the document of an item, without _meta.
  void expect_items(const std::string& expected) {
    harness::Table items{"shop", "items", {"id"}, expected, ""};
    harness::Client client(harness::dsn(*server_, database_));
    harness::Difference d = harness::compare(client, pipeline_->database(), "shop_items", items);
    EXPECT_EQ(d.missing + d.surplus, 0) << (d.examples.empty() ? "" : d.examples.front());
    EXPECT_EQ(d.source_rows, d.destination_rows);
  }
  std::string catalog() const {
    std::stringstream text;
    text << std::ifstream(pipeline_->catalog()).rdbuf();
    return text.str();
  }

  static std::unique_ptr<sluice::testing::PrivatePostgres> server_;
  harness::TemporaryFolder folder_;
  std::string database_;
  std::unique_ptr<harness::Pipeline> pipeline_;
};
std::unique_ptr<sluice::testing::PrivatePostgres> Schema::server_;

TEST_F(Schema, AnAddedColumnArrivesWhileThePipelineRuns) {
  std::string before = catalog();
  std::unique_ptr<harness::Program> run = pipeline_->start(false);
  expect_soon("SELECT count(*) FROM shop_items", "100");
  sql("ALTER TABLE shop.items ADD COLUMN note text");
  sql("INSERT INTO shop.items SELECT i, i, 'note ' || i FROM generate_series(101, 150) i");
  expect_soon("SELECT count(*) FROM shop_items WHERE note = 'note ' || id", "50");
  sql("ALTER TABLE shop.items ADD COLUMN at date, DROP COLUMN n; "
      "UPDATE shop.items SET note = 'note ' || id, at = '2024-01-01' WHERE id <= 10;"
      "INSERT INTO shop.others VALUES (2)");
  expect_soon("SELECT count(*) FROM shop_items WHERE note = 'note ' || id AND at = '2024-01-01'", "10");
  expect_soon("SELECT count(*) FROM shop_others", "2");
  run->signal(SIGINT);
  EXPECT_EQ(run->wait(30s), 0) << pipeline_->tail_of_log(3000);
  EXPECT_EQ(catalog(), before);
  sql("INSERT INTO shop.items VALUES (151, 'note 151', '2024-01-01')");
  pipeline_->run_once(60s);
  EXPECT_EQ(destination("SELECT count(*) || ' ' || count(note) || ' ' || count(at) FROM shop_items"),
            "151 61 11");
  EXPECT_EQ(pipeline_->recorded().doubled, 0u);
}

TEST_F(Schema, KillsWhileColumnsAreAddedLoseNothing) {
  pipeline_->run_once(60s);
  constexpr int rounds = 8;
  for (int i = 1; i <= rounds; ++i) {
    std::unique_ptr<harness::Program> run = pipeline_->start(false);
    sql(fmt::format(
        "ALTER TABLE shop.items ADD COLUMN c{0} integer;"
        "INSERT INTO shop.items (id, c{0}) SELECT 1000 * {0} + i, i FROM generate_series(1, 20) i;"
        "UPDATE shop.items SET c{0} = id WHERE id = {0}",
        i));
    ASSERT_FALSE(run->wait(100ms + i * 40ms)) << pipeline_->tail_of_log(3000);
    run->signal(SIGKILL);
    run->wait(10s);
  }
  pipeline_->run_once(60s);
  for (int i = 1; i <= rounds; ++i)
    EXPECT_EQ(destination(fmt::format(
                  "SELECT count(*) || ' ' || sum(c{}) FROM shop_items WHERE c{} IS NOT NULL", i, i)),
              fmt::format("21 {}", 210 + i));
  EXPECT_EQ(destination("SELECT count(*) FROM shop_items"), std::to_string(100 + 20 * rounds));
  EXPECT_EQ(pipeline_->recorded().doubled, 0u);
}

TEST_F(Schema, AChangedTypeNeedsOnlyARediscovery) {
  pipeline_->run_once(60s);
  sql("UPDATE shop.items SET n = 1000 WHERE id = 1");
  sql("ALTER TABLE shop.items ALTER COLUMN n TYPE text");
  sql("UPDATE shop.items SET n = 'two' WHERE id = 2; INSERT INTO shop.items VALUES (101, 'more')");
  pipeline_->rediscover();
  sql("UPDATE shop.items SET n = 'three' WHERE id = 3; DELETE FROM shop.items WHERE id = 100");
  pipeline_->run_once(60s);
  // Rows that did not change since keep the form that they were captured in.
  const std::string expected =
      "jsonb_build_object('id', id, 'n', CASE WHEN n ~ '^[0-9]+$' THEN to_jsonb(n::int) ELSE to_jsonb(n) "
      "END)";
  expect_items(expected);
  // A column of several types holds JSON.
  for (auto [id, n] : {std::pair(1, "1000"), {2, "\"two\""}, {3, "\"three\""}, {4, "4"}, {101, "\"more\""}})
    EXPECT_EQ(destination(fmt::format("SELECT n FROM shop_items WHERE id = {}", id)), n);
  sql("UPDATE shop.items SET n = 'four' WHERE id = 4");
  pipeline_->run_once(60s);
  expect_items(expected);
  EXPECT_EQ(pipeline_->recorded().doubled, 0u);
}

}  // namespace
