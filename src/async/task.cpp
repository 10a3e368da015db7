#include "sluice/async/task.hpp"

#include <asio/cancellation_state.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "cancelled.hpp"

namespace sluice {

bool is_cancelled(const std::exception_ptr& e) {
  if (!e) return false;
  try {
    std::rethrow_exception(e);
  } catch (const asio::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

Task<> check_cancelled() {
  asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  throw_if_cancelled(state);
}

Task<> yield() {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  co_await check_cancelled();
}

}  // namespace sluice
