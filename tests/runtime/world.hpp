#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "doubles.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/runtime/capture_session.hpp"
#include "sluice/runtime/materialize_session.hpp"
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
  std::vector<std::string> collections;
  protocol::CaptureSpec capture;
  protocol::MaterializationSpec materialization;
};

// Both tasks, until the materialization has everything.
Task<> both(World::Start& start);

}  // namespace sluice::runtime::testing
