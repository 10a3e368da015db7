#pragma once
#include <functional>

// A file layer under SQLite that fails, kills the process or loses power at the n-th change of a file.
namespace sluice::testing {

enum class Fault {
  kill,        // SIGKILL before the change
  full,        // SQLITE_FULL instead of it
  io_error,    // SQLITE_IOERR_WRITE instead of it
  power_loss,  // every file gets the content it had when it was last synced, then SIGKILL
};

// Makes it SQLite's default. `at` counts writes, truncations, syncs and removals from 1; 0 only counts.
void install_faulty_vfs(Fault fault, long at);
long changes_seen();

}  // namespace sluice::testing
