// The demo: a private PostgreSQL with half a million rows, traffic on it, `sluice run` beside it; then every
// row is compared. Exit status 0 only if source and destination are equal.
#include <fmt/format.h>
#include <signal.h>
#include <sqlite3.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "harness/pipeline.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void say(const std::string& line) { std::cout << line << std::endl; }

// Inserts a row into shop.pulse every 50 ms and watches when it is readable in SQLite: the end-to-end lag.
class Pulse {
 public:
  Pulse(std::string dsn, std::string database) : thread_([this, dsn, database] { beat(dsn, database); }) {}
  ~Pulse() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Lags in ms of the beats since the last call, sorted.
  std::vector<double> lags() {
    std::lock_guard lock(mutex_);
    std::vector<double> lags = std::exchange(lags_, {});
    std::sort(lags.begin(), lags.end());
    return lags;
  }

 private:
  void beat(const std::string& dsn, const std::string& database) {
    harness::Client client(dsn);
    std::vector<Clock::time_point> sent;
    std::size_t seen = 0;
    auto next = Clock::now();
    while (!stop_) {
      if (Clock::now() >= next) {
        client.run(fmt::format("INSERT INTO shop.pulse VALUES ({}, clock_timestamp())", sent.size() + 1));
        sent.push_back(Clock::now());
        next += 50ms;
      }
      std::size_t arrived = std::min(newest(database), sent.size());
      auto now = Clock::now();
      std::lock_guard lock(mutex_);
      for (; seen < arrived; ++seen)
        lags_.push_back(std::chrono::duration<double, std::milli>(now - sent[seen]).count());
      std::this_thread::sleep_for(2ms);
    }
  }
  static std::size_t newest(const std::string& database) {
    sqlite3* db = nullptr;
    std::size_t id = 0;
    if (sqlite3_open_v2(database.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
      sqlite3_stmt* statement = nullptr;
      // Until the table exists there is nothing to see.
      if (sqlite3_prepare_v2(db, "SELECT coalesce(max(id), 0) FROM shop_pulse", -1, &statement, nullptr) ==
              SQLITE_OK &&
          sqlite3_step(statement) == SQLITE_ROW)
        id = static_cast<std::size_t>(sqlite3_column_int64(statement, 0));
      sqlite3_finalize(statement);
    }
    sqlite3_close(db);
    return id;
  }

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<double> lags_;
  std::thread thread_;
};

// Shows what the program under test writes, as it comes.
class Tail {
 public:
  explicit Tail(std::string path) : path_(std::move(path)) {}
  void show() {
    std::ifstream in(path_);
    in.seekg(at_);
    for (std::string line; std::getline(in, line) && !in.eof();) {
      at_ = in.tellg();
      std::cout << "  | " << line.substr(0, 200) << std::endl;
    }
  }

