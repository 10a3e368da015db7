#pragma once
#include <sys/types.h>

#include <string>

namespace sluice::testing {

// Removes a folder once this process has ended, however that came about: a process of its own, which waits
// for the end of a pipe. If the folder holds the cluster of a PostgreSQL server, in `data`, that is ended
// first.
class Janitor {
 public:
  // Throws Error if no process can be started.
  explicit Janitor(const std::string& folder);
  // Has the folder removed now, and waits for that.
  ~Janitor();
  Janitor(const Janitor&) = delete;
  Janitor& operator=(const Janitor&) = delete;

  // The folder stays.
  void disarm();

 private:
  pid_t pid_ = -1;
  int lifeline_ = -1;  // it cleans up when this closes
};

}  // namespace sluice::testing
