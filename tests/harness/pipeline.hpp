#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "harness/compare.hpp"
#include "harness/program.hpp"
#include "harness/shop.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace harness {

// How a pipeline under test reaches its connectors.
enum class Transport { in_process, process_protobuf, process_json };

// The build folder that the running program belongs to; SLUICE_BINARIES names another.
std::string build_folder();
// How to reach a database of a private server by TCP.
std::string dsn(const sluice::testing::PrivatePostgres& server, const std::string& database = "postgres");

// What the collection logs of a pipeline hold.
struct Recorded {
  std::size_t documents = 0;
  std::size_t replicated = 0;  // of them; the others are of the backfill
  std::size_t doubled = 0;     // stand in their log a second time
};

// One pipeline from a PostgreSQL database to a SQLite file, run by the real `sluice` binary in a folder of
// its own: catalog, state, destination and log are there.
class Pipeline {
 public:
  struct Options {
    std::string binaries;  // the build folder that holds `sluice` and connectors/
    std::string host, port, user, password, database;
    Transport transport = Transport::in_process;
    std::string memory;  // --memory, or empty
    // Of a private server, with the binaries of build_folder().
    static Options of(const sluice::testing::PrivatePostgres& server, std::string database = "postgres");
  };
  Pipeline(std::string folder, Options options);

  // Writes the catalog by `sluice discover`.
  void discover();
  // Has the source looked at again and merges what was found into the catalog.
  void rediscover();
  std::string database() const { return folder_ + "/shop.db"; }
  std::string state() const { return folder_ + "/state"; }
  std::string catalog() const { return folder_ + "/flow.yaml"; }
  std::string log() const { return folder_ + "/run.log"; }
  // Starts `sluice run`, with --once or without.
  std::unique_ptr<Program> start(bool once);
  // Runs --once to its end; throws with the end of the log if it does not exit 0 within `patience`.
  void run_once(std::chrono::seconds patience);
  // The table that a source table goes to.
  static std::string destination(const Table& table);
  // Compares all tables; prints what differs. True if nothing does.
  bool verify(Client& client);
  // Reads the logs; what a killed run left behind the committed length counts too, until the next run cuts it
  // off.
  Recorded recorded() const;
  std::string tail_of_log(std::size_t bytes) const;

 private:
  std::string folder_;
  Options options_;
};

// Traffic on several connections until stopped.
class TrafficThreads {
 public:
  TrafficThreads(std::string dsn, std::uint64_t seed, int lanes, std::chrono::milliseconds pause);
  ~TrafficThreads();
  void stop();
  std::uint64_t transactions() const { return transactions_; }
  std::uint64_t changes() const { return changes_; }
  // Attempts that failed: two lanes met at one key, or the server was away. What the last one said.
  std::uint64_t failures() const { return failures_; }
  std::string last_failure() const;

 private:
  void run(const std::string& dsn, std::uint64_t seed, int lane, std::chrono::milliseconds pause);
  void failed(const std::string& what);

  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> transactions_{0}, changes_{0}, failures_{0};
  mutable std::mutex mutex_;
  std::string last_failure_;
  std::vector<std::thread> threads_;
};

}  // namespace harness
