#include "sluice/async/loop.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

struct Loop::Impl {
  asio::io_context io{1};
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

Executor Loop::executor() { return impl_->io.get_executor(); }

void Loop::run(Task<> task) {
  bool done = false;
  std::exception_ptr failure;
  auto ended = [&](std::exception_ptr e) {
    done = true;
    failure = e;
    impl_->io.stop();
  };
  impl_->io.restart();
  asio::co_spawn(impl_->io, std::move(task), ended);
  impl_->io.run();
  SLUICE_CHECK(done);  // a task that waits for nothing that could ever wake it
  if (failure) std::rethrow_exception(failure);
}

std::size_t Loop::drain() {
  impl_->io.restart();
  impl_->io.poll();
  return impl_->io.stopped() ? 0 : 1;
}

Task<int> next_signal(std::vector<int> signals) {
  asio::signal_set set(co_await asio::this_coro::executor);
  for (int signal : signals) set.add(signal);
  co_return co_await set.async_wait(asio::use_awaitable);
}

namespace {

Task<> cancel_at(Scope& scope, std::vector<int> signals, int& received) {
  received = co_await next_signal(std::move(signals));
  scope.cancel();
}

}  // namespace

Task<int> until_signal(Task<> work, std::vector<int> signals) {
  int received = 0;
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(cancel_at(scope, std::move(signals), received));
    scope.spawn(then_cancel(std::move(work), scope));
    co_return;
  });
  co_return received;
}

}  // namespace sluice