 private:
  std::string path_;
  std::streamoff at_ = 0;
};

// Of all tables; nothing until they exist.
std::optional<std::int64_t> rows_in(const std::string& database) {
  std::optional<std::int64_t> rows;
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(database.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
    rows = 0;
    for (const harness::Table& table : harness::shop_tables()) {
      sqlite3_stmt* statement = nullptr;
      char* sql =
          sqlite3_mprintf("SELECT count(*) FROM \"%w\"", harness::Pipeline::destination(table).c_str());
      bool counted = sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK &&
                     sqlite3_step(statement) == SQLITE_ROW;
      if (!counted) rows.reset();
      if (rows) *rows += sqlite3_column_int64(statement, 0);
      sqlite3_finalize(statement);
      sqlite3_free(sql);
    }
  }
  sqlite3_close(db);
  return rows;
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted.empty()
             ? 0
             : sorted[std::min(sorted.size() - 1,
                               static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

struct Settings {
  std::string binaries, keep;
  int rows = 500'000;
  int seconds = 20;
  std::uint64_t seed = 1;
};

int demo(const Settings& settings) {
  harness::TemporaryFolder temporary;
  std::string folder = settings.keep.empty() ? temporary.path() : settings.keep;
  std::filesystem::create_directories(folder);

  say("Starting a private PostgreSQL ...");
  sluice::testing::PrivatePostgres server;
  std::string dsn = harness::dsn(server);
  harness::Client client(dsn);
  say(fmt::format("Creating the shop with {} rows in {} tables ...", settings.rows,
                  harness::shop_tables().size()));
  harness::create_shop(client, settings.rows);

  harness::Pipeline::Options options = harness::Pipeline::Options::of(server);
  options.binaries = settings.binaries;
  harness::Pipeline pipeline(folder, options);
  pipeline.discover();
  say("Discovered the catalog " + pipeline.catalog());

  harness::TrafficThreads traffic(dsn, settings.seed, 2, 1ms);
  Pulse pulse(dsn, pipeline.database());
  say("Running `sluice run` while two connections insert, update, delete and change keys ...");
  auto start = Clock::now();
  std::unique_ptr<harness::Program> run = pipeline.start(false);
  Tail tail(pipeline.log());
  // No rows are there at once, but the tables are not, nor does the program expect signals before.
  while (run->running() && rows_in(pipeline.database()).value_or(-1) < settings.rows &&
         seconds_since(start) < 600) {
    run->wait(200ms);
    tail.show();
  }
  double backfill = seconds_since(start);
  say(fmt::format("Backfilled {} rows in {:.1f} s. Changes go on for {} s ...", settings.rows, backfill,
                  settings.seconds));
  pulse.lags();
  for (auto until = Clock::now() + std::chrono::seconds(settings.seconds);
       run->running() && Clock::now() < until;) {
    run->wait(200ms);
    tail.show();
  }
  std::vector<double> lags = pulse.lags();
  traffic.stop();
  pulse.stop();

  say("Stopping it with SIGINT ...");
  auto asked = Clock::now();
  bool died = !run->running();
  run->signal(SIGINT);
  std::optional<int> status = run->wait(120s);
  double stopping = seconds_since(asked);
  std::int64_t peak_kib = run->peak_rss_kib();
  tail.show();
  if (died || status != 0) {
    say(fmt::format("sluice run ended badly (status {}):\n{}", status.value_or(-1),
                    pipeline.tail_of_log(3000)));
    return 1;
  }
  say(fmt::format("It ended after {:.1f} s. Catching up with `sluice run --once` ...", stopping));
  pipeline.run_once(300s);

  say("Comparing every row ...");
  bool equal = pipeline.verify(client);
  say("shop.events has no key: a row may be there from the backfill and from replication, see "
      "docs/delivery.md.");
  harness::Recorded recorded = pipeline.recorded();
  say(fmt::format("\nbackfill          {} rows, {:.0f} rows/s", settings.rows, settings.rows / backfill));
  say(fmt::format("traffic           {} transactions, {} changes, {} attempts that failed",
                  traffic.transactions(), traffic.changes(), traffic.failures()));
  say(fmt::format("collection logs   {} documents, {} of them replicated", recorded.documents,
                  recorded.replicated));
  say(fmt::format("end-to-end lag    p50 {:.0f} ms, p99 {:.0f} ms ({} samples)", percentile(lags, 0.5),
                  percentile(lags, 0.99), lags.size()));
  say(fmt::format("peak memory       {:.0f} MiB", static_cast<double>(peak_kib) / 1024));
  say(fmt::format("doubled documents {}", recorded.doubled));
  // A comparison of nothing proves nothing, unless nothing was asked for.
  std::string idle;
  if (settings.seconds > 0 && traffic.transactions() == 0)
    idle = "no transaction succeeded: " + traffic.last_failure();
  if (settings.seconds > 0 && recorded.replicated == 0) idle = "no change was replicated";
  if (settings.rows > 0 && recorded.documents == 0) idle = "no document was recorded";
  if (settings.seconds > 0 && lags.empty()) idle = "no row arrived while the changes went on";
  bool good = equal && recorded.doubled == 0 && idle.empty();
  if (good)
    say("\nverdict           EQUAL: every row of every table with a key arrived exactly once");
  else
    say("\nverdict           DIFFERENT" + (idle.empty() ? "" : ": " + idle));
  if (!good && settings.keep.empty()) {
    temporary.keep();
    say("kept for a look: " + folder);
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Captures a busy PostgreSQL into SQLite and compares every row.");
  Settings settings;
  settings.binaries = harness::build_folder();
  app.add_option("--rows", settings.rows, "Rows before the run")->capture_default_str();
  app.add_option("--seconds", settings.seconds, "How long changes go on after the backfill")
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "Of the traffic")->capture_default_str();
  app.add_option("--keep", settings.keep, "Keep catalog, state, database and log in this folder");
  app.add_option("--binaries", settings.binaries, "Build folder")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return demo(settings);
  } catch (const std::exception& e) {
    std::cerr << "demo failed: " << e.what() << std::endl;
    return 1;
  }
}
