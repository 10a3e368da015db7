// Documents with what their write schema does not name, while both tasks run: the endpoint gets all of it,
// once.
#include <gtest/gtest.h>

#include <mutex>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/inferred.hpp"
#include "sluice/testing/run.hpp"
#include "world.hpp"

namespace sluice::runtime {
namespace {

using sluice::testing::run;
using testing::CaptureScript;
using testing::Endpoint;
using testing::World;

// Both tasks as `sluice run` drives them, until the materialization has everything.
struct Engine {
  Engine(World& w, Loop& loop) : world(w), start(w, loop) {
    std::map<std::string, CollectionLog*> by_name;
    for (CollectionLog* log : start.log_pointers) by_name[log->collection()] = log;
    for (auto& binding : world.capture.bindings) {
      testing::infer(*binding.collection, nullptr);
      capture_logs.push_back(by_name.at(binding.collection->name));
    }
  }

  Task<> capture() {
    for (bool again = true; again;) {
      again = false;
      CaptureOptions options("{}", world.folder.path(), world.memory_bytes);
      options.max_transaction = {};  // so that every checkpoint ends one
      options.stop_when_caught_up = true;
      CaptureSession session(start.context, start.store, start.source, world.capture, "v1", capture_logs,
                             options, start.capture_progress);
      try {
        co_await session.run();
      } catch (const Error& e) {
        if (!restarts || e.what() != std::string("broken")) throw;
        again = true;
      }
    }
    captured = true;
    if (open) open->finish();
  }
  Task<> materialize() {
    for (bool again = true; again;) {
      again = false;
      MaterializeOptions options("{}", world.folder.path(), world.memory_bytes);
      for (CollectionLog* log : start.log_pointers) options.schema_epochs.push_back(log->schema_epoch());
      protocol::MaterializationSpec spec = world.materialization;
      InferredSchemas inferred = load_inferred(Catalog(), start.store);
      for (auto& binding : spec.bindings)
        testing::infer(*binding.collection, inferred.find(binding.collection->name), &binding);
      if (build_time > Clock::Duration()) co_await start.clock.sleep(build_time);
      MaterializeSession session(start.context, start.store, start.sink, spec, "v1", start.log_pointers,
                                 options, start.progress);
      ++sessions;
      open = &session;
      struct Closed {  // on every way out, before `session` is gone
        MaterializeSession*& slot;
        ~Closed() { slot = nullptr; }
      } closed{open};
      if (captured) session.finish();
      try {
        co_await session.run();
        again = session.outdated();
      } catch (const Error& e) {
        if (!restarts || e.what() != std::string("broken")) throw;
        again = true;
      }
    }
  }
  Task<> both() { return all(capture(), materialize()); }

  std::string stored(const std::string& collection) {
    return start.store.get("acme/source", keys::inferred + collection).value_or("");
  }

