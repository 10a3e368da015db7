#include "sluice/async/program.hpp"

#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"

namespace sluice {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Task<> until_signal(Scope& scope, int& signal) {
  std::vector<int> signals{SIGINT, SIGTERM};
  signal = co_await next_signal(std::move(signals));
  scope.cancel();
}

Task<> then_stop(Task<> body, Scope& scope) {
  co_await std::move(body);
  scope.cancel();
}

}  // namespace

int run_program(int argc, char** argv, Task<> (*body)(Context&, std::vector<std::string>)) {
  Log log;
  try {
    log = Log::to_stderr(parse_log_level(environment("LOG_LEVEL")),
                         parse_log_format(environment("LOG_FORMAT")));
    CpuPool pool(std::max(1u, std::thread::hardware_concurrency()));
    SteadyClock clock;
    Loop loop;
    Context context(loop.executor(), pool, clock, log);
    int signal = 0;
    loop.run(scoped([&](Scope& scope) -> Task<> {
      scope.spawn(until_signal(scope, signal));
      scope.spawn(then_stop(body(context, std::vector<std::string>(argv + 1, argv + argc)), scope));
      co_return;
    }));
    return signal ? 128 + signal : 0;
  } catch (const std::exception& e) {
    log.error(e.what());
    return 1;
  }
}

}  // namespace sluice
