// What sessions make of connectors that break the protocol, of documents that break their schema, and of
// being stopped.
#include <gtest/gtest.h>

#include <asio/this_coro.hpp>
#include <fstream>
#include <functional>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/testing/run.hpp"
#include "world.hpp"

namespace sluice::runtime {
namespace {

using protocol::CaptureOutput;
using protocol::MaterializeInput;
using protocol::MaterializeOutput;
using sluice::testing::run;
using testing::both;
using testing::CaptureScript;
using testing::World;
namespace materialize = protocol::materialize;
namespace capture = protocol::capture;

// Says what it is told to, then ends or waits to be asked to.
class ToldCapture : public protocol::Capture {
 public:
  Task<capture::Spec> spec(capture::SpecRequest) override { co_return capture::Spec(); }
  Task<capture::Discovered> discover(capture::Discover) override { co_return capture::Discovered(); }
  Task<capture::Validated> validate(capture::Validate) override { co_return capture::Validated(); }
  Task<capture::Applied> apply(capture::Apply) override { co_return capture::Applied(); }
  Task<> run(capture::Open, protocol::CaptureIo io) override {
    for (CaptureOutput& output : outputs) co_await io.out.send(std::move(output));
    if (waits) {
      said->notify_all();
      while (auto acknowledgement = co_await io.acknowledgements.next()) acknowledgement.reset();
    }
    if (never_ends) {
      Event never(co_await asio::this_coro::executor);
      co_await never.wait();
    }
    io.out.close();
  }
  // The first output asks for them.
  void opens_with_acknowledgements() {
    outputs.front().opened.emplace();
    outputs.front().opened->explicit_acknowledgements = true;
  }
  std::vector<CaptureOutput> outputs;
  bool waits = false, never_ends = false;
  Event* said = nullptr;
};

CaptureOutput documents(std::vector<std::string> texts, std::uint32_t binding = 0) {
  CaptureOutput output;
  for (const std::string& text : texts) output.documents.add(text, binding);
  return output;
}
CaptureOutput checkpoint(std::string state) {
  CaptureOutput output;
  output.checkpoint.emplace();
  output.checkpoint->updated_json = std::move(state);
  output.checkpoint->merge_patch = true;
  return output;
}

Task<std::string> failure_of(Task<> task) {
  try {
    co_await std::move(task);
  } catch (const Error& e) {
    co_return e.what();
  }
  co_return "no failure";
}

std::string capture_failure(std::vector<CaptureOutput> outputs, std::uint64_t* published = nullptr) {
  World world{CaptureScript()};
  std::string what;
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    ToldCapture connector;
    connector.outputs = std::move(outputs);
    auto session = start.capture_with(world, connector);
    what = co_await failure_of(session->run());
    if (published) *published = start.logs[0]->published();
  });
  return what;
}

std::vector<CaptureOutput> list(CaptureOutput a) {
  std::vector<CaptureOutput> outputs;
  outputs.push_back(std::move(a));
  return outputs;
}
std::vector<CaptureOutput> list(CaptureOutput a, CaptureOutput b) {
  std::vector<CaptureOutput> outputs = list(std::move(a));
  outputs.push_back(std::move(b));
  return outputs;
}

TEST(CaptureErrors, AnEndBetweenCheckpointsIsAFailureAndCommitsNothing) {
  std::uint64_t published = 1;
  EXPECT_EQ(capture_failure(list(documents({R"({"id":1})"})), &published),
            "unexpected capture connector EOF while within a checkpoint");
  EXPECT_EQ(published, 0u);
}

TEST(CaptureErrors, AnEndAfterDocumentsIsAFailureToo) {
  std::vector<CaptureOutput> outputs = list(documents({R"({"id":1})"}), checkpoint("{}"));
  outputs.push_back(documents({R"({"id":2})"}));
  EXPECT_EQ(capture_failure(std::move(outputs)),
            "unexpected capture connector EOF while within a checkpoint");
}

TEST(CaptureErrors, ABindingOutOfRangeIsNamed) {
  EXPECT_EQ(capture_failure(list(documents({R"({"id":1})"}, 3), checkpoint("{}"))),
            "invalid captured binding 3");
}

TEST(CaptureErrors, ACheckpointNeedsAState) {
  EXPECT_EQ(capture_failure(list(checkpoint(""))), "the capture connector sent a checkpoint without a state");
}