  World& world;
  Clock::Duration build_time{};
  World::Start start;
  std::vector<CollectionLog*> capture_logs;
  MaterializeSession* open = nullptr;
  bool captured = false;
  int sessions = 0;
  bool restarts = false;  // of a task that is broken
};

CaptureScript changing() {
  CaptureScript script;
  script.transactions = 12;
  script.bindings = 2;
  script.extra_from = 4;
  return script;
}

bool has_extra(const Endpoint::Rows& rows) {
  return std::all_of(rows.begin(), rows.end(),
                     [](auto& row) { return row.second.find("\"extra\":") != std::string::npos; });
}

TEST(SchemaChange, ReachesTheEndpointWhileBothTasksRun) {
  for (Endpoint::Authority authority : {Endpoint::Authority::remote, Endpoint::Authority::recovery}) {
    World world(changing(), authority);
    run([&](Loop& loop) -> Task<> {
      Engine engine(world, loop);
      co_await engine.both();
      EXPECT_GT(engine.sessions, 1);
      EXPECT_LE(engine.sessions, 8);
      for (const std::string& name : world.collections)
        EXPECT_NE(engine.stored(name).find(R"("extra")"), std::string::npos);
    });
    EXPECT_EQ(world.counts(), testing::counts_of(world.script));
    EXPECT_TRUE(has_extra(Endpoint(world.folder.path() / "endpoint", authority).read().rows));
    // What is stored is all that another start needs.
    world.script.transactions = 14;
    run([&](Loop& loop) -> Task<> {
      Engine engine(world, loop);
      co_await engine.both();
    });
    EXPECT_EQ(world.counts(), testing::counts_of(world.script));
  }
}

TEST(SchemaChange, NothingIsStoredWithoutOne) {
  CaptureScript script = changing();
  script.extra_from = CaptureScript::never;
  World world(script);
  run([&](Loop& loop) -> Task<> {
    Engine engine(world, loop);
    co_await engine.both();
    EXPECT_EQ(engine.sessions, 1);
    EXPECT_EQ(engine.stored("acme/c0"), "");
  });
}

TEST(SchemaChange, ASourcedSchemaNeedsNoDocuments) {
  CaptureScript script = changing();
  script.extra_from = CaptureScript::never;
  script.sourced_at = 3;
  World world(script);
  run([&](Loop& loop) -> Task<> {
    Engine engine(world, loop);
    co_await engine.both();
    EXPECT_EQ(engine.sessions, 2);
    EXPECT_NE(engine.stored("acme/c0").find(R"("extra":{"type":"integer"})"), std::string::npos);
  });
  EXPECT_EQ(world.counts(), testing::counts_of(script));
}

TEST(SchemaChange, DocumentsAreCommittedWithASchemaThatAdmitsThem) {
  World world(changing());
  run([&](Loop& loop) -> Task<> {
    Engine engine(world, loop);
    co_await engine.capture();
    CollectionLog& log = *engine.start.logs[0];
    EXPECT_GT(log.schema_epoch(), 0u);
    EXPECT_LT(log.published(0), log.published());
    EXPECT_EQ(log.published(log.schema_epoch()), log.published());
  });
}

TEST(SchemaChange, DuringASlowAcknowledgeOrASlowBuild) {
  for (int slow : {0, 1}) {
    World world(changing(), Endpoint::Authority::recovery);
    run([&](Loop& loop) -> Task<> {
      Engine engine(world, loop);
      engine.start.sink.acknowledge_time = std::chrono::milliseconds(slow == 0 ? 30 : 0);
      engine.build_time = std::chrono::milliseconds(slow == 1 ? 30 : 0);
      co_await engine.both();
    });
    EXPECT_EQ(world.counts(), testing::counts_of(world.script));
  }
}

TEST(SchemaChange, OfACollectionWithTwoBindings) {
  World world(changing());
  world.collections.pop_back();
  world.capture = testing::capture_spec("acme/source", {"acme/c0", "acme/c0"});
  world.materialization = testing::materialization_spec("acme/sink", {"acme/c0"});
  run([&](Loop& loop) -> Task<> {
    Engine engine(world, loop);
    co_await engine.both();
    EXPECT_GT(engine.sessions, 1);
  });
  std::map<std::int64_t, std::int64_t> expected, found;
  for (const auto& [key, count] : testing::counts_of(world.script)) expected[key.second] += count;
  for (const auto& [key, count] : world.counts()) found[key.second] += count;
  EXPECT_EQ(found, expected);
}

// Goes on in the same process, where the logs know of the change, or in another.
TEST(SchemaChange, SurvivesAFailureAtEveryStep) {
  for (bool same_process : {false, true}) {
    CaptureScript script = changing();
    script.transactions = 3;
    script.bindings = same_process ? 2 : 1;
    script.extra_from = 1;
    script.documents = 4;
    auto attempt = [&](World& world, Loop& loop, bool broken) -> Task<> {
      Engine engine(world, loop);
      engine.restarts = broken && same_process;
      co_await engine.both();
    };
    testing::break_at_each(script, testing::Endpoint::Authority::remote, false, attempt);
  }
}

}  // namespace
}  // namespace sluice::runtime
