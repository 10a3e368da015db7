#include "harness/pipeline.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <unordered_set>

namespace harness {
namespace fs = std::filesystem;

std::string build_folder() {
  if (const char* folder = std::getenv("SLUICE_BINARIES")) return folder;
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path().parent_path().string();
}

std::string dsn(const sluice::testing::PrivatePostgres& server, const std::string& database) {
  return fmt::format("host={} port={} user={} password={} dbname={}", server.host, server.port(), server.user,
                     server.password(), database);
}

Pipeline::Options Pipeline::Options::of(const sluice::testing::PrivatePostgres& server,
                                        std::string database) {
  Options options;
  options.binaries = build_folder();
  options.host = server.host;
  options.port = server.port();
  options.user = server.user;
  options.password = server.password();
  options.database = std::move(database);
  return options;
}

Pipeline::Pipeline(std::string folder, Options options)
    : folder_(std::move(folder)), options_(std::move(options)) {
  fs::create_directories(folder_);
}

void Pipeline::discover() {
  std::string config = folder_ + "/source.config.json";
  std::ofstream(config) << fmt::format(
      R"({{"address":"{}:{}","user":"{}","database":"{}","credentials":{{"auth_type":"UserPassword","password":"{}"}},"discoveryFilters":{{"include_schemas":["shop"]}},"advanced":{{"sslmode":"disable"}}}})",
      options_.host, options_.port, options_.user, options_.database, options_.password);
  std::vector<std::string> command = {options_.binaries + "/sluice",
                                      "discover",
                                      "--connector",
                                      "source-postgres",
                                      "--config",
                                      config,
                                      "--name",
                                      "shop/source",
                                      "--sqlite",
                                      database(),
                                      "--output",
                                      catalog()};
  if (options_.transport != Transport::in_process) {
    command.insert(command.end(), {"--local", options_.binaries + "/connectors"});
    command.insert(command.end(),
                   {"--codec", options_.transport == Transport::process_json ? "json" : "proto"});
  }
  Program discover(command, {}, log());
  std::optional<int> status = discover.wait(std::chrono::seconds(60));
  if (status != 0) throw std::runtime_error("sluice discover failed: " + tail_of_log(2000));
}

void Pipeline::rediscover() {
  std::vector<std::string> command = {
      options_.binaries + "/sluice", "discover", catalog(), "--sqlite", database(), "--output", catalog()};
  Program discover(command, {}, log());
  std::optional<int> status = discover.wait(std::chrono::seconds(60));
  if (status != 0) throw std::runtime_error("sluice discover failed: " + tail_of_log(2000));
}

std::unique_ptr<Program> Pipeline::start(bool once) {
  std::vector<std::string> command = {options_.binaries + "/sluice", "run", catalog(), "--state", state()};
  if (once) command.push_back("--once");
  if (!options_.memory.empty()) command.insert(command.end(), {"--memory", options_.memory});
  return std::make_unique<Program>(command, std::vector<std::string>{"LOG_FORMAT=text"}, log());
}

void Pipeline::run_once(std::chrono::seconds patience) {
  std::unique_ptr<Program> run = start(true);
  std::optional<int> status = run->wait(patience);
  if (!status) throw std::runtime_error("sluice run --once did not end: " + tail_of_log(3000));
  if (*status != 0)
    throw std::runtime_error(fmt::format("sluice run --once ended with {}: {}", *status, tail_of_log(3000)));
}

std::string Pipeline::destination(const Table& table) {
  // As source-postgres recommends names, and as tables are named after collections.
  std::string name = table.schema == "public" ? table.name : table.schema + "_" + table.name;
  for (char& c : name) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    if (!kept) c = '_';
  }
  return name;
}

bool Pipeline::verify(Client& client) {
  bool equal = true;
  fmt::print("{:<26} {:>10} {:>12} {:>8} {:>8}\n", "table", "PostgreSQL", "SQLite", "missing", "surplus");
  for (const Table& table : shop_tables()) {
    Difference d = compare(client, database(), destination(table), table);
    fmt::print("{:<26} {:>10} {:>12} {:>8} {:>8}{}\n", d.table, d.source_rows, d.destination_rows, d.missing,
               d.surplus, d.wrong_columns ? fmt::format("  {} wrong columns", d.wrong_columns) : "");
    for (const std::string& example : d.examples) fmt::print("    {}\n", example);
    equal = equal && d.equal();
  }
  std::fflush(stdout);
  return equal;
}

namespace {

// What follows `name` in a line, up to `end`; empty if it is not there.
std::string_view member(std::string_view line, std::string_view name, char end) {
  std::size_t at = line.find(name);
  if (at == line.npos) return {};
  line.remove_prefix(at + name.size());
  return line.substr(0, line.find(end));
}

}  // namespace

Recorded Pipeline::recorded() const {
  Recorded result;
  if (!fs::exists(state() + "/collections")) return result;
  for (const auto& entry : fs::recursive_directory_iterator(state() + "/collections")) {
    if (!entry.is_regular_file()) continue;
    std::unordered_set<std::string> seen;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      // Whoever writes a document again gives it a fresh UUID, but takes it from the same place of the
      // source: a row of the backfill by its number, a change by its LSN. A change of the key is a `d` and a
      // `u`.
      std::string_view loc = member(line, R"("loc":[)", ']'), op = member(line, R"("op":")", '"');
      if (loc.empty()) continue;  // an acknowledgement
      ++result.documents;
      result.replicated += !loc.starts_with("-1,");
      bool new_place = seen.insert(fmt::format("{} {}", op, loc)).second;
      bool new_uuid = seen.emplace(member(line, R"("uuid":")", '"')).second;
      result.doubled += !new_place || !new_uuid;
    }
  }
  return result;
}

std::string Pipeline::tail_of_log(std::size_t bytes) const {
  std::ifstream in(log(), std::ios::binary | std::ios::ate);
  if (!in) return "";
  auto size = static_cast<std::size_t>(in.tellg());
  std::size_t n = std::min(bytes, size);
  in.seekg(static_cast<std::streamoff>(size - n));
  std::string text(n, ' ');
  in.read(text.data(), static_cast<std::streamsize>(n));
  return text;
}

TrafficThreads::TrafficThreads(std::string dsn, std::uint64_t seed, int lanes,
                               std::chrono::milliseconds pause) {
  for (int lane = 0; lane < lanes; ++lane)
    threads_.emplace_back(&TrafficThreads::run, this, dsn, seed + static_cast<std::uint64_t>(lane), lane,
                          pause);
}

void TrafficThreads::run(const std::string& dsn, std::uint64_t seed, int lane,
                         std::chrono::milliseconds pause) {
  std::unique_ptr<Traffic> traffic;
  while (!stop_) {
    try {
      if (!traffic) traffic = std::make_unique<Traffic>(dsn, seed, lane);
      changes_ += static_cast<std::uint64_t>(traffic->transaction());
      ++transactions_;
    } catch (const std::exception& e) {
      // The server may be away (it is restarted by the test): try again after the pause.
      failed(e.what());
    }
    std::this_thread::sleep_for(pause);
  }
}

void TrafficThreads::failed(const std::string& what) {
  ++failures_;
  std::lock_guard lock(mutex_);
  last_failure_ = what;
}

std::string TrafficThreads::last_failure() const {
  std::lock_guard lock(mutex_);
  return last_failure_;
}

TrafficThreads::~TrafficThreads() { stop(); }

void TrafficThreads::stop() {
  stop_ = true;
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

}  // namespace harness
