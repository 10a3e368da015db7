// What goes wrong for users, from outside: one clear message that names the thing and the way out, exit
// status 1, and nothing lost once the cause is gone.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "harness/pipeline.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// One server for the whole program, a database a test.
class Errors : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<sluice::testing::PrivatePostgres>(); }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    static int number = 0;
    database_ = fmt::format("errors{}", ++number);
    harness::Client(dsn("postgres")).run("CREATE DATABASE " + database_);
    harness::Client client(dsn());
    client.run(
        "CREATE SCHEMA shop; CREATE TABLE shop.pulse (id bigint PRIMARY KEY, at timestamptz NOT NULL);"
        "CREATE TABLE public.flow_watermarks (slot text PRIMARY KEY, watermark text);"
        "INSERT INTO shop.pulse SELECT i, '2024-01-01' FROM generate_series(1, 1000) i;"
        "CREATE PUBLICATION flow_publication FOR ALL TABLES");
  }
  void TearDown() override {
    if (!server_->running()) server_->start();
    harness::Client client(dsn("postgres"));
    client.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active");
    client.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active");
  }

  std::string dsn(const std::string& database) const { return harness::dsn(*server_, database); }
  std::string dsn() const { return dsn(database_); }
  harness::Pipeline pipeline() const {
    return harness::Pipeline(folder_.path(), harness::Pipeline::Options::of(*server_, database_));
  }

  // The last line that a failing `sluice run --once` leaves.
  static std::string failure(harness::Pipeline& pipeline, harness::Program::Limits limits = {}) {
    std::ofstream(pipeline.log(), std::ios::trunc);
    std::vector<std::string> command = {harness::build_folder() + "/sluice",
                                        "run",
                                        pipeline.catalog(),
                                        "--state",
                                        pipeline.state(),
                                        "--once"};
    harness::Program run(command, {"LOG_FORMAT=text"}, pipeline.log(), limits);
    EXPECT_EQ(run.wait(60s), 1) << pipeline.tail_of_log(3000);
    std::string last;
    std::ifstream in(pipeline.log());
    for (std::string line; std::getline(in, line);)
      if (!line.empty()) last = line;
    return last;
  }
  void expect_rows(harness::Pipeline& pipeline, int rows) {
    harness::Client client(dsn());
    for (const harness::Table& table : harness::shop_tables()) {
      if (table.name != "pulse") continue;
      harness::Difference d =
          harness::compare(client, pipeline.database(), harness::Pipeline::destination(table), table);
      EXPECT_TRUE(d.equal());
      EXPECT_EQ(d.source_rows, rows);
    }
  }

  static void expect_recorded_once(harness::Pipeline& pipeline) {
    harness::Recorded recorded = pipeline.recorded();
    EXPECT_GT(recorded.documents, 0u);
    EXPECT_EQ(recorded.doubled, 0u);
  }

  static std::unique_ptr<sluice::testing::PrivatePostgres> server_;
  harness::TemporaryFolder folder_;
  std::string database_;
};
std::unique_ptr<sluice::testing::PrivatePostgres> Errors::server_;

#define EXPECT_MENTIONS(text, word) EXPECT_NE((text).find(word), std::string::npos) << (text)

TEST_F(Errors, WrongPassword) {
  harness::Pipeline p = pipeline();
  p.discover();
  harness::Client(dsn("postgres")).run("ALTER ROLE postgres PASSWORD 'changed'");
  std::string message = failure(p);
  harness::Client(
      fmt::format("host={} port={} user=postgres dbname=postgres", server_->socket_folder(), server_->port()))
      .run(fmt::format("ALTER ROLE postgres PASSWORD '{}'", server_->password()));
  EXPECT_MENTIONS(message, "password");
  EXPECT_MENTIONS(message, "postgres");
  EXPECT_EQ(message.find(server_->password()), std::string::npos) << "a secret in an error";
  p.run_once(60s);
  expect_rows(p, 1000);
}

TEST_F(Errors, MissingTable) {
  harness::Pipeline p = pipeline();
  p.discover();
  harness::Client(dsn()).run("ALTER TABLE shop.pulse RENAME TO gone");
  EXPECT_MENTIONS(failure(p), "shop.pulse");
  harness::Client(dsn()).run("ALTER TABLE shop.gone RENAME TO pulse");
  p.run_once(60s);
  expect_rows(p, 1000);
}

TEST_F(Errors, MissingPublication) {
  harness::Pipeline p = pipeline();
  p.discover();
  harness::Client(dsn()).run("DROP PUBLICATION flow_publication");
  std::string message = failure(p);
  EXPECT_MENTIONS(message, "flow_publication");
  EXPECT_MENTIONS(message, "CREATE PUBLICATION");
  harness::Client(dsn()).run("CREATE PUBLICATION flow_publication FOR ALL TABLES");
  p.run_once(60s);
  expect_rows(p, 1000);
}

TEST_F(Errors, WalLevelReplica) {
  // The server's own settings win over ALTER SYSTEM, so this takes one of its own.
  std::unique_ptr<sluice::testing::PrivatePostgres> shared = std::move(server_);
  sluice::testing::PrivatePostgres::Options settings;
  settings.settings = {{"wal_level", "replica"}};
  server_ = std::make_unique<sluice::testing::PrivatePostgres>(settings);
  harness::Client(dsn("postgres")).run("CREATE DATABASE " + database_);
  harness::Client(dsn()).run(
      "CREATE SCHEMA shop; CREATE TABLE shop.pulse (id bigint PRIMARY KEY, at timestamptz NOT NULL);"
      "CREATE PUBLICATION flow_publication FOR ALL TABLES");
  harness::Pipeline p = pipeline();
  p.discover();
  std::string message = failure(p);
  server_ = std::move(shared);
  EXPECT_MENTIONS(message, "wal_level");
  EXPECT_MENTIONS(message, "replica");
  EXPECT_MENTIONS(message, "logical");
}

