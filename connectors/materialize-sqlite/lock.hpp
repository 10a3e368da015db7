#pragma once
#include <chrono>
#include <string>

#include "sluice/async/context.hpp"

namespace sluice::sqlite {

// How long to wait for another writer of the file. A transaction of another task is worth waiting for.
inline constexpr std::chrono::seconds patience_at_start{30};
inline constexpr std::chrono::seconds patience_in_transaction{300};

// The waits between attempts to take the write lock, which is polled so that no thread of the pool is
// blocked.
class LockWait {
 public:
  LockWait(Context& context, std::string path, Clock::Duration patience);
  // Throws Error{transient} when patience has ended.
  Task<> again();

 private:
  Context& context_;
  std::string path_;
  Clock::Duration patience_;
  Clock::TimePoint start_;
  bool told_ = false;
};

// Calls attempt() of an object on the pool until it returns true.
template <class T>
Task<> until_locked(Context& context, T* object, bool (T::*attempt)(), std::string path,
                    Clock::Duration patience) {
  LockWait wait(context, std::move(path), patience);
  for (;;) {
    bool locked = co_await on_cpu(context.cpu, attempt, object);
    if (locked) co_return;
    co_await wait.again();
  }
}

}  // namespace sluice::sqlite