TEST(CaptureErrors, ADocumentAgainstItsSchemaNamesCollectionKeyAndPlace) {
  std::uint64_t published = 1;
  std::string what = capture_failure(
      list(documents({R"({"id":1})", R"({"id":1001,"text":7})"}), checkpoint(R"({"a":1})")), &published);
  for (const char* word : {"acme/c0", "1001", "/text"}) EXPECT_NE(what.find(word), std::string::npos) << what;
  EXPECT_EQ(published, 0u);
}

TEST(CaptureErrors, AnEmptyCheckpointCommitsTheStateOnly) {
  World world{CaptureScript()};
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    ToldCapture connector;
    connector.outputs = list(checkpoint(R"({"at":5})"));
    auto session = start.capture_with(world, connector);
    co_await session->run();
    EXPECT_EQ(start.logs[0]->published(), 0u);
    EXPECT_EQ(start.store.get("acme/source", "connector-state"), R"({"at":5})");
  });
}

TEST(CaptureErrors, AConnectorNeedNotWaitForItsLastAcknowledgement) {
  World world{CaptureScript()};
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    ToldCapture connector;
    connector.outputs = list(documents({R"({"id":1})"}), checkpoint(R"({"at":1})"));
    connector.opens_with_acknowledgements();
    auto session = start.capture_with(world, connector);
    co_await session->run();
    EXPECT_GT(start.logs[0]->published(), 0u);
  });
}

TEST(CaptureErrors, ATransactionWhoseAcknowledgementFailedIsSeenFromTheNextSessionOn) {
  CaptureScript script;
  script.transactions = 1;
  script.bindings = 2;
  for (std::string_view broken : {"before log acknowledgement", "after log acknowledgement"}) {
    World world(script);
    bool full = true;
    world.faults = [&](std::string_view point) {
      if (full && point == broken) throw Error(Error::Kind::transient, "no space left");
    };
    run([&](Loop& loop) -> Task<> {
      World::Start start(world, loop);
      std::string what = co_await failure_of(start.capture->run());
      EXPECT_EQ(what, "no space left");
      EXPECT_EQ(start.logs[0]->published(), 0u);
      full = false;
      ToldCapture silent;
      auto session = start.capture_with(world, silent);
      co_await session->run();
      start.materialization->finish();
      co_await start.materialization->run();
    });
    EXPECT_EQ(world.counts(), testing::counts_of(script));
  }
}

// Two checkpoints, and documents whose checkpoint does not come before those are acknowledged.
class LateCheckpoint final : public ToldCapture {
 public:
  Task<> run(capture::Open, protocol::CaptureIo io) override {
    for (CaptureOutput& output : outputs) co_await io.out.send(std::move(output));
    auto acknowledged = co_await io.acknowledgements.next();
    first_acknowledged = acknowledged ? acknowledged->checkpoints : 0;
    co_await io.out.send(checkpoint(R"({"at":3})"));
    io.out.close();
  }
  std::uint32_t first_acknowledged = 0;  // checkpoints
};

TEST(CaptureTransactions, DocumentsBeforeTheirCheckpointDoNotHoldBackFormerOnes) {
  World world{CaptureScript()};
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    LateCheckpoint connector;
    connector.outputs = list(documents({R"({"id":1})"}), checkpoint(R"({"at":1})"));
    connector.outputs.push_back(documents({R"({"id":2})"}));
    connector.outputs.push_back(checkpoint(R"({"at":2})"));
    connector.outputs.push_back(documents({R"({"id":3})"}));
    connector.opens_with_acknowledgements();
    auto session = start.capture_with(world, connector);
    co_await session->run();
    EXPECT_EQ(connector.first_acknowledged, 2u);
    EXPECT_EQ(start.capture_progress.transactions, 2u);
    EXPECT_EQ(start.store.get("acme/source", "connector-state"), R"({"at":3})");
  });
}

Task<> stop_when(Event& said, CaptureSession& session) {
  co_await said.wait();
  session.stop();
}

TEST(CaptureStop, CommitsWhatEndsWithACheckpointAndAsksTheConnectorToEnd) {
  World world{CaptureScript()};
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    ToldCapture connector;
    connector.outputs = list(documents({R"({"id":1})"}), checkpoint(R"({"at":1})"));
    connector.waits = true;
    Event said(loop.executor());
    connector.said = &said;
    auto session = start.capture_with(world, connector);
    co_await all(session->run(), stop_when(said, *session));
    EXPECT_GT(start.logs[0]->published(), 0u);
    EXPECT_EQ(start.store.get("acme/source", "connector-state"), R"({"at":1})");
  });
}

