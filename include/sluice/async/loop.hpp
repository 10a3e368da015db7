#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sluice/async/task.hpp"

namespace sluice {

// The one event loop of a program and its thread. Declared after everything that coroutines refer to:
// destroying it destroys suspended frames.
class Loop {
 public:
  Loop();
  ~Loop();
  Executor executor();

  // Runs `task` to its end and returns what it returned or rethrows what it threw. Only `task` and what it
  // started runs meanwhile; nothing runs between calls.
  void run(Task<> task);
  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    run(keep(std::move(task), result));
    return std::move(*result);
  }
  // Runs handlers that are ready until none is; returns how many operations are still pending (0 or 1: some).
  std::size_t drain();

 private:
  template <class T>
  static Task<> keep(Task<T> task, std::optional<T>& result) {
    result.emplace(co_await std::move(task));
  }
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Waits for one of the signals and returns it. While a coroutine waits here the signal has no other effect.
Task<int> next_signal(std::vector<int> signals);

// Runs `work` to its end, or cancels it at the first of the signals and awaits its end; returns that signal,
// or 0. A second signal has its usual effect, so that a stuck program can still be killed.
Task<int> until_signal(Task<> work, std::vector<int> signals);

}  // namespace sluice
