#include "signals.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <asio/this_coro.hpp>
#include <cstring>
#include <optional>

#include "sluice/async/event.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/async/scope.hpp"

namespace sluice::connector {
namespace {

using namespace std::chrono_literals;

constexpr auto stop_grace = 7s;
constexpr auto cancel_grace = 1s;

// Why the work is cancelled, once it is.
struct GivenUp {
  explicit GivenUp(Executor executor) : event(std::move(executor)) {}
  std::optional<Error> error;
  Event event;
};

std::vector<int> ending_signals() { return {SIGTERM, SIGINT}; }

Task<> give_up_on_second_signal() {
  int number = co_await next_signal(ending_signals());
  throw Error(Error::Kind::transient, fmt::format("stopped by a second signal ({})", ::strsignal(number)));
}

Task<> give_up_later(Clock& clock, std::string reason) {
  co_await clock.sleep(stop_grace);
  throw Error(Error::Kind::transient,
              fmt::format("{}, but could not end within {} s", reason, stop_grace.count()));
}

Task<> watch_signals(Clock& clock, protocol::Stop& stop, GivenUp& given_up) {
  int number = co_await next_signal(ending_signals());
  std::string reason = number == SIGTERM ? "stopped by SIGTERM" : "stopped by SIGINT";
  stop.request(reason);
  try {
    co_await all(give_up_on_second_signal(), give_up_later(clock, std::move(reason)));
  } catch (const Error& e) {
    given_up.error = e;
    given_up.event.notify_all();
    throw;
  }
}

Task<> abandon_later(Clock& clock, GivenUp& given_up, std::function<void(const Error&)> abandon) {
  while (!given_up.error) co_await given_up.event.wait();
  co_await clock.sleep(cancel_grace);
  abandon(*given_up.error);
}

Task<> watched(Task<> work, Clock& clock, protocol::Stop& stop, GivenUp& given_up) {
  Scope scope(co_await asio::this_coro::executor);
  scope.spawn(then_cancel(std::move(work), scope));
  scope.spawn(watch_signals(clock, stop, given_up));
  co_await scope.join();
}

}  // namespace

Task<> until_signalled(Task<> work, Clock& clock, protocol::Stop& stop,
                       std::function<void(const Error&)> abandon) {
  GivenUp given_up(co_await asio::this_coro::executor);
  Scope scope(co_await asio::this_coro::executor);
  scope.spawn(then_cancel(watched(std::move(work), clock, stop, given_up), scope));
  scope.spawn(abandon_later(clock, given_up, std::move(abandon)));
  co_await scope.join();
}

}  // namespace sluice::connector
