#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/runtime/faults.hpp"

namespace sluice::runtime {

// Where the committed content of a collection's log ends, and the acknowledgement line that belongs there.
struct LogPosition {
  std::uint64_t length = 0;
  std::string acknowledgement;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// What becomes durable together (runtime.md §12.1).
struct StateCommit {
  struct Entry {
    std::string key;
    std::optional<std::string> value;  // none: the key is removed
  };
  struct Log {
    std::string collection;
    LogPosition position;
  };
  explicit StateCommit(std::string t) : task(std::move(t)) {}
  void put(std::string key, std::string value) { entries.push_back({std::move(key), std::move(value)}); }
  void erase(std::string key) { entries.push_back({std::move(key), std::nullopt}); }

  std::string task;
  std::vector<Entry> entries;
  std::vector<Log> logs;
};

// The durable state of every task of a state folder: a SQLite database in WAL mode that syncs each commit.
// Calls block, so they belong on the CPU pool, and may come from several threads.
class StateStore {
 public:
  enum class Mode { write, read };
  // Creates the database if Mode::write. Throws Error{config} if it cannot be used.
  StateStore(const std::filesystem::path& file, Mode mode, Faults faults = {});
  StateStore(StateStore&&) noexcept;
  ~StateStore();

  std::optional<std::string> get(std::string_view task, std::string_view key);
  // The entries of a task whose key starts with `prefix`, ascending by key.
  std::vector<std::pair<std::string, std::string>> list(std::string_view task, std::string_view prefix);
  std::vector<std::string> tasks();
  LogPosition log_position(std::string_view collection);
  std::vector<std::string> collections();
  // All or nothing; on the disk when it returns.
  void commit(const StateCommit& commit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
