#include "sluice/protocol/check.hpp"

#include <gtest/gtest.h>

#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/held.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::protocol {
namespace {

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

// ---- unary responses ----

capture::Spec good_spec() {
  capture::Spec spec;
  spec.protocol = protocol_version;
  spec.config_schema_json = spec.resource_config_schema_json = "{}";
  spec.documentation_url = "https://docs";
  return spec;
}

TEST(Check, Spec) {
  auto error = [](auto change) {
    capture::Spec spec = good_spec();
    change(spec);
    return error_of([&] { check(spec); });
  };
  EXPECT_EQ(error([](capture::Spec&) {}), "");
  EXPECT_EQ(error([](capture::Spec& s) { s.protocol = 7; }),
            "connector returned an unexpected protocol version 7 (expected 3032023)");
  EXPECT_EQ(error([](capture::Spec& s) { s.config_schema_json.clear(); }),
            "connector Spec lacks configSchema");
  EXPECT_EQ(error([](capture::Spec& s) { s.resource_config_schema_json.clear(); }),
            "connector Spec lacks resourceConfigSchema");
  EXPECT_EQ(error([](capture::Spec& s) { s.documentation_url.clear(); }),
            "connector Spec lacks documentationUrl");
  EXPECT_NE(error_of([] { check(materialize::Spec()); }), "");
}

TEST(Check, Discovered) {
  auto error = [](auto change) {
    capture::Discovered discovered;
    discovered.bindings.resize(2);
    for (auto& binding : discovered.bindings) {
      binding.recommended_name = "n";
      binding.document_schema_json = binding.resource_config_json = "{}";
    }
    change(discovered.bindings[1]);
    return error_of([&] { check(discovered); });
  };
  EXPECT_EQ(error([](auto&) {}), "");
  EXPECT_EQ(error([](auto& b) { b.recommended_name.clear(); }),
            "connector Discovered binding 1 ('') lacks recommendedName");
  EXPECT_EQ(error([](auto& b) { b.document_schema_json.clear(); }),
            "connector Discovered binding 1 ('n') lacks documentSchema");
  EXPECT_EQ(error([](auto& b) { b.resource_config_json.clear(); }),
            "connector Discovered binding 1 ('n') lacks resourceConfig");
}

TEST(Check, Validated) {
  using Paths = std::vector<std::vector<std::string>>;
  auto error = [](Paths paths) {
    capture::Validate request;
    request.bindings.resize(2);
    capture::Validated validated;
    for (auto& path : paths) validated.bindings.push_back({path});
    return error_of([&] { check(request, validated); });
  };
  EXPECT_EQ(error({{"s", "a"}, {"s", "b"}}), "");
  EXPECT_EQ(error({{"s", "a"}}), "connector Validated has 1 bindings, but the request had 2");
  EXPECT_EQ(error({{"s", "a"}, {}}), "connector Validated binding 1 has an empty resourcePath");
  EXPECT_EQ(error({{"s", ""}, {"b"}}),
            "connector Validated binding 0 has an empty component in its resourcePath 's/'");
  EXPECT_EQ(error({{"s", "a"}, {"s", "a"}}), "connector Validated bindings share the resourcePath 's/a'");
}

TEST(Check, Constraints) {
  auto error = [](auto change) {
    materialize::Validate request;
    request.bindings.resize(1);
    materialize::Validated validated;
    validated.bindings.resize(1);
    validated.bindings[0].resource_path = {"t"};
    change(validated.bindings[0]);
    return error_of([&] { check(request, validated); });
  };
  EXPECT_EQ(error([](auto& b) { b.constraints["f"].type = materialize::ConstraintType::field_optional; }),
            "");
  EXPECT_EQ(error([](auto& b) { b.constraints["f"]; }),
            "connector Validated binding 0 has an invalid constraint type 0 for field 'f'");
  EXPECT_EQ(error([](auto& b) { b.constraints["f"].type = static_cast<materialize::ConstraintType>(8); }),
            "connector Validated binding 0 has an invalid constraint type 8 for field 'f'");
  EXPECT_EQ(error([](auto& b) { b.projection_constraints.push_back({"g", std::nullopt}); }),
            "connector Validated binding 0 has no constraint for field 'g'");
  EXPECT_EQ(error([](auto& b) {
              b.constraints["f"];  // ignored beside the newer form
              b.projection_constraints.push_back(
                  {"g", materialize::Constraint{materialize::ConstraintType::incompatible, "", ""}});
            }),
            "");
}

// ---- capture ----

CaptureOutput opened(bool explicit_acknowledgements = false) {
  CaptureOutput output;
  output.opened.emplace();
  output.opened->explicit_acknowledgements = explicit_acknowledgements;
  return output;
}
CaptureOutput captured(std::uint32_t binding, std::string doc = "{}") {
  CaptureOutput output;
  output.documents.add(doc, binding);
  return output;
}
CaptureOutput schema(std::uint32_t binding, std::string json = "{}") {
  CaptureOutput output;
  output.sourced_schemas.push_back({binding, json});
  return output;
}
CaptureOutput checkpoint(std::string state = "{}") {
  CaptureOutput output;
  output.checkpoint.emplace();
  output.checkpoint->updated_json = state;
  return output;
}

template <class... Outputs>
std::string capture_error(Outputs... outputs) {
  CaptureChecker checker(2);
  return error_of([&] {
    (checker.output(outputs), ...);
    checker.end();
  });
}

TEST(CaptureChecker, LegalSessions) {
  EXPECT_EQ(capture_error(opened()), "");
  EXPECT_EQ(capture_error(opened(), checkpoint(), checkpoint()), "");
  EXPECT_EQ(
      capture_error(opened(), captured(0), schema(1), captured(1), checkpoint(), captured(0), checkpoint()),
      "");
}

TEST(CaptureChecker, Breaches) {
  EXPECT_EQ(capture_error(), "unexpected connector EOF (expected Opened)");
  EXPECT_EQ(capture_error(checkpoint()),
            R"(connector protocol error (expected Opened): {"checkpoint":{"state":{"updated":{}}}})");
  EXPECT_EQ(capture_error(captured(1)),
            R"(connector protocol error (expected Opened): {"captured":{"binding":1,"doc":{}}})");
  EXPECT_EQ(capture_error(schema(0)),
            R"(connector protocol error (expected Opened): {"sourcedSchema":{"documentSchema":{}}})");
  EXPECT_EQ(
      capture_error(opened(true), opened(true)),
      R"(connector protocol error (expected Captured, SourcedSchema, or Checkpoint): {"opened":{"explicitAcknowledgements":true}})");
  EXPECT_EQ(capture_error(opened(), captured(2)), "invalid captured binding 2");
  EXPECT_EQ(capture_error(opened(), captured(0, "")), "connector captured an empty document of binding 0");
  EXPECT_EQ(capture_error(opened(), schema(2)), "invalid sourced schema binding 2");
  EXPECT_EQ(capture_error(opened(), schema(0, "")), "connector sent an empty sourced schema of binding 0");
  EXPECT_EQ(
      capture_error(opened(), checkpoint("")),
      R"(connector protocol error (expected Checkpoint with an updated state): {"checkpoint":{"state":{}}})");
  EXPECT_EQ(capture_error(opened(), captured(0)),
            "unexpected capture connector EOF while within a checkpoint");
  EXPECT_EQ(capture_error(opened(), checkpoint(), schema(0)),
            "unexpected capture connector EOF while within a checkpoint");
  std::string long_doc = '"' + std::string(10'000, 'x') + '"';
  EXPECT_EQ(capture_error(captured(0, long_doc)).size(),
            std::string("connector protocol error (expected Opened): ").size() + 4096);
}

// ---- materialization ----

MaterializeInput acknowledge() { return MaterializeInput(materialize::Acknowledge()); }
MaterializeInput flush() { return MaterializeInput(materialize::Flush()); }
MaterializeInput load() {
  Batch keys;
  keys.add("\x15\x01");
  return MaterializeInput(Loads(std::move(keys)));
}
MaterializeInput store() { return MaterializeInput(StoreBatch()); }
MaterializeInput commit() { return MaterializeInput(materialize::StartCommit()); }
struct Stop {};

MaterializeOutput was_opened() { return MaterializeOutput(materialize::Opened()); }
MaterializeOutput acknowledged() { return MaterializeOutput(materialize::Acknowledged()); }
MaterializeOutput flushed() { return MaterializeOutput(materialize::Flushed()); }
MaterializeOutput started() { return MaterializeOutput(materialize::StartedCommit()); }
MaterializeOutput loaded(std::uint32_t binding = 0, std::string doc = "{}") {
  Batch documents;
  documents.add(doc, binding);
  return MaterializeOutput(LoadedDocuments(std::move(documents)));
}

void step(MaterializeChecker& checker, const MaterializeInput& input) { checker.request(input); }
void step(MaterializeChecker& checker, const MaterializeOutput& output) { checker.response(output); }
void step(MaterializeChecker& checker, Stop) { checker.stop(); }

// The steps, then the end of the connector's output.
template <class... Steps>
std::string session_error(Steps... steps) {
  MaterializeChecker checker(2);
  return error_of([&] {
    (step(checker, steps), ...);
    checker.end();
  });
}

TEST(MaterializeChecker, LegalSessions) {
  EXPECT_EQ(session_error(was_opened(), Stop()), "");
  EXPECT_EQ(session_error(Stop(), was_opened()), "");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), Stop()), "");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), Stop(), acknowledged()), "");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), load(), acknowledged(), loaded(), load(), loaded(1),
                          flush(), loaded(), flushed(), store(), store(), commit(), started(), acknowledge(),
                          acknowledged(), flush(), flushed(), commit(), started(), Stop()),
            "");
}

