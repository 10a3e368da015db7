#include "sluice/async/cpu.hpp"

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <mutex>

#include "sluice/async/event.hpp"

namespace sluice {
namespace {

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

void finish(const std::shared_ptr<Bridge>& bridge, Executor& home) {
  std::lock_guard lock(bridge->mutex);
  bridge->ended = true;
  if (!bridge->done) return;
  auto wake = [bridge] {
    std::lock_guard wake_lock(bridge->mutex);
    if (bridge->done) bridge->done->notify_all();
  };
  // Under the lock: the loop cannot be past destroying the frame, so it is still there to take this.
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
  auto work = [job, bridge, home]() mutable {
    job->run();
    job.reset();
    finish(bridge, home);
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
