#pragma once
#include <utility>

#include "sluice/async/scope.hpp"

namespace sluice::protocol {

// Runs `work` to its end; the attendant is cancelled then. The first failure of either ends both and is
// rethrown.
inline Task<> attended(Task<> work, Task<> attendant) {
  Scope scope(co_await asio::this_coro::executor);
  scope.spawn(then_cancel(std::move(work), scope));
  scope.spawn(std::move(attendant));
  co_await scope.join();
}

}  // namespace sluice::protocol
