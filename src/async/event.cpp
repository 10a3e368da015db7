#include "sluice/async/event.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <list>

namespace sluice {
namespace {
constexpr auto await_tuple = asio::experimental::as_tuple(asio::use_awaitable);
}

// Waiters without a deadline share a timer that never expires, those with one bring their own.
struct Event::Impl {
  explicit Impl(Executor executor) : timer(std::move(executor), asio::steady_timer::time_point::max()) {}
  asio::steady_timer timer;
  std::list<asio::steady_timer*> deadlines;
};

Event::Event(Executor executor) : impl_(std::make_shared<Impl>(std::move(executor))) {}
Event::Event(Event&&) noexcept = default;
Event::~Event() = default;

void Event::notify_all() {
  impl_->timer.cancel();
  for (asio::steady_timer* timer : impl_->deadlines) timer->cancel();
}

Task<> Event::wait() {
  co_await impl_->timer.async_wait(await_tuple);
  co_await check_cancelled();
}

Task<> Event::wait_until(std::chrono::steady_clock::time_point deadline) {
  struct Registration {
    Registration(std::shared_ptr<Impl> event, asio::steady_timer* timer)
        : impl(std::move(event)), at(impl->deadlines.insert(impl->deadlines.end(), timer)) {}
    ~Registration() { impl->deadlines.erase(at); }
    std::shared_ptr<Impl> impl;
    std::list<asio::steady_timer*>::iterator at;
  };
  asio::steady_timer timer(impl_->timer.get_executor(), deadline);
  Registration registration(impl_, &timer);
  co_await timer.async_wait(await_tuple);
  co_await check_cancelled();
}

Task<> Event::wait_uninterrupted() {
  co_await impl_->timer.async_wait(asio::bind_cancellation_slot(asio::cancellation_slot(), await_tuple));
}

}  // namespace sluice
