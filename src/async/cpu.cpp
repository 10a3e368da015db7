#include "sluice/async/cpu.hpp"

#include <asio/execution_context.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <mutex>

#include "sluice/async/event.hpp"

namespace sluice {
namespace {

// Closed as the first thing when a loop is destroyed: asio drops what is queued without looking whether
// another thread is adding to it.
class Gate : public asio::execution_context::service {
 public:
  using key_type = Gate;
  static asio::execution_context::id id;
  struct State {
    std::mutex mutex;
    bool closed = false;
  };

  explicit Gate(asio::execution_context& loop) : service(loop), state_(std::make_shared<State>()) {}
  static std::shared_ptr<State> of(const Executor& loop) {
    return asio::use_service<Gate>(asio::query(loop, asio::execution::context)).state_;
  }

 private:
  // Services added later are shut down earlier, so this comes before the queue's.
  void shutdown() override {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
  }
  std::shared_ptr<State> state_;  // shared with jobs, which may outlive the loop
};
asio::execution_context::id Gate::id;

// Between a job on the pool and the coroutine that awaits it; whichever ends last frees it.
struct Bridge {
  std::mutex mutex;
  bool ended = false;
  Event* done = nullptr;  // null once the coroutine is gone
};

// Forgets the coroutine when its frame dies, by its end or with the loop.
struct Detach {
  Bridge& bridge;
  ~Detach() {
    std::lock_guard lock(bridge.mutex);
    bridge.done = nullptr;
  }
};

void finish(const std::shared_ptr<Bridge>& bridge, Gate::State& gate, Executor& home) {
  std::lock_guard open(gate.mutex);
  if (gate.closed) return;
  std::lock_guard lock(bridge->mutex);
  bridge->ended = true;
  if (!bridge->done) return;
  auto wake = [bridge] {
    std::lock_guard wake_lock(bridge->mutex);
    if (bridge->done) bridge->done->notify_all();
  };
  // Under the locks: the loop is still there to take this.
  asio::post(home, std::move(wake));
}

}  // namespace

struct CpuPool::Impl {
  explicit Impl(std::size_t threads) : count(threads), pool(threads) {}
  std::size_t count;
  asio::thread_pool pool;
};

CpuPool::CpuPool(std::size_t threads) : impl_(std::make_unique<Impl>(threads)) {}

CpuPool::~CpuPool() {
  impl_->pool.stop();
  impl_->pool.join();
}

std::size_t CpuPool::threads() const { return impl_->count; }

Task<> CpuPool::run(std::shared_ptr<Job> job) {
  Executor home = co_await asio::this_coro::executor;
  Event done(home);
  auto bridge = std::make_shared<Bridge>();  // shared with the job
  bridge->done = &done;
  Detach detach{*bridge};
  auto work = [job, bridge, gate = Gate::of(home), home]() mutable {
    job->run();
    job.reset();
    finish(bridge, *gate, home);
  };
  asio::post(impl_->pool, std::move(work));
  for (;;) {
    {
      std::lock_guard lock(bridge->mutex);
      if (bridge->ended) break;
    }
    co_await done.wait_uninterrupted();
  }
}

}  // namespace sluice
