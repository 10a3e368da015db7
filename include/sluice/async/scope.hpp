#pragma once
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "sluice/async/task.hpp"

namespace sluice {

// A group of children on one loop, made by scoped(). The first failure cancels the others; whoever made the
// scope leaves it only when every child has ended. The failure reported is the cause: a Broken channel or a
// cancelled await gives way to what another child threw meanwhile.
class Scope {
 public:
  explicit Scope(Executor executor);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  Executor executor() const;
  // Starts a child now. In a scope that is being cancelled the child is cancelled at its first await.
  void spawn(Task<> task);
  // Cancels all children; those that end by it are no failure.
  void cancel();
  // Waits for every child and rethrows the failure as it was. Cancelling the waiter cancels the children; the
  // cancellation stays pending in the waiter, whatever is thrown.
  Task<> join();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

namespace detail {
Task<> scoped(Task<> body, Scope& scope);
}  // namespace detail

// Runs `work` to its end and then cancels the scope: spawned there, it is what the other children attend on.
Task<> then_cancel(Task<> work, Scope& scope);

// Runs body(scope), then waits for the children it spawned. What children refer to is declared before this
// call. If the body throws, children are cancelled and that failure is rethrown.
template <class Body>
Task<> scoped(Body body) {
  Scope scope(co_await asio::this_coro::executor);
  co_await detail::scoped(body(scope), scope);
}

// Runs all tasks to their end; the first failure cancels the others and is rethrown as it was.
Task<> all_of(std::vector<Task<>> tasks);
template <class... Tasks>
Task<> all(Tasks... tasks) {
  std::vector<Task<>> list;
  list.reserve(sizeof...(Tasks));
  (list.push_back(std::move(tasks)), ...);
  return all_of(std::move(list));
}

}  // namespace sluice
