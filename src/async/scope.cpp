#include "sluice/async/scope.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <list>

#include "sluice/async/event.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

struct Scope::Impl {
  using Children = std::list<asio::cancellation_signal>;
  explicit Impl(Executor e) : executor(std::move(e)), idle(executor) {}

  // Notes a failure before anyone can wake up to what died with the task, for instance a channel's end: who
  // fails by that comes second.
  static Task<> record(Task<> task, Impl& impl) {
    try {
      co_await std::move(task);
    } catch (...) {
      impl.fail(std::current_exception());
    }
  }
  void fail(std::exception_ptr e) {
    if (failure || (stopping && is_cancelled(e))) return;
    failure = e;
    cancel();
  }
  void finish(Children::iterator child) {
    children.erase(child);
    if (children.empty()) idle.notify_all();
  }
  void cancel() {
    stopping = true;
    // A child may end, and so leave the list, while its signal is emitted.
    for (auto child = children.begin(); child != children.end();)
      (child++)->emit(asio::cancellation_type::terminal);
  }

  Executor executor;
  Event idle;
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
  auto done = [impl = impl_.get(), child](std::exception_ptr) { impl->finish(child); };
  asio::co_spawn(impl_->executor, Impl::record(std::move(task), *impl_),
                 asio::bind_cancellation_slot(child->slot(), std::move(done)));
  if (impl_->stopping) child->emit(asio::cancellation_type::terminal);
}

void Scope::cancel() { impl_->cancel(); }

Task<> Scope::join() {
  bool interrupted = false;
  while (!impl_->children.empty()) {
    try {
      co_await impl_->idle.wait();
    } catch (const asio::system_error&) {
      interrupted = true;
    }
    if (!interrupted) continue;
    if (!impl_->stopping) impl_->cancel();
    co_await asio::this_coro::reset_cancellation_state();
  }
  if (impl_->failure) std::rethrow_exception(impl_->failure);
  if (interrupted) throw asio::system_error(asio::error::operation_aborted);
}

Task<> detail::scoped(Task<> body, Scope& scope) {
  std::exception_ptr failure;
  try {
    co_await std::move(body);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    scope.cancel();
    co_await asio::this_coro::reset_cancellation_state();
  }
  try {
    co_await scope.join();
  } catch (...) {
    // A child's own failure is the cause when the body only ended by being cancelled.
    if (!failure || is_cancelled(failure)) failure = std::current_exception();
  }
  if (failure) std::rethrow_exception(failure);
}

Task<> all_of(std::vector<Task<>> tasks) {
  Scope scope(co_await asio::this_coro::executor);
  for (Task<>& task : tasks) scope.spawn(std::move(task));
  co_await scope.join();
}

}  // namespace sluice
