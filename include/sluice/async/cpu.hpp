#pragma once
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "sluice/async/task.hpp"

namespace sluice {

// Threads for plain functions that own their arguments: decoding, compressing, blocking calls. Destroying it
// waits for running jobs and drops queued ones. May be declared before or after the loop.
class CpuPool {
 public:
  explicit CpuPool(std::size_t threads);
  ~CpuPool();
  std::size_t threads() const;

  class Job {
   public:
    virtual ~Job() = default;
    virtual void run() = 0;
  };
  // Runs the job on a thread of the pool; returns on the loop when it has ended. Not interrupted by
  // cancellation; if the loop is destroyed meanwhile the job ends alone.
  Task<> run(std::shared_ptr<Job> job);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

namespace detail {
template <class F, class... Args>
class CpuJob final : public CpuPool::Job {
 public:
  using Result = std::invoke_result_t<F, Args...>;
  using Stored = std::conditional_t<std::is_void_v<Result>, std::monostate, Result>;
  CpuJob(F f, Args... args) : f_(std::move(f)), args_(std::move(args)...) {}
  void run() override {
    try {
      if constexpr (std::is_void_v<Result>) {
        std::apply(f_, std::move(args_));
        result_.emplace();
      } else {
        result_.emplace(std::apply(f_, std::move(args_)));
      }
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  Stored take() {
    if (failure_) std::rethrow_exception(failure_);
    return std::move(*result_);
  }

 private:
  F f_;
  std::tuple<Args...> args_;
  std::optional<Stored> result_;
  std::exception_ptr failure_;
};
}  // namespace detail

// Runs f(args...) on the pool and resumes here with its result or exception. `f` is a plain function that
// owns its arguments, so that nothing is shared; pieces are short because they cannot be interrupted. What is
// passed as a pointer is used by nobody else until this returns.
template <class F, class... Args>
Task<std::invoke_result_t<F, Args...>> on_cpu(CpuPool& pool, F f, Args... args) {
  auto job = std::make_shared<detail::CpuJob<F, Args...>>(std::move(f), std::move(args)...);
  co_await pool.run(job);  // shared: the pool may outlive this frame
  if constexpr (std::is_void_v<std::invoke_result_t<F, Args...>>)
    job->take();
  else
    co_return job->take();
}

}  // namespace sluice