TEST(CaptureStop, AConnectorThatDoesNotEndIsEnded) {
  World world{CaptureScript()};
  world.stop_grace = std::chrono::milliseconds(1);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    ToldCapture connector;
    connector.outputs = list(documents({R"({"id":1})"}));  // and no checkpoint
    connector.waits = connector.never_ends = true;
    Event said(loop.executor());
    connector.said = &said;
    auto session = start.capture_with(world, connector);
    co_await all(session->run(), stop_when(said, *session));
    EXPECT_EQ(start.logs[0]->published(), 0u);
  });
}

// Answers by a function.
class ToldMaterialize final : public protocol::Materialize {
 public:
  using Answer = std::function<std::vector<MaterializeOutput>(const MaterializeInput&)>;
  Task<materialize::Spec> spec(materialize::SpecRequest) override { co_return materialize::Spec(); }
  Task<materialize::Validated> validate(materialize::Validate) override {
    co_return materialize::Validated();
  }
  Task<materialize::Applied> apply(materialize::Apply request) override {
    if (applying) applying(request);
    co_return materialize::Applied();
  }
  Task<> run(materialize::Open, protocol::MaterializeIo io) override {
    co_await io.out.send(MaterializeOutput(materialize::Opened()));
    while (auto input = co_await io.in.next()) {
      std::vector<MaterializeOutput> outputs = answer(*input);
      for (MaterializeOutput& output : outputs) co_await io.out.send(std::move(output));
      if (ends_at == input->value.index()) break;
    }
    io.out.close();
  }
  Answer answer;
  std::function<void(const materialize::Apply&)> applying;
  std::size_t ends_at = 99;
};

std::vector<MaterializeOutput> say(MaterializeOutput::Value value) {
  std::vector<MaterializeOutput> outputs;
  outputs.emplace_back(std::move(value));
  return outputs;
}
std::vector<MaterializeOutput> obey(const MaterializeInput& input) {
  if (std::holds_alternative<materialize::Acknowledge>(input.value)) return say(materialize::Acknowledged());
  if (std::holds_alternative<materialize::Flush>(input.value)) return say(materialize::Flushed());
  if (std::holds_alternative<materialize::StartCommit>(input.value)) return say(materialize::StartedCommit());
  return {};
}

std::string materialize_failure(std::function<void(ToldMaterialize&)> prepare) {
  World world{CaptureScript()};
  std::string what;
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    co_await start.capture->run();
    ToldMaterialize connector;
    connector.answer = obey;
    prepare(connector);
    auto session = start.materialization_with(world, connector);
    session->finish();
    what = co_await failure_of(session->run());
  });
  return what;
}

TEST(MaterializeErrors, AConnectorThatObeysIsNoError) {
  EXPECT_EQ(materialize_failure([](ToldMaterialize&) {}), "no failure");
}

TEST(MaterializeErrors, AnEndThatNobodyAskedFor) {
  EXPECT_EQ(materialize_failure([](ToldMaterialize& c) { c.ends_at = 0; }),
            "unexpected materialization connector EOF");
}

TEST(MaterializeErrors, ResponsesOutOfOrder) {
  // A second Acknowledged after the answer to an input of this kind.
  auto extra_after = [](std::size_t kind) {
    return materialize_failure([&](ToldMaterialize& c) {
      c.answer = [kind](const MaterializeInput& request) {
        auto outputs = obey(request);
        if (request.value.index() == kind) outputs.emplace_back(materialize::Acknowledged());
        return outputs;
      };
    });
  };
  EXPECT_NE(extra_after(0).find("duplicate Acknowledge"), std::string::npos);
  // While storing, unless the session has gone on to the commit before it hears this.
  std::string after_store = extra_after(3);
  EXPECT_TRUE(after_store.find("no response or EOF during Store phase") != std::string::npos ||
              after_store.find("duplicate Acknowledge") != std::string::npos)
      << after_store;
  EXPECT_NE(materialize_failure([](ToldMaterialize& c) {
              c.answer = [](const MaterializeInput&) { return say(materialize::Flushed()); };
            }).find("Flushed without Flush"),
            std::string::npos);
}

