#pragma once
#include "sluice/async/event.hpp"
#include "sluice/async/task.hpp"

namespace sluice::runtime {

// Lets one coroutine of a loop at a time do something that awaits in between.
class Mutex {
 public:
  explicit Mutex(Executor executor) : released_(std::move(executor)) {}

  class Guard {
   public:
    explicit Guard(Mutex& mutex) : mutex_(&mutex) {}
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (!mutex_) return;
      mutex_->taken_ = false;
      mutex_->released_.notify_all();
    }

   private:
    Mutex* mutex_;
  };
  Task<Guard> lock() {
    while (taken_) co_await released_.wait();
    taken_ = true;
    co_return Guard(*this);
  }

 private:
  Event released_;
  bool taken_ = false;
};

}  // namespace sluice::runtime