TEST(MaterializeChecker, Breaches) {
  const std::string error = "connector protocol error (expected ";
  EXPECT_EQ(session_error(acknowledged()), error + R"(Opened): {"acknowledged":{}})");
  EXPECT_EQ(session_error(), "unexpected connector EOF (expected Opened)");
  EXPECT_EQ(session_error(was_opened(), was_opened()),
            error + R"(no response before Acknowledge): {"opened":{}})");
  EXPECT_EQ(session_error(was_opened(), acknowledged()),
            error + R"(no response before Acknowledge): {"acknowledged":{}})");
  EXPECT_EQ(session_error(was_opened()), "unexpected connector EOF (expected Acknowledge)");
  EXPECT_EQ(session_error(was_opened(), acknowledge()), "unexpected connector EOF (expected Acknowledged)");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), acknowledged()),
            "connector sent duplicate Acknowledge");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), load(), loaded()),
            "connector sent Loaded before Acknowledged");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), flushed()),
            "connector sent Flushed before Acknowledged");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), flushed()),
            "connector sent Flushed before Flush");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), started()),
            error + R"(Loaded or Flushed): {"startedCommit":{}})");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), loaded(2)),
            "invalid loaded binding 2");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), loaded(1, "")),
            "connector loaded an empty document of binding 1");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), flush()),
            "unexpected connector EOF (expected Loaded or Flushed)");
  const std::string storing = "no response or EOF during Store phase";
  auto stored = [&](auto... rest) {
    return session_error(was_opened(), acknowledge(), acknowledged(), flush(), flushed(), store(),
                         std::move(rest)...);
  };
  EXPECT_EQ(stored(loaded()), storing);
  EXPECT_EQ(stored(flushed()), storing);
  EXPECT_EQ(stored(started()), storing);
  EXPECT_EQ(stored(), storing);
  EXPECT_EQ(stored(commit()), "unexpected connector EOF (expected StartedCommit)");
  EXPECT_EQ(stored(commit(), acknowledged()), error + R"(StartedCommit): {"acknowledged":{}})");
  EXPECT_EQ(stored(commit(), started(), started()),
            error + R"(no response before Acknowledge): {"startedCommit":{}})");
  EXPECT_EQ(stored(commit(), started()), "unexpected connector EOF (expected Acknowledge)");
}

