#include "sluice/async/clock.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace sluice {

Clock::TimePoint SteadyClock::now() const { return std::chrono::steady_clock::now(); }

std::int64_t SteadyClock::unix_nanoseconds() const {
  auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

Task<> SteadyClock::sleep_until(TimePoint time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

Task<> SteadyClock::wait(Event& event, TimePoint deadline) { return event.wait_until(deadline); }

}  // namespace sluice
