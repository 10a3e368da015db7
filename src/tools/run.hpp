#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "display.hpp"
#include "sluice/async/context.hpp"

namespace sluice::tools {

struct RunOptions {
  std::string catalog;
  std::filesystem::path state = "sluice-state";
  bool once = false;
  std::vector<std::string> names;  // tasks; empty: all
  std::size_t memory_bytes = 0;    // of the whole process
  std::filesystem::path connectors;
  std::string decrypt;  // a shell command, see load_options()
  std::chrono::seconds grace{20};
};

// `sluice run`: runs the tasks of a catalog until a signal, or with --once until all that existed is
// committed. Throws the error of the first task that cannot go on.
Task<> run(Context& context, RunOptions options, Display& display);

}  // namespace sluice::tools
