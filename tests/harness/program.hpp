#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/testing/janitor.hpp"

namespace harness {

// A child process that does not outlive this object nor this process. Its output goes to a file.
class Program {
 public:
  struct Limits {
    bool mortal = false;           // permission bits bind it even as root
    std::uint64_t file_bytes = 0;  // no file grows beyond; 0 none
  };
  // `log`: where stdout and stderr are appended; empty: inherited.
  Program(std::vector<std::string> command, std::vector<std::string> environment, std::string log);
  Program(std::vector<std::string> command, std::vector<std::string> environment, std::string log,
          Limits limits);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number);
  // Exit status, or 128 + signal; nothing if it still runs after `patience`.
  std::optional<int> wait(std::chrono::milliseconds patience);
  // Largest peak resident set so far, of the process and its children, in KiB (VmHWM).
  std::int64_t peak_rss_kib();

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  std::int64_t peak_kib_ = 0;
};

// A fresh folder under the system's temporary one, removed with this object, or when this process is killed,
// unless keep() is called.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  void keep();

 private:
  std::string path_;
  bool keep_ = false;
  std::unique_ptr<sluice::testing::Janitor> janitor_;
};

}  // namespace harness