TEST(MaterializeChecker, BreachesAfterAGracefulStop) {
  const std::string error = "connector protocol error (expected ";
  EXPECT_EQ(session_error(was_opened(), Stop(), acknowledged()), error + R"(EOF): {"acknowledged":{}})");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), Stop(), loaded()),
            error + R"(Acknowledged or EOF): {"loaded":{"doc":{}}})");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), Stop(), flushed()),
            error + R"(EOF): {"flushed":{}})");
  EXPECT_EQ(session_error(was_opened(), acknowledge(), acknowledged(), Stop(), acknowledged()),
            "connector sent duplicate Acknowledge");
  EXPECT_EQ(session_error(Stop()), "unexpected connector EOF (expected Opened)");
}

TEST(MaterializeChecker, OurOwnBreachesAreBugs) {
  auto is_bug = [](auto... steps) {
    MaterializeChecker checker(2);
    try {
      (step(checker, steps), ...);
    } catch (const Error& e) {
      return e.kind() == Error::Kind::bug;
    }
    return false;
  };
  EXPECT_TRUE(is_bug(acknowledge()));
  EXPECT_TRUE(is_bug(was_opened(), load()));
  EXPECT_TRUE(is_bug(was_opened(), acknowledge(), flush()));
  EXPECT_TRUE(is_bug(was_opened(), acknowledge(), acknowledged(), store()));
  EXPECT_TRUE(is_bug(was_opened(), acknowledge(), acknowledged(), flush(), load()));
  EXPECT_TRUE(is_bug(was_opened(), acknowledge(), load(), Stop()));
  EXPECT_TRUE(is_bug(was_opened(), Stop(), acknowledge()));
}