TEST_F(Errors, ReadOnlyStateFolder) {
  harness::Pipeline p = pipeline();
  p.discover();
  fs::create_directories(p.state());
  ::chmod(p.state().c_str(), 0555);
  harness::Program::Limits limits;
  limits.mortal = true;
  std::string message = failure(p, limits);
  ::chmod(p.state().c_str(), 0755);
  EXPECT_MENTIONS(message, p.state());
  p.run_once(60s);
  expect_rows(p, 1000);
}

// A small file system of its own at a folder, as long as this lives.
class SmallDisk {
 public:
  explicit SmallDisk(std::string folder) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
    mounted_ = ::mount("none", folder_.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  // Only root may mount, and not in every container.
  bool mounted() const { return mounted_; }
  bool grow() { return ::mount("none", folder_.c_str(), "tmpfs", MS_REMOUNT, "size=400m") == 0; }

 private:
  std::string folder_;
  bool mounted_ = false;
};

TEST_F(Errors, FullDisk) {
  harness::Pipeline p = pipeline();
  p.discover();
  harness::Client(dsn()).run("INSERT INTO shop.pulse SELECT i, now() FROM generate_series(1001, 60000) i");
  SmallDisk disk(p.state());
  harness::Program::Limits limits;
  if (!disk.mounted()) limits.file_bytes = 4 << 20;
  std::string message = failure(p, limits);
  EXPECT_MENTIONS(message, disk.mounted() ? p.state() : folder_.path());
  EXPECT_MENTIONS(message, disk.mounted() ? "space" : "limit");
  // Room is made: the same state goes on.
  if (disk.mounted()) {
    ASSERT_TRUE(disk.grow());
  }
  p.run_once(60s);
  expect_recorded_once(p);
  expect_rows(p, 60000);
}

TEST_F(Errors, FilesThatMayNotGrow) {
  harness::Pipeline p = pipeline();
  p.discover();
  harness::Client(dsn()).run("INSERT INTO shop.pulse SELECT i, now() FROM generate_series(1001, 60000) i");
  harness::Program::Limits limits;
  limits.file_bytes = 4 << 20;
  std::string message = failure(p, limits);
  EXPECT_MENTIONS(message, folder_.path());
  EXPECT_MENTIONS(message, "limit");
  p.run_once(60s);
  expect_recorded_once(p);
  expect_rows(p, 60000);
}

TEST_F(Errors, MalformedCatalogNamesTheLine) {
  harness::Pipeline p = pipeline();
  p.discover();
  std::ofstream(p.catalog(), std::ios::app) << "\nmaterialisations:\n  a/b: {}\n";
  std::ifstream in(p.catalog());
  int line = 0, wrong = 0;
  for (std::string text; std::getline(in, text);)
    if (++line; text.starts_with("materialisations")) wrong = line;
  std::string message = failure(p);
  EXPECT_MENTIONS(message, p.catalog());
  EXPECT_MENTIONS(message, fmt::format("{}", wrong));
  EXPECT_MENTIONS(message, "materialisations");
}

TEST_F(Errors, DeadServer) {
  harness::Pipeline p = pipeline();
  p.discover();
  server_->stop();
  std::string message = failure(p);
  server_->start();
  EXPECT_MENTIONS(message, server_->port());
  EXPECT_MENTIONS(message, "127.0.0.1");
  p.run_once(60s);
  expect_rows(p, 1000);
}

// It waits until its walsenders' peers have confirmed all that it has written, be that of their tables or
// not.
TEST_F(Errors, AServerThatShutsDownIsNotHeldUp) {
  harness::Pipeline p = pipeline();
  p.discover();
  p.run_once(60s);
  auto run = p.start(false);
  harness::Client client(dsn());
  while (client.scalar("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "1")
    std::this_thread::sleep_for(20ms);
  std::this_thread::sleep_for(1s);  // what it still has to say of its start
  client.run("SELECT pg_logical_emit_message(false, 'of no interest', '')");
  std::this_thread::sleep_for(300ms);
  ASSERT_EQ(::kill(server_->postmaster(), SIGINT), 0);
  for (int i = 0; i < 300 && server_->running(); ++i) std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(server_->running()) << "after half a minute";
  server_->stop();
  server_->start();
  harness::Client(dsn()).run("INSERT INTO shop.pulse VALUES (1001, now())");
  run->signal(SIGTERM);
  EXPECT_EQ(run->wait(60s), 0) << p.tail_of_log(3000);
  p.run_once(60s);
  expect_rows(p, 1001);
}

TEST_F(Errors, SchemaViolationInADocument) {
  harness::Pipeline p = pipeline();
  p.discover();
  p.run_once(60s);
  // The table changes its type under the collection's schema.
  harness::Client(dsn()).run(
      "ALTER TABLE shop.pulse ALTER COLUMN at TYPE integer USING 5; INSERT INTO shop.pulse VALUES (1001, 7)");
  std::string message = failure(p);
  EXPECT_MENTIONS(message, "shop/pulse");
  EXPECT_MENTIONS(message, "/at");
  EXPECT_MENTIONS(message, "1001");
}

}  // namespace
