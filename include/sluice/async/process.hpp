#pragma once
#include <memory>
#include <string>
#include <vector>

#include "sluice/async/fd.hpp"
#include "sluice/async/task.hpp"

namespace sluice {

// How a child process ended; code 255 too if that was lost.
struct ExitStatus {
  int code = 0;
  int signal = 0;  // that ended it, 0 none
  bool ok() const { return code == 0 && signal == 0; }
};

// A child process with pipes as its standard streams. It gets a process group of its own, so that a
// terminal's Ctrl-C reaches us alone, and dies with us however we end: the kernel kills it when the thread
// that started it is gone, so that thread is the loop's.
class Process {
 public:
  // `argv[0]` without a slash is looked up in the PATH of `environment` ("NAME=value" each). Throws
  // Error{config} if it cannot be started. An ignored SIGCHLD gets its default back, or no status would be
  // known.
  Process(Executor executor, const std::vector<std::string>& argv,
          const std::vector<std::string>& environment);
  // Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Our ends of its pipes, each to be taken once.
  Fd take_stdin();
  Fd take_stdout();
  Fd take_stderr();
  int pid() const;
  bool ended();
  // Does nothing if it has ended.
  void signal(int number);
  // Any number of coroutines may wait.
  Task<ExitStatus> wait();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The environment of this process.
std::vector<std::string> current_environment();

}  // namespace sluice
