#include "sluice/async/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "sluice/async/loop.hpp"
#include "sluice/base/memory.hpp"

namespace sluice {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

int run_program(int argc, char** argv, Task<> (*body)(Context&, std::vector<std::string>),
                std::optional<std::string_view> usage) {
  if (usage && std::ranges::count(*usage, ' ') + 1 != argc - 1) {
    fmt::print(stderr, "usage: {} {}\n", argv[0], *usage);
    return 2;
  }
  LogFormat format = LogFormat::color;
  keep_freed_memory();
  try {
    std::signal(SIGPIPE, SIG_IGN);  // writing tells
    format = parse_log_format(environment("LOG_FORMAT"));
    Log log = Log::to_stderr(parse_log_level(environment("LOG_LEVEL")), format);
    CpuPool pool(std::max(1u, std::thread::hardware_concurrency()));
    SteadyClock clock;
    Loop loop;
    Context context(loop.executor(), pool, clock, std::move(log));
    Task<> work = body(context, std::vector<std::string>(argv + 1, argv + argc));
    int signal = loop.run(until_signal(std::move(work), {SIGINT, SIGTERM}));
    return signal ? 128 + signal : 0;
  } catch (const std::exception& e) {
    Log::to_stderr(LogLevel::fatal, format).write(LogLevel::fatal, e.what(), {});
    return 1;
  }
}

}  // namespace sluice
