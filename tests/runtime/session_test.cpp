#include <gtest/gtest.h>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/testing/run.hpp"
#include "world.hpp"

namespace sluice::runtime {
namespace {

using sluice::testing::run;
using testing::both;
using testing::CaptureScript;
using testing::Endpoint;
using testing::Traffic;
using testing::World;

Task<> materialize(World::Start& start) {
  start.materialization->finish();
  co_await start.materialization->run();
}

TEST(Sessions, CarryEveryDocumentOnce) {
  for (Endpoint::Authority authority : {Endpoint::Authority::remote, Endpoint::Authority::recovery}) {
    CaptureScript script;
    script.transactions = 50;
    script.documents = 40;
    script.bindings = 3;
    World world(script, authority);
    run([&](Loop& loop) -> Task<> {
      World::Start start(world, loop);
      co_await both(start);
      EXPECT_EQ(start.source.acknowledged, script.transactions);
      EXPECT_EQ(start.progress.behind_bytes, 0u);
    });
    EXPECT_EQ(world.counts(), testing::counts_of(script));
  }
}

TEST(Sessions, ContinueWhereTheLastOneEnded) {
  CaptureScript script;
  script.transactions = 5;
  World world(script);
  for (int round = 1; round <= 3; ++round) {
    world.script.transactions = 5 * round;
    run([&](Loop& loop) -> Task<> {
      World::Start start(world, loop);
      co_await both(start);
      EXPECT_EQ(start.source.acknowledged, 5);
      EXPECT_EQ(start.source.opened_with.at(0),
                round == 1 ? "{}" : fmt::format(R"({{"next":{}}})", 5 * round - 5));
    });
    EXPECT_EQ(world.counts(), testing::counts_of(world.script));
  }
}

TEST(Sessions, KeysBeyondTheLargestAreNotLoaded) {
  CaptureScript script;
  script.transactions = 1;
  script.documents = script.ids = 10;
  World world(script);
  auto traffic = [&](bool disabled) {
    Traffic seen;
    run([&](Loop& loop) -> Task<> {
      World::Start start(world, loop);
      start.sink.disable_load_optimization = disabled;
      co_await both(start);
      seen = start.sink.traffic;
    });
    return seen;
  };
  Traffic first = traffic(false);
  EXPECT_EQ(first.loads, 0u);
  EXPECT_EQ(first.inserts, 10u);
  world.script.transactions = 2;  // the same keys again
  Traffic second = traffic(false);
  EXPECT_EQ(second.loads, 10u);
  EXPECT_EQ(second.loaded, 10u);
  EXPECT_EQ(second.inserts, 0u);
  world.script.transactions = 4;
  world.script.ids = 20;  // documents 20 to 39: ids 0 to 9 are known, 10 to 19 new
  EXPECT_EQ(traffic(false).loads, 10u);
  world.script.transactions = 6;
  world.script.ids = 1000;  // ids 40 to 59 are new, but the connector wants every load
  EXPECT_EQ(traffic(true).loads, 20u);
}

TEST(Sessions, ALostRuntimeStateLoadsEverything) {
  CaptureScript script;
  script.transactions = 1;
  script.documents = script.ids = 10;
  World world(script);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
    StateCommit forget("acme/sink");
    forget.erase(keys::max_key(world.materialization.bindings[0].state_key));
    start.store.commit(forget);
  });
  world.script.transactions = 3;
  world.script.ids = 1000;
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
    EXPECT_EQ(start.sink.traffic.loads, 20u);
    EXPECT_EQ(start.sink.traffic.loaded, 0u);
  });
}

TEST(Sessions, AnEndpointThatWasEmptiedIsFilledAgain) {
  CaptureScript script;
  World world(script);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
  });
  std::filesystem::remove(world.folder.path() / "endpoint");
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await materialize(start);
  });
  EXPECT_EQ(world.counts(), testing::counts_of(script));
}

