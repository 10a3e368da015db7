#include "sluice/async/event.hpp"

#include <algorithm>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <optional>
#include <utility>

#include "cancelled.hpp"

namespace sluice {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;
// What resumes a coroutine; it owns the frames of the coroutine while that is suspended.
using Resumption = asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;

// A ring of objects that contain it, each in one ring at most, and which leave it when they die.
class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  ~Link() { leave(); }
  bool alone() const { return next_ == this; }
  Link* next() const { return next_; }
  void join_before(Link& ring) {
    leave();
    before_ = ring.before_;
    next_ = &ring;
    before_->next_ = ring.before_ = this;
  }
  void leave() {
    before_->next_ = next_;
    next_->before_ = before_;
    before_ = next_ = this;
  }

 private:
  Link *before_ = this, *next_ = this;
};

}  // namespace

// Knows the events of a loop, so that the frames that wait for them die with it.
class Event::OfLoop final : public asio::execution_context::service {
 public:
  using key_type = OfLoop;
  inline static asio::execution_context::id id;

  explicit OfLoop(asio::execution_context& loop) : service(loop) {}
  void add(Link& event) { event.join_before(all_); }

 private:
  void shutdown() override;
  Link all_;
};

class Event::Impl : public Link, public std::enable_shared_from_this<Impl> {
 public:
  // One that waits, in its frame.
  class Waiter : public Link {
   public:
    Waiter(std::shared_ptr<Impl> event, TimePoint until) : event_(std::move(event)), deadline_(until) {}
    TimePoint deadline() const { return deadline_; }
    void suspend(Resumption resumption) {
      resumption_.emplace(std::move(resumption));
      join_before(event_->waiters_);
    }
    void cancel_by(asio::cancellation_slot slot) {
      if (slot.is_connected()) slot.assign([this](asio::cancellation_type) { wake(); });
    }
    // Once: a cancellation may come when it is awake already.
    void wake() {
      if (resumption_) event_->post(take());
    }
    Resumption take() {
      leave();
      Resumption resumption = std::move(*resumption_);
      resumption_.reset();
      return resumption;
    }

   private:
    std::shared_ptr<Impl> event_;
    TimePoint deadline_;
    std::optional<Resumption> resumption_;
  };

  explicit Impl(asio::io_context& loop) : loop_(loop), timer_(loop) {
    asio::use_service<OfLoop>(loop).add(*this);
  }

  // For a turn of the loop.
  void post(Resumption resumption) {
    asio::post(loop_, [resumption = std::move(resumption)]() mutable { resumption(); });
  }
  Waiter* first() const { return waiters_.alone() ? nullptr : static_cast<Waiter*>(waiters_.next()); }
  void wake_all() {
    while (Waiter* waiter = first()) waiter->wake();
  }
  void resume_first() {
    Waiter* waiter = first();
    if (!waiter) return;
    Resumption resumption = waiter->take();
    wake_all();
    resumption();
  }
  void abandon_all() {
    while (Waiter* waiter = first()) waiter->take();
  }

  // Wakes whoever waits until `time` then. What was set for an earlier time stays: who waited for that may be
  // gone, and setting the timer anew costs more than a needless look.
  void set_alarm(TimePoint time) {
    if (alarm_ <= time) return;
    alarm_ = time;
    timer_.expires_at(time);
    timer_.async_wait([event = weak_from_this()](std::error_code cancelled) {
      if (auto self = event.lock(); self && !cancelled) self->ring();
    });
  }

 private:
  void ring() {
    TimePoint now = std::chrono::steady_clock::now(), earliest = TimePoint::max();
    alarm_ = TimePoint::max();
    for (Link *link = waiters_.next(), *next; link != &waiters_; link = next) {
      next = link->next();
      auto* waiter = static_cast<Waiter*>(link);
      if (waiter->deadline() <= now)
        waiter->wake();
      else
        earliest = std::min(earliest, waiter->deadline());
    }
    set_alarm(earliest);
  }

  asio::io_context& loop_;
  Link waiters_;  // in the order in which they came
  asio::steady_timer timer_;
  TimePoint alarm_ = TimePoint::max();
};

// Frames die in turns of the loop that will not come, that is with its queue.
void Event::OfLoop::shutdown() {
  while (!all_.alone()) {
    auto event = static_cast<Impl*>(all_.next())->shared_from_this();
    event->leave();
    event->abandon_all();
  }
}

namespace {

// The loop itself, which is cheaper to post to than the executor that hides it.
asio::io_context& loop_of(const Executor& executor) {
  return static_cast<asio::io_context&>(asio::query(executor, asio::execution::context));
}

// Suspends the caller and hands what resumes it to `keep`.
template <class Keep>
Task<> suspend(Keep keep) {
  return asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(std::move(keep),
                                                                             asio::use_awaitable);
}

}  // namespace

Event::Event(const Executor& executor) : impl_(std::make_shared<Impl>(loop_of(executor))) {}
Event::Event(Event&&) noexcept = default;
Event::~Event() = default;

void Event::notify_all() { impl_->wake_all(); }
void Event::resume_first() {
  std::shared_ptr<Impl> impl = impl_;
  impl->resume_first();
}

Task<> Event::give_way() {
  std::shared_ptr<Impl> impl = impl_;
  auto go = [&](Resumption resumption) {
    impl->post(std::move(resumption));
    impl->resume_first();
  };
  co_await suspend(go);
  asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  throw_if_cancelled(state);
}

Task<> Event::wait() { return wait_until(TimePoint::max()); }

Task<> Event::wait_until(TimePoint deadline) {
  Impl::Waiter waiter(impl_, deadline);
  impl_->set_alarm(deadline);
  auto keep = [&](Resumption resumption) {
    waiter.cancel_by(asio::get_associated_cancellation_slot(resumption));
    waiter.suspend(std::move(resumption));
  };
  co_await suspend(keep);
  asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  throw_if_cancelled(state);
}

Task<> Event::wait_uninterrupted() {
  Impl::Waiter waiter(impl_, TimePoint::max());
  auto keep = [&](Resumption resumption) { waiter.suspend(std::move(resumption)); };
  co_await suspend(keep);
}

}  // namespace sluice
