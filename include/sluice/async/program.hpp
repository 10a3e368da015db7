#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/async/task.hpp"

namespace sluice {

// main() of a program that is one pipeline: builds loop, pool (a thread a core), clock and log (as LOG_LEVEL
// and LOG_FORMAT say), runs body(context, arguments), and returns the exit status: 0, or 1 after printing the
// error, whatever LOG_LEVEL says. SIGPIPE is ignored: writing fails instead. SIGINT and SIGTERM cancel the
// body and end with 128 + the signal's number. `usage` names the arguments, as "FOLDER DATABASE": of another
// number of them it is printed, and the status is 2; without it the body takes any. The allocator keeps freed
// memory (keep_freed_memory()).
int run_program(int argc, char** argv, Task<> (*body)(Context&, std::vector<std::string> arguments),
                std::optional<std::string_view> usage = {});

}  // namespace sluice
