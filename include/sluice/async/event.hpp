#pragma once
#include <chrono>
#include <memory>

#include "sluice/async/task.hpp"

namespace sluice {

// A condition variable of one loop: state lives beside it, waiters re-check the state after waking. Must
// outlive its waiters, whom nothing wakes any more when it has gone; used on the loop's thread only. A
// deadline that was waited for may stay among the loop's pending operations until it passes or the event
// dies.
class Event {
 public:
  explicit Event(const Executor& executor);  // of a Loop
  Event(Event&&) noexcept;
  ~Event();

  // Wakes all that wait now; who waits later is not affected.
  void notify_all();
  // As notify_all(), but the first of them runs before this returns. For a handler of the loop, which then
  // touches nothing any more that they may destroy.
  void resume_first();
  // As notify_all(), but the first of them runs before the caller goes on, and without a turn of the loop.
  Task<> give_way();

  // Returns after notify_all(); throws operation_aborted when the coroutine is cancelled.
  Task<> wait();
  // Returns also when `deadline` of the steady clock has passed.
  Task<> wait_until(std::chrono::steady_clock::time_point deadline);
  // Ignores a cancellation that arrives meanwhile and leaves it pending: for what must be awaited to its end.
  Task<> wait_uninterrupted();

 private:
  class Impl;
  class OfLoop;
  std::shared_ptr<Impl> impl_;  // shared with those that wait, whose frames may die later
};

}  // namespace sluice