// ---- connectors in process ----

// Says what it is told to, then notes acknowledgements until it is asked to stop, unless it is told not to.
class Scripted final : public Capture {
 public:
  Scripted(std::vector<CaptureOutput> script, std::vector<std::uint32_t>* acknowledged)
      : script_(std::move(script)), acknowledged_(acknowledged) {}

  Task<capture::Spec> spec(capture::SpecRequest) override { co_return good_spec(); }
  Task<capture::Discovered> discover(capture::Discover) override {
    capture::Discovered discovered;
    discovered.bindings.resize(1);
    co_return discovered;
  }
  Task<capture::Validated> validate(capture::Validate) override { co_return capture::Validated(); }
  Task<capture::Applied> apply(capture::Apply) override { co_return capture::Applied(); }
  Task<> run(capture::Open, CaptureIo io) override {
    for (CaptureOutput& output : script_) co_await io.out.send(std::move(output));
    Event never(co_await asio::this_coro::executor);
    if (!acknowledged_) co_await never.wait();
    while (auto message = co_await io.acknowledgements.next()) acknowledged_->push_back(message->checkpoints);
    io.out.close();
  }

 private:
  std::vector<CaptureOutput> script_;
  std::vector<std::uint32_t>* acknowledged_;  // null: does not read them
};

template <class... Outputs>
std::vector<CaptureOutput> script_of(Outputs... outputs) {
  std::vector<CaptureOutput> script;
  (script.push_back(std::move(outputs)), ...);
  return script;
}

capture::Open open_request() {
  capture::Open open;
  open.capture.emplace();
  open.capture->bindings.resize(2);
  open.range.emplace();
  return open;
}

Task<> hear(Reader<CaptureOutput> in, std::size_t& documents, Event& heard) {
  while (auto output = co_await in.next()) {
    documents += output->documents.size();
    heard.notify_all();
  }
}