// Apply empties the table at each change of the counter, which here the test does.
TEST(Sessions, ABackfillCounterThatGoesBackReadsFromTheBeginningAgain) {
  CaptureScript script;
  World world(script);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
  });
  auto& binding = world.materialization.bindings[0];
  const std::string key = binding.state_key, suffix = binding.journal_read_suffix;
  for (std::uint32_t backfill : {1u, 0u, 12u, 1u}) {
    std::string version = backfill == 0 ? "" : fmt::format(".v{}", backfill);
    binding.backfill = backfill;
    binding.state_key = key + version;
    binding.journal_read_suffix = suffix + version;
    Endpoint endpoint(world.folder.path() / "endpoint", world.authority);
    Endpoint::Content content = endpoint.read();
    content.rows.clear();
    endpoint.write(content);
    run([&](Loop& loop) -> Task<> {
      World::Start start(world, loop);
      co_await materialize(start);
    });
    EXPECT_EQ(world.counts(), testing::counts_of(script)) << backfill;
  }
}

TEST(Sessions, PartitionsTimesAndPrioritiesSelectDocuments) {
  CaptureScript script;
  script.transactions = 4;
  script.documents = script.ids = 10;
  World world(script);
  protocol::MaterializationBinding& binding = world.materialization.bindings[0];
  binding.partition_selector.emplace();
  binding.partition_selector->include.emplace();
  for (std::string id : {"3", "5", "7"})
    binding.partition_selector->include->labels.push_back({"estuary.dev/field/id", "%_" + id, false});
  binding.partition_selector->exclude.emplace();
  binding.partition_selector->exclude->labels.push_back({"estuary.dev/field/id", "%_5", false});
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
  });
  using Counts = std::map<std::pair<std::uint32_t, std::int64_t>, std::int64_t>;
  EXPECT_EQ(world.counts(), (Counts{{{0, 3}, 4}, {{0, 7}, 4}}));
}

TEST(Sessions, NotBeforeAndNotAfterBoundThePublicationTime) {
  CaptureScript script;
  for (bool future : {false, true}) {
    World world(script);
    world.materialization.bindings[0].not_before.emplace();
    world.materialization.bindings[0].not_before->seconds = future ? 4'000'000'000 : 1'000'000'000;
    world.materialization.bindings[0].not_after.emplace();
    world.materialization.bindings[0].not_after->seconds = 5'000'000'000;
    run([&](Loop& loop) -> Task<> {
      World::Start start(world, loop);
      co_await both(start);
    });
    EXPECT_EQ(world.counts().empty(), future);
  }
}

TEST(Sessions, ATransactionLargerThanMemoryPassesInOne) {
  CaptureScript script;
  script.transactions = 2;
  script.documents = script.ids = 10'000;
  script.batch = 500;
  script.text = std::string(400, 'x');
  World world(script);
  world.memory_bytes = 4_MiB;
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
    EXPECT_LE(start.sink.traffic.transactions, 2);
  });
  EXPECT_EQ(world.counts(), testing::counts_of(script));
}

void capture(World& world) {
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await start.capture->run();
  });
}

void materialize_the_rest(World& world) {
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await materialize(start);
  });
}

Task<> stop_after(World::Start& start, std::uint64_t stores) {
  while (start.sink.traffic.stores < stores) co_await yield();
  start.materialization->stop();
}

// In the middle of a source transaction, of which a part was read ahead.
TEST(Sessions, StoppedWhileTheyReadAheadLoseNothing) {
  for (Endpoint::Authority authority : {Endpoint::Authority::remote, Endpoint::Authority::recovery}) {
    for (std::uint64_t stop_at : {1u, 700u}) {
      CaptureScript script;
      script.transactions = 4;
      script.documents = 400;
      script.ids = 1'500;
      script.text = std::string(250, 'x');
      World world(script, authority);
      capture(world);
      world.memory_bytes = 256_KiB;  // for a transaction less than half of one of the source
      run([&](Loop& loop) -> Task<> {
        World::Start start(world, loop);
        co_await all(start.materialization->run(), stop_after(start, stop_at));
        EXPECT_LT(start.sink.traffic.transactions, 4);
      });
      materialize_the_rest(world);
      EXPECT_EQ(world.counts(), testing::counts_of(script)) << stop_at;
    }
  }
}

