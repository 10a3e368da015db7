#pragma once
#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <exception>

namespace sluice {

// A coroutine of the loop. Await it at once, or give it to all() or Scope::spawn().
template <class T = void>
using Task = asio::awaitable<T>;
using Executor = asio::any_io_executor;

// Whether `e` is how a cancelled await ends (operation_aborted).
bool is_cancelled(const std::exception_ptr& e);

// Throws operation_aborted if the calling coroutine was cancelled. The way to notice it in a long stretch
// that awaits nothing else.
Task<> check_cancelled();

// What is ready on the loop has its turn first.
Task<> yield();

}  // namespace sluice