Task<> acknowledge_then_stop(Writer<Acknowledged> out, std::size_t& documents, Event& heard) {
  while (documents == 0) co_await heard.wait();
  co_await out.send(Acknowledged(3));
  co_await out.send(Acknowledged(4));
  out.close();
}

// A session of a runtime that acknowledges twice once it has a document.
Task<> play(Context& context, std::unique_ptr<Capture> connector, std::size_t& documents) {
  auto [out, outputs] = channel<CaptureOutput>(context.executor, 1_MiB);
  auto [acknowledge, acknowledgements] = channel<Acknowledged>(context.executor, 1_MiB);
  CaptureIo io(std::move(out), std::move(acknowledgements), false);
  Event heard(context.executor);
  std::unique_ptr<Capture> safe = checked(context, std::move(connector));
  co_await all(safe->run(open_request(), std::move(io)), hear(std::move(outputs), documents, heard),
               acknowledge_then_stop(std::move(acknowledge), documents, heard));
}

TEST(Checked, ACaptureIsPassedOnAndAcknowledgedIfItWants) {
  for (bool wants : {true, false}) {
    CpuPool pool(1);
    testing::FakeClock clock;
    std::vector<std::uint32_t> acknowledged;
    std::size_t documents = 0;
    Loop loop;
    Context context(loop.executor(), pool, clock, Log());
    auto script = script_of(opened(wants), captured(0), checkpoint(), captured(1), checkpoint());
    testing::Held session(
        loop, play(context, std::make_unique<Scripted>(std::move(script), &acknowledged), documents));
    session.settle();
    EXPECT_TRUE(session.ended());
    EXPECT_EQ(session.failure(), "");
    EXPECT_EQ(documents, 2u);
    EXPECT_EQ(acknowledged, wants ? (std::vector<std::uint32_t>{3, 4}) : std::vector<std::uint32_t>{});
  }
}

TEST(Checked, ABreachEndsTheSession) {
  CpuPool pool(1);
  testing::FakeClock clock;
  std::vector<std::uint32_t> acknowledged;
  std::size_t documents = 0;
  Loop loop;
  Context context(loop.executor(), pool, clock, Log());
  auto script = script_of(opened(), captured(0), checkpoint(), captured(9));
  testing::Held session(
      loop, play(context, std::make_unique<Scripted>(std::move(script), &acknowledged), documents));
  EXPECT_EQ(session.settle().failure(), "invalid captured binding 9");
  EXPECT_EQ(documents, 1u);
}

TEST(Checked, AcknowledgementsMustBeReadWithinTenSeconds) {
  CpuPool pool(1);
  testing::FakeClock clock;
  std::size_t documents = 0;
  Loop loop;
  Context context(loop.executor(), pool, clock, Log());
  auto script = script_of(opened(true), captured(0), checkpoint());
  testing::Held session(loop,
                        play(context, std::make_unique<Scripted>(std::move(script), nullptr), documents));
  session.settle();
  clock.advance(std::chrono::milliseconds(9'999));
  EXPECT_FALSE(session.settle().ended());
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(session.settle().failure(),
            "connector requested acknowledgements but is not processing its input");
}

TEST(Checked, UnaryResponsesAreChecked) {
  CpuPool pool(1);
  testing::FakeClock clock;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    auto connector = checked(context, std::make_unique<Scripted>(script_of(), nullptr));
    capture::SpecRequest ask;
    capture::Spec spec = co_await connector->spec(std::move(ask));
    EXPECT_EQ(spec, good_spec());
    std::string error;
    capture::Discover discover;
    try {
      co_await connector->discover(std::move(discover));
    } catch (const Error& e) {
      error = e.message();
    }
    EXPECT_EQ(error, "connector Discovered binding 0 ('') lacks recommendedName");
    capture::Validate request;
    request.bindings.resize(1);
    try {
      co_await connector->validate(std::move(request));
    } catch (const Error& e) {
      error = e.message();
    }
    EXPECT_EQ(error, "connector Validated has 0 bindings, but the request had 1");
  });
}

}  // namespace
}  // namespace sluice::protocol
