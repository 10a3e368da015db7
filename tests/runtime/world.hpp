#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "doubles.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/runtime/capture_session.hpp"
#include "sluice/runtime/materialize_session.hpp"
#include "sluice/testing/run.hpp"
#include "temporary_folder.hpp"

namespace sluice::runtime::testing {

// One state folder with a capture and a materialization of the same collections, restarted at will.
struct World {
  explicit World(CaptureScript s, Endpoint::Authority a = Endpoint::Authority::remote)
      : script(std::move(s)), authority(a) {
    for (int i = 0; i < script.bindings; ++i) collections.push_back("acme/c" + std::to_string(i));
    capture = capture_spec("acme/source", collections);
    materialization = materialization_spec("acme/sink", collections);
  }

  // Everything of one start of the engine.
  struct Start {
    Start(World& world, Loop& loop)
        : context(loop.executor(), pool, clock, Log()),
          store(world.folder.path() / "sluice.db", StateStore::Mode::write, world.faults),
          endpoint(world.folder.path() / "endpoint", world.authority, world.faults),
          source(context, world.script),
          sink(context, endpoint) {
      for (const std::string& name : world.collections) {
        logs.push_back(
            std::make_unique<CollectionLog>(loop.executor(), store, world.folder.path(), name, world.faults));
        log_pointers.push_back(logs.back().get());
      }
      capture = capture_with(world, source);
      materialization = materialization_with(world, sink);
    }
    std::unique_ptr<CaptureSession> capture_with(World& world, protocol::Capture& connector) {
      CaptureOptions options("{}", world.folder.path(), world.memory_bytes);
      options.stop_when_caught_up = true;
      if (world.transaction_a_checkpoint) options.max_transaction = {};
      options.stop_grace = world.stop_grace;
      return std::make_unique<CaptureSession>(context, store, connector, world.capture, "v1", log_pointers,
                                              options, capture_progress);
    }
    std::unique_ptr<MaterializeSession> materialization_with(World& world, protocol::Materialize& connector) {
      MaterializeOptions options("{}", world.folder.path(), world.memory_bytes);
      options.stop_grace = world.stop_grace;
      return std::make_unique<MaterializeSession>(context, store, connector, world.materialization, "v1",
                                                  log_pointers, options, progress);
    }
    CpuPool pool{2};
    SteadyClock clock;
    Context context;
    StateStore store;
    std::vector<std::unique_ptr<CollectionLog>> logs;
    std::vector<CollectionLog*> log_pointers;
    Endpoint endpoint;
    CountingCapture source;
    EndpointMaterialize sink;
    Progress capture_progress, progress;
    std::unique_ptr<CaptureSession> capture;
    std::unique_ptr<MaterializeSession> materialization;
  };

  std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t> counts() const {
    return counts_of(Endpoint(folder.path() / "endpoint", authority).read().rows);
  }

  TemporaryFolder folder;
  CaptureScript script;
  Endpoint::Authority authority;
  Faults faults;
  std::size_t memory_bytes = 16_MiB;
  Clock::Duration stop_grace = std::chrono::seconds(60);
  // Of the capture. Else some may hold several, depending on what has arrived.
  bool transaction_a_checkpoint = false;
  std::vector<std::string> collections;
  protocol::CaptureSpec capture;
  protocol::MaterializationSpec materialization;
};

// Both tasks, until the materialization has everything.
Task<> both(World::Start& start);

// Breaks `attempt`, a coroutine of (World&, Loop&, bool broken), at every step at which something becomes
// durable, each time in a new world, and then lets it go on unbroken: the endpoint must have what the script
// says. With `for_good` what follows the step breaks, too, as if the process had died there.
template <class Attempt>
void break_at_each(const CaptureScript& script, Endpoint::Authority authority, bool for_good,
                   Attempt attempt) {
  for (int fail_at = 1;; ++fail_at) {
    std::mutex mutex;  // points are reached on several threads
    int reached = 0;
    std::string broken_at;
    World world(script, authority);
    world.faults = [&](std::string_view point) {
      std::lock_guard lock(mutex);
      ++reached;
      if (for_good ? reached < fail_at : reached != fail_at) return;
      if (broken_at.empty()) broken_at = point;
      throw Error(Error::Kind::transient, "broken");
    };
    sluice::testing::run([&](Loop& loop) -> Task<> {
      try {
        co_await attempt(world, loop, true);
      } catch (const Error& e) {
        EXPECT_STREQ(e.what(), "broken");
      }
    });
    if (broken_at.empty()) {  // there is no such step
      EXPECT_GT(fail_at, 20);
      break;
    }
    SCOPED_TRACE(fmt::format("step {}: {}", fail_at, broken_at));
    world.faults = {};
    sluice::testing::run([&](Loop& loop) -> Task<> { co_await attempt(world, loop, false); });
    ASSERT_EQ(world.counts(), counts_of(script));
  }
}

}  // namespace sluice::runtime::testing