TEST(MaterializeErrors, LoadedOfABindingThatIsNotThere) {
  std::string what = materialize_failure([](ToldMaterialize& c) {
    c.answer = [](const MaterializeInput& request) {
      auto outputs = obey(request);
      if (std::holds_alternative<materialize::Acknowledge>(request.value)) {
        Batch batch;
        batch.add("{}", 7);
        outputs.emplace_back(protocol::LoadedDocuments(std::move(batch)));
      }
      return outputs;
    };
  });
  EXPECT_NE(what.find("Loaded of binding 7"), std::string::npos) << what;
}

TEST(MaterializeErrors, AnApplyThatFailsLeavesWhatItMayHaveCreated) {
  World world{CaptureScript()};
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    ToldMaterialize connector;
    connector.answer = obey;
    auto applied = [&](const char* key) { return start.store.get("acme/sink", key); };
    connector.applying = [&](const materialize::Apply& request) {
      EXPECT_FALSE(request.last_materialization);
      EXPECT_EQ(applied(keys::applying), protocol::encode(world.materialization));
      throw Error(Error::Kind::transient, "half done");
    };
    auto first = start.materialization_with(world, connector);
    std::string what = co_await failure_of(first->run());
    EXPECT_EQ(what, "half done");
    EXPECT_TRUE(applied(keys::applying));
    EXPECT_FALSE(applied(keys::last_applied));

    connector.applying = {};
    auto second = start.materialization_with(world, connector);
    second->finish();
    co_await second->run();
    EXPECT_FALSE(applied(keys::applying));
    EXPECT_EQ(applied(keys::last_applied), protocol::encode(world.materialization));
  });
}

TEST(MaterializeStop, EndsWithoutDocumentsAtOnce) {
  World world{CaptureScript()};
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    start.materialization->stop();
    co_await start.materialization->run();
    EXPECT_EQ(start.sink.traffic.transactions, 0);
  });
}

TEST(MaterializeStop, AConnectorThatDoesNotAnswerIsEnded) {
  World world{CaptureScript()};
  world.stop_grace = std::chrono::milliseconds(1);
  run([&](Loop& loop) -> Task<> {
    World::Start start(world, loop);
    ToldMaterialize silent;
    silent.answer = [](const MaterializeInput&) { return std::vector<MaterializeOutput>(); };
    auto session = start.materialization_with(world, silent);
    session->stop();
    co_await session->run();
  });
}

// What a session makes of a document that was spoiled in the log after it was captured: it is noticed unless
// this process has validated it for the schema it is read with.
std::string failure_of_a_spoiled_document(bool restarted, std::string_view reader_schema) {
  World world{CaptureScript()};
  if (!reader_schema.empty()) world.materialization.bindings[0].collection->write_schema_json = reader_schema;
  std::string what;
  run([&](Loop& loop) -> Task<> {
    auto start = std::make_unique<World::Start>(world, loop);
    ToldCapture connector;
    connector.outputs.push_back(documents({R"({"id":1,"text":"good"})", R"({"id":2,"text":"fine"})"}));
    connector.outputs.push_back(checkpoint(R"({"at":2})"));
    auto session = start->capture_with(world, connector);
    co_await session->run();
    std::filesystem::path log = start->logs[0]->path();
    std::string text;
    std::getline(std::ifstream(log), text, '\0');
    std::size_t at = text.find(R"("fine")");
    sluice::testing::require(at != text.npos);
    std::fstream(log, std::ios::in | std::ios::out).seekp(static_cast<std::streamoff>(at)) << "[1234]";
    if (restarted) {
      session.reset();
      start.reset();
      start = std::make_unique<World::Start>(world, loop);
    }
    start->materialization->finish();
    what = co_await failure_of(start->materialization->run());
  });
  return what;
}

TEST(MaterializeErrors, DocumentsAreValidatedUnlessThisProcessDidItForTheSameSchema) {
  EXPECT_EQ(failure_of_a_spoiled_document(false, ""), "no failure");
  std::string noticed = "acme/c0 document failed validation against its schema";
  EXPECT_TRUE(failure_of_a_spoiled_document(true, "").starts_with(noticed));
  EXPECT_TRUE(failure_of_a_spoiled_document(
                  false, R"({"type":"object","required":["id"],"properties":{"text":{"type":"string"}}})")
                  .starts_with(noticed));
}

}  // namespace
}  // namespace sluice::runtime
