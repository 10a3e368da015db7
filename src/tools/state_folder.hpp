#pragma once
#include <filesystem>

#include "sluice/runtime/state_store.hpp"

namespace sluice::tools {

// The folder that `--state` names: sluice.db, collections/, and a lock that keeps a second run out. Files and
// folders are for this user only. Throws Error{config} that names the folder and what to do.
class StateFolder {
 public:
  explicit StateFolder(const std::filesystem::path& folder);
  ~StateFolder();
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path collections() const { return collections_of(folder_); }
  std::filesystem::path database() const { return database_of(folder_); }
  // The same, for who only reads and takes no lock.
  static std::filesystem::path collections_of(const std::filesystem::path& folder) {
    return folder / "collections";
  }
  static std::filesystem::path database_of(const std::filesystem::path& folder) {
    return folder / "sluice.db";
  }

 private:
  std::filesystem::path folder_;
  int lock_ = -1;
};

}  // namespace sluice::tools