CaptureScript many_documents() {
  CaptureScript script;
  script.documents = script.batch = 200;
  script.ids = 1'000'000;
  script.text = std::string(1'500, 'x');
  return script;
}

// One source transaction is a transaction: it is more than is looked at in one go, and than memory should
// hold.
struct SmallWorld : World {
  explicit SmallWorld(CaptureScript s = many_documents(), Endpoint::Authority a = Endpoint::Authority::remote)
      : World(std::move(s), a) {
    memory_bytes = 1_MiB;
    transaction_a_checkpoint = true;
  }
  // Documents of the second one are not valid.
  void refuse_from_251() {
    materialization.bindings[0].collection->read_schema_json =
        R"({"type":"object","properties":{"last":{"maximum":250}}})";
  }
};

TEST(Sessions, StopCommitsTheOpenTransactionAndNotWhatIsReadAhead) {
  CaptureScript script = many_documents();
  SmallWorld world(script);
  capture(world);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await all(start.materialization->run(), stop_after(start, 1));
    EXPECT_EQ(start.sink.traffic.transactions, 1);
  });
  materialize_the_rest(world);
  EXPECT_EQ(world.counts(), testing::counts_of(script));
}

TEST(Sessions, WhatIsReadAheadAndNotValidSparesTheTransactionBefore) {
  for (Endpoint::Authority authority : {Endpoint::Authority::remote, Endpoint::Authority::recovery}) {
    SmallWorld world(many_documents(), authority);
    world.refuse_from_251();
    capture(world);
    std::string error;
    run([&](Loop& loop) -> Task<> {
      World::Start start(world, loop);
      try {
        co_await materialize(start);
      } catch (const Error& e) {
        error = e.what();
      }
      EXPECT_EQ(start.sink.traffic.transactions, 1);
    });
    EXPECT_NE(error.find("failed validation"), error.npos) << error;
    if (authority == Endpoint::Authority::remote) {
      EXPECT_EQ(world.counts().size(), 200u);
    }
  }
}

TEST(Sessions, StopDoesNotMindWhatIsReadAheadAndNotValid) {
  SmallWorld world;
  world.refuse_from_251();
  capture(world);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    // By then the next transaction has failed: it holds fewer documents.
    co_await all(start.materialization->run(), stop_after(start, 150));
    EXPECT_EQ(start.sink.traffic.transactions, 1);
  });
  EXPECT_EQ(world.counts().size(), 200u);
}

// Documents of several shapes, read by a process that did not write them, so that no place is known
// beforehand.
TEST(Sessions, StoreTheValuesOfTheirDocuments) {
  CaptureScript script = many_documents();
  script.extra_from = 2;
  SmallWorld world(script);
  protocol::MaterializationBinding& binding = world.materialization.bindings[0];
  protocol::Projection extra = binding.collection->projections[0];
  extra.field = "extra";
  extra.ptr = "/extra";
  binding.collection->projections.insert(binding.collection->projections.begin() + 1, extra);
  binding.field_selection->values = {"count", "extra", "flow_published_at", "last"};
  capture(world);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await materialize(start);
    EXPECT_GT(start.sink.traffic.transactions, 2);
  });
  EXPECT_EQ(world.counts(), testing::counts_of(script));
}

TEST(Sessions, PatchesOfEachPhaseReachTheConnector) {
  CaptureScript script;
  script.transactions = 1;
  script.documents = script.ids = 2;
  World world(script, Endpoint::Authority::recovery);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
    const Traffic& traffic = start.sink.traffic;
    EXPECT_EQ(traffic.acknowledge_patches.size(), 2u);
    EXPECT_EQ(traffic.acknowledge_patches.front(), "");
    EXPECT_TRUE(traffic.acknowledge_patches.back().starts_with(R"([{"change":1,"rows":[)"));
  });
}

void break_at_each_step(Endpoint::Authority authority) {
  CaptureScript script;
  script.transactions = 3;
  script.bindings = 2;
  testing::break_at_each(script, authority, true, [](World& world, Loop& loop, bool) -> Task<> {
    World::Start start(world, loop);
    co_await both(start);
  });
}

TEST(Sessions, SurviveAFailureAtEveryStepWithARemoteAuthority) {
  break_at_each_step(Endpoint::Authority::remote);
}

TEST(Sessions, SurviveAFailureAtEveryStepWithARecoveryLog) {
  break_at_each_step(Endpoint::Authority::recovery);
}

}  // namespace
}  // namespace sluice::runtime
