#include "sluice/async/scope.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <list>

#include "sluice/async/channel.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

namespace {

constexpr auto await_tuple = asio::experimental::as_tuple(asio::use_awaitable);

bool is_broken(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const Broken&) {
    return true;
  } catch (...) {
    return false;
  }
}

// Whether `e` says why the work ended: a cancelled await says nothing, a broken channel little.
int weight(const std::exception_ptr& e) {
  if (!e) return 0;
  if (is_cancelled(e)) return 1;
  return is_broken(e) ? 2 : 3;
}

}  // namespace

struct Scope::Impl {
  using Children = std::list<asio::cancellation_signal>;
  explicit Impl(Executor e) : executor(std::move(e)), idle(executor, asio::steady_timer::time_point::max()) {}

  void finish(Children::iterator child, const std::exception_ptr& e) {
    children.erase(child);
    // What a child throws once its siblings are being cancelled may be a consequence of that.
    bool consequence = stopping && weight(e) < 3;
    if (!consequence && weight(e) > weight(failure)) failure = e;
    if (failure && !stopping) cancel();
    if (children.empty()) idle.cancel();
  }
  void cancel() {
    stopping = true;
    // A child may end, and so leave the list, while its signal is emitted.
    for (auto child = children.begin(); child != children.end();)
      (child++)->emit(asio::cancellation_type::terminal);
  }

  Executor executor;
  asio::steady_timer idle;  // never expires, cancelled when the last child has ended
  Children children;
  std::exception_ptr failure;
  bool stopping = false;
};

Scope::Scope(Executor executor) : impl_(std::make_unique<Impl>(std::move(executor))) {}
// Children still there can only mean that the loop itself is being destroyed, and their frames with it.
Scope::~Scope() = default;

Executor Scope::executor() const { return impl_->executor; }

void Scope::spawn(Task<> task) {
  auto child = impl_->children.emplace(impl_->children.end());
  auto done = [impl = impl_.get(), child](std::exception_ptr e) { impl->finish(child, e); };
  asio::co_spawn(impl_->executor, std::move(task),
                 asio::bind_cancellation_slot(child->slot(), std::move(done)));
  if (impl_->stopping) child->emit(asio::cancellation_type::terminal);
}

void Scope::cancel() { impl_->cancel(); }

Task<> Scope::join() {
  // Nothing may throw before the children have ended, so cancellation is looked at by hand.
  co_await asio::this_coro::throw_if_cancelled(false);
  bool interrupted = false;
  while (!impl_->children.empty()) {
    asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (interrupted) {
      co_await impl_->idle.async_wait(asio::bind_cancellation_slot(asio::cancellation_slot(), await_tuple));
    } else if (state.cancelled() != asio::cancellation_type::none) {
      interrupted = true;
      impl_->cancel();
    } else {
      co_await impl_->idle.async_wait(await_tuple);
    }
  }
  co_await asio::this_coro::throw_if_cancelled(true);
  if (impl_->failure) std::rethrow_exception(impl_->failure);
  if (interrupted) throw asio::system_error(asio::error::operation_aborted);
}

Task<> detail::scoped(Task<> body, Scope& scope) {
  std::exception_ptr failure;
  try {
    co_await std::move(body);
  } catch (...) {
    failure = std::current_exception();
    scope.cancel();
  }
  co_await asio::this_coro::throw_if_cancelled(false);  // or who is cancelled would not even enter join()
  try {
    co_await scope.join();
  } catch (...) {
    if (weight(std::current_exception()) > weight(failure)) failure = std::current_exception();
  }
  if (failure) std::rethrow_exception(failure);
}

Task<> then_cancel(Task<> work, Scope& scope) {
  co_await std::move(work);
  scope.cancel();
}

Task<> all_of(std::vector<Task<>> tasks) {
  Scope scope(co_await asio::this_coro::executor);
  for (Task<>& task : tasks) scope.spawn(std::move(task));
  co_await asio::this_coro::throw_if_cancelled(false);  // as above
  co_await scope.join();
}

}  // namespace sluice
