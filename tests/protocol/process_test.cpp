#include "sluice/protocol/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/protocol/check.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::protocol {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;
constexpr Codec codecs[] = {Codec::proto, Codec::json};

// Runs ten times as fast as the system's.
class HastyClock final : public Clock {
 public:
  TimePoint now() const override { return start_ + (steady_.now() - start_) * 10; }
  std::int64_t unix_nanoseconds() const override { return steady_.unix_nanoseconds(); }
  Task<> sleep_until(TimePoint time) override { return steady_.sleep_until(real(time)); }
  Task<> wait(Event& event, TimePoint deadline) override { return steady_.wait(event, real(deadline)); }

 private:
  TimePoint real(TimePoint time) const { return start_ + (time - start_) / 10; }
  SteadyClock steady_;
  TimePoint start_ = steady_.now();
};

// What a test needs to run peers, and what it gets to see.
struct Stage {
  explicit Stage(Loop& loop, bool in_haste = false)
      : context(loop.executor(), pool, in_haste ? static_cast<Clock&>(hasty) : steady, Log()) {
    ::signal(SIGPIPE, SIG_IGN);
  }

  ProcessOptions options(Codec codec, std::vector<std::string> script) {
    ProcessOptions out;
    out.command = std::move(script);
    out.command.insert(out.command.begin(), TEST_PEER);
    out.codec = codec;
    out.log =
        Log(LogLevel::trace, LogFormat::text, [this](std::string_view line) { lines.emplace_back(line); });
    out.on_log = [this](const LogRecord& record) {
      if (record.message == "heard")
        heard.push_back(record.fields.at(0).json);
      else
        logs.push_back(std::string(name(record.level)) + " " + record.message);
    };
    return out;
  }
  bool logged(std::string_view text) const {
    for (const std::string& line : lines)
      if (line.find(text) != line.npos) return true;
    return false;
  }

  CpuPool pool{1};
  SteadyClock steady;
  HastyClock hasty;
  Context context;
  Strings heard, logs;  // requests as the peer saw them; other records
  Strings lines;        // of the Log
};

std::vector<std::string> with(std::vector<std::string> front, const std::vector<std::string>& rest) {
  front.insert(front.end(), rest.begin(), rest.end());
  return front;
}

// ---- unary calls ----

Task<> discover(Capture& connector, capture::Discovered& answer, std::string& error) {
  capture::Discover request;
  request.config_json = R"({"a":1})";
  try {
    answer = co_await connector.discover(std::move(request));
  } catch (const Error& e) {
    error = e.what();
  }
}

struct Unary {
  capture::Discovered answer;
  std::string error;
  Strings heard, logs, lines;
};

Unary call(Codec codec, std::vector<std::string> script, std::function<void(ProcessOptions&)> change = {},
           bool in_haste = false) {
  Unary out;
  testing::run([&](Loop& loop) -> Task<> {
    Stage stage(loop, in_haste);
    ProcessOptions options = stage.options(codec, with({"capture"}, script));
    if (change) change(options);
    std::unique_ptr<Capture> connector = process_capture(stage.context, std::move(options));
    co_await discover(*connector, out.answer, out.error);
    out.heard = stage.heard;
    out.logs = stage.logs;
    out.lines = stage.lines;
  });
  return out;
}

constexpr const char* discovered = R"(say:{"discovered":{"bindings":[{"recommendedName":"t"}]}})";

TEST(Process, AUnaryCall) {
  for (Codec codec : codecs) {
    Unary call_ = call(codec, {"greet", "read", discovered, "drain"});
    EXPECT_EQ(call_.error, "");
    EXPECT_EQ(call_.answer.bindings.at(0).recommended_name, "t");
    EXPECT_EQ(call_.heard, (Strings{R"({"discover":{"config":{"a":1}}})"}));
  }
}

TEST(Process, SpecIsAskedWithoutAGreeting) {
  testing::run([](Loop& loop) -> Task<> {
    Stage stage(loop);
    auto connector =
        process_capture(stage.context, stage.options(Codec::json, {"capture", "greet", "drain"}));
    capture::SpecRequest request;
    capture::Spec spec = co_await connector->spec(std::move(request));
    EXPECT_EQ(spec.protocol, protocol_version);
  });
}

TEST(Process, TheEnvironment) {
  Unary call_ = call(Codec::proto,
                     {"env:FLOW_RUNTIME_CODEC", "env:LOG_FORMAT", "env:LOG_LEVEL", "env:MINE",
                      "env:PATH_TO_NOTHING", "env:SHUTDOWN_AFTER_POLLING", "greet", "read", discovered},
                     [](ProcessOptions& options) {
                       options.log_level = LogLevel::debug;
                       options.environment = {{"MINE", "yes"}, {"FLOW_RUNTIME_CODEC", "json"}};
                     });
  EXPECT_EQ(call_.error, "");
  EXPECT_EQ(call_.logs, (Strings{"info FLOW_RUNTIME_CODEC=proto", "info LOG_FORMAT=json",
                                 "info LOG_LEVEL=debug", "info MINE=yes", "info PATH_TO_NOTHING=(unset)",
                                 "info SHUTDOWN_AFTER_POLLING=(unset)"}));
}

TEST(Process, WhatItLogsIsForwarded) {
  Unary call_ = call(Codec::json, {R"(log:{"level":"debug","msg":"m","n":7})", "log:something failed",
                                   "greet", "read", discovered});
  ASSERT_EQ(call_.lines.size(), 3u);  // with what was heard
  EXPECT_NE(call_.lines[0].find("debug m n=7"), std::string::npos) << call_.lines[0];
  EXPECT_NE(call_.lines[1].find("error something failed"), std::string::npos) << call_.lines[1];
}

TEST(Process, FailuresHaveTheLastLogAsText) {
  for (Codec codec : codecs) {
    EXPECT_EQ(call(codec, {"log:starting", R"(log:{"level":"fatal","msg":"no such host"})", "exit:1"}).error,
              "no such host");
    EXPECT_EQ(call(codec, {"greet", "read", "log:panic: oh", "exit:2"}).error, "panic: oh");
    EXPECT_EQ(call(codec, {"greet", "read", discovered, "log:too late", "exit:1"}).error, "too late");
    EXPECT_EQ(call(codec, {"exit:3"}).error, "connector exited with no log output. Its exit status was 3.");
    EXPECT_EQ(call(codec, {"raise:9"}).error,
              "connector exited with no log output. It was ended by signal 9.");
  }
  // Several lines of plain text are one log.
  EXPECT_EQ(call(Codec::json, {"log:panic: oh\n  at x", "exit:1"}).error, "panic: oh\n  at x");
}

TEST(Process, AnEarlyEndIsAnError) {
  for (Codec codec : codecs) {
    EXPECT_EQ(call(codec, {}).error, "unexpected connector EOF (expected Discovered)");
    EXPECT_EQ(call(codec, {"greet", "read"}).error, "unexpected connector EOF (expected Discovered)");
  }
}

TEST(Process, WrongAnswersAreShown) {
  for (Codec codec : codecs) {
    EXPECT_EQ(call(codec, {"greet", R"(say:{"applied":{"actionDescription":"x"}})", "drain"}).error,
              R"(connector protocol error (expected Discovered): {"applied":{"actionDescription":"x"}})");
    EXPECT_EQ(call(codec, {"greet", R"(say:{"captured":{"binding":3,"doc":{}}})", "drain"}).error,
              R"(connector protocol error (expected Discovered): {"captured":{"binding":3,"doc":{}}})");
    EXPECT_EQ(call(codec, {"greet", discovered, R"(say:{"opened":{}})", "drain"}).error,
              R"(connector protocol error (expected EOF): {"opened":{}})");
    EXPECT_EQ(call(codec, {"read", R"(say:{"opened":{}})", "drain"}).error,
              R"(connector protocol error (expected Spec): {"opened":{}})");
    EXPECT_EQ(call(codec, {"read", R"(say:{"spec":{"protocol":5}})", "drain"}).error,
              "connector returned an unexpected protocol version 5 (expected 3032023)");
  }
}

TEST(Process, BadOutputComesBeforeABadEnd) {
  Unary garbage = call(Codec::json, {"raw:" + text::hex("hello\n"), "log:I failed", "exit:1"});
  EXPECT_EQ(garbage.error.find("could not parse \"hello\" into JSON response"), 0u) << garbage.error;
  Unary partial = call(Codec::proto, {"raw:05000000", "log:I failed", "exit:1"});
  EXPECT_EQ(partial.error, "connector wrote a partial message and then closed its output");
  bool both = false;
  for (const std::string& line : partial.lines)
    both = both || line.find("connector failed error=\"I failed\"") != line.npos;
  EXPECT_TRUE(both);
  Unary large =
      call(Codec::json, {"greet", discovered, "drain"}, [](ProcessOptions& o) { o.frame_limit = 50; });
  EXPECT_NE(large.error.find("over the limit of 50 bytes"), std::string::npos) << large.error;
}

TEST(Process, OneThatDoesNotReadIsNotOurFailure) {
  Unary call_ = call(Codec::json, {"close-in", R"(say:{"spec":{"protocol":3032023}})", discovered});
  EXPECT_EQ(call_.error, "");
}

TEST(Process, StartFailures) {
  EXPECT_EQ(
      call(Codec::json, {}, [](ProcessOptions& o) { o.command = {"/no/such/connector"}; }).error,
      "could not start connector entrypoint: cannot start '/no/such/connector': No such file or directory. "
      "Check the command and its permissions.");
}

TEST(Process, OneThatDoesNotEndIsMadeTo) {
  auto hasty = [](ProcessOptions& o) { o.end_grace = o.kill_grace = 30ms; };
  const std::string killed = "connector did not end within 30ms of being asked to and was killed";
  EXPECT_EQ(call(Codec::json, {"greet", "read", discovered, "hang"}, hasty).error, killed);
  EXPECT_EQ(call(Codec::json, {"greet", "read", "ignore-term", discovered, "hang"}, hasty).error, killed);
  EXPECT_EQ(call(Codec::json, {"greet", "read", "ignore-term", discovered, "close-out", "hang"}, hasty).error,
            killed);
}

Task<> fail_when(Stage& stage, std::string text) {
  for (Event turn(stage.context.executor); !stage.logged(text);)
    co_await turn.wait_until(std::chrono::steady_clock::now() + 1ms);
  throw Error(Error::Kind::transient, "enough");
}

TEST(Process, CancellingEndsIt) {
  for (std::string term : {"note-term", "ignore-term"}) {
    testing::run([&](Loop& loop) -> Task<> {
      Stage stage(loop);
      ProcessOptions options =
          stage.options(Codec::json, {"capture", "greet", term, "pid", "log:ready", "hang"});
      options.kill_grace = term == "note-term" ? 60s : 30ms;
      auto connector = process_capture(stage.context, std::move(options));
      capture::Discovered answer;
      std::string error;
      auto start = std::chrono::steady_clock::now();
      try {
        co_await all(discover(*connector, answer, error), fail_when(stage, "ready"));
      } catch (const Error& e) {
        EXPECT_EQ(e.message(), "enough");
      }
      EXPECT_EQ(error, "");
      EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
      EXPECT_EQ(stage.logged("terminated"), term == "note-term");
      int pid = 0;
      for (const std::string& log : stage.logs) std::sscanf(log.c_str(), "info pid=%d", &pid);
      testing::require(pid > 0);
      EXPECT_EQ(::kill(pid, 0), -1);
      EXPECT_EQ(errno, ESRCH);
    });
  }
}

TEST(Process, ALogLeftOpenDoesNotHoldUsUp) {
  Unary call_ = call(Codec::json, {"leave-log", "greet", "read", discovered, "log:bye"});
  EXPECT_EQ(call_.error, "");
  EXPECT_EQ(call_.logs, (Strings{"warn bye"}));
}

TEST(Process, OutputLeftOpenDoesNotHideItsEnd) {
  auto start = std::chrono::steady_clock::now();
  auto error = [](Codec codec, std::vector<std::string> script) {
    return call(codec, script, {}, true).error;
  };
  for (Codec codec : codecs) {
    EXPECT_EQ(error(codec, {"leave-out", "greet", "read", discovered}), "");
    EXPECT_EQ(error(codec, {"leave-out", "greet", "log:out of memory", "raise:9"}), "out of memory");
    EXPECT_EQ(error(codec, {"leave-all", "greet", "read", "log:it broke", "exit:1"}), "it broke");
  }
  EXPECT_EQ(error(Codec::proto, {"leave-out", "raw:05000000"}),
            "connector wrote a partial message and then closed its output");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 25s);
}

TEST(Process, ARequestThatNobodyTakesDoesNotHideItsEnd) {
  testing::run([](Loop& loop) -> Task<> {
    Stage stage(loop, true);
    auto connector = process_capture(
        stage.context, stage.options(Codec::proto, {"capture", "leave-all", "log:it broke", "exit:1"}));
    capture::Discover request;
    request.config_json = '"' + std::string(3'000'000, 'x') + '"';  // over what a pipe holds
    std::string error;
    try {
      co_await connector->discover(std::move(request));
    } catch (const Error& e) {
      error = e.message();
    }
    EXPECT_EQ(error, "it broke");
  });
}

// ---- capture sessions ----

struct Session {
  Strings heard, said;
  std::string error;
};

capture::Open open_capture() {
  capture::Open open;
  open.capture.emplace();
  open.capture->name = "c";
  open.capture->bindings.resize(2);
  open.range.emplace();
  return open;
}

void note(const CaptureOutput& output, Strings& said) {
  if (output.opened) said.push_back("opened");
  for (const auto& schema : output.sourced_schemas) said.push_back("schema " + schema.schema_json);
  for (std::size_t i = 0; i < output.documents.size(); ++i)
    said.push_back(std::to_string(output.documents.doc(i).binding) + " " +
                   std::string(output.documents.doc(i).json));
  if (output.checkpoint) said.push_back("checkpoint " + output.checkpoint->updated_json);
}

// Acknowledges each checkpoint and asks to stop after the second.
Task<> consume(Reader<CaptureOutput> in, Writer<Acknowledged> out, Strings& said) {
  std::size_t checkpoints = 0;
  while (auto output = co_await in.next()) {
    note(*output, said);
    if (!output->checkpoint) continue;
    ++checkpoints;
    if (checkpoints <= 2) co_await out.send(Acknowledged(1));
    if (checkpoints == 2) out.close();
  }
}

Task<> run_capture(Capture& connector, Context& context, Session& session) {
  auto [out, outputs] = channel<CaptureOutput>(context.executor, 1_MiB);
  auto [acknowledge, acknowledgements] = channel<Acknowledged>(context.executor, 1_MiB);
  CaptureIo io(std::move(out), std::move(acknowledgements), true);
  try {
    co_await all(connector.run(open_capture(), std::move(io)),
                 consume(std::move(outputs), std::move(acknowledge), session.said));
  } catch (const Error& e) {
    session.error = e.message();
  }
}

Session capture_session(Codec codec, std::vector<std::string> script, bool in_haste = false) {
  SCOPED_TRACE(name(codec));
  Session session;
  testing::run([&](Loop& loop) -> Task<> {
    Stage stage(loop, in_haste);
    ProcessOptions options = stage.options(codec, with({"capture", "greet", "read"}, script));
    options.kill_grace = 2s;
    auto connector = checked(stage.context, process_capture(stage.context, std::move(options)));
    co_await run_capture(*connector, stage.context, session);
    session.heard = stage.heard;
  });
  return session;
}

constexpr const char* opened = R"(say:{"opened":{"explicitAcknowledgements":true}})";
constexpr const char* checkpoint = R"(say:{"checkpoint":{"state":{"updated":{"n":1}}}})";
std::string captured(int binding) {
  return "say:{\"captured\":{\"binding\":" + std::to_string(binding) + ",\"doc\":{}}}";
}

TEST(ProcessSession, ACapture) {
  for (Codec codec : codecs) {
    Session session =
        capture_session(codec, {"env:SHUTDOWN_AFTER_POLLING", opened,
                                R"(say:{"sourcedSchema":{"binding":1,"documentSchema":{"a":1}}})",
                                captured(0), captured(1), checkpoint, "read", captured(0),
                                R"(say:{"sourcedSchema":{"binding":0,"documentSchema":{"b":1}}})",
                                captured(1), checkpoint, "drain", checkpoint});
    EXPECT_EQ(session.error, "");
    EXPECT_EQ(session.said,
              (Strings{"opened", R"(schema {"a":1})", "0 {}", "1 {}", R"(checkpoint {"n":1})", "0 {}",
                       R"(schema {"b":1})", "1 {}", R"(checkpoint {"n":1})", R"(checkpoint {"n":1})"}));
    EXPECT_EQ(session.heard,
              (Strings{R"({"open":{"capture":{"name":"c","bindings":[{},{}]},"range":{}}})",
                       R"({"acknowledge":{"checkpoints":1}})", R"({"acknowledge":{"checkpoints":1}})"}));
  }
}

TEST(ProcessSession, ACaptureMayEndByItself) {
  for (Codec codec : codecs) {
    EXPECT_EQ(capture_session(codec, {opened}).error, "");
    EXPECT_EQ(capture_session(codec, {opened, captured(0), checkpoint}).error, "");
  }
}

TEST(ProcessSession, OutputLeftOpenDoesNotHideItsEnd) {
  auto start = std::chrono::steady_clock::now();
  for (Codec codec : codecs) {
    Session ended = capture_session(codec, {"leave-out", opened, captured(0), checkpoint}, true);
    EXPECT_EQ(ended.error, "");
    EXPECT_EQ(ended.said, (Strings{"opened", "0 {}", R"(checkpoint {"n":1})"}));
    EXPECT_EQ(capture_session(codec, {"leave-all", opened, "log:lost it", "raise:9"}, true).error, "lost it");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 25s);
}

TEST(ProcessSession, BreachesOfACapture) {
  for (Codec codec : codecs) {
    auto error = [&](std::vector<std::string> script) { return capture_session(codec, script).error; };
    EXPECT_EQ(error({}), "unexpected connector EOF (expected Opened)");
    EXPECT_EQ(error({captured(0), "drain"}),
              R"(connector protocol error (expected Opened): {"captured":{"doc":{}}})");
    EXPECT_EQ(error({opened, opened, "drain"}),
              "connector protocol error (expected Captured, SourcedSchema, or Checkpoint): "
              R"({"opened":{"explicitAcknowledgements":true}})");
    EXPECT_EQ(error({opened, R"(say:{"checkpoint":{}})", "drain"}),
              R"(connector protocol error (expected Checkpoint with a state): {"checkpoint":{}})");
    EXPECT_EQ(error({opened, captured(2), "drain"}), "invalid captured binding 2");
    EXPECT_EQ(error({opened, R"(say:{"captured":{"binding":1}})", "drain"}),
              "connector captured an empty document of binding 1");
    EXPECT_EQ(error({opened, captured(1)}), "unexpected capture connector EOF while within a checkpoint");
    EXPECT_EQ(
        error({opened, R"(say:{"applied":{}})", "drain"}),
        R"(connector protocol error (expected Opened, Captured, SourcedSchema, or Checkpoint): {"applied":{}})");
    EXPECT_EQ(error({opened, captured(1), checkpoint, "log:lost the server", "exit:1"}), "lost the server");
    EXPECT_EQ(error({opened, captured(1), "raw:07", "exit:0"}),
              codec == Codec::json ? "connector wrote a partial message and then closed its output"
                                   : "connector wrote a partial message and then closed its output");
  }
}

// ---- materialization sessions ----

materialize::Open open_materialization() {
  materialize::Open open;
  open.materialization.emplace();
  open.materialization->bindings.resize(2);
  open.range.emplace();
  return open;
}

// A runtime's transactions: one with a load and a store for each `transactions`, then a graceful stop.
class Runtime {
 public:
  Runtime(Writer<MaterializeInput> in, Reader<MaterializeOutput> out, Strings& said)
      : in_(std::move(in)), out_(std::move(out)), said_(said) {}

  Task<> run(int transactions, bool stop_after_acknowledge) {
    co_await hear("Opened");
    for (int i = 0; i < transactions; ++i) co_await transaction();
    if (stop_after_acknowledge) co_await in_.send(MaterializeInput(materialize::Acknowledge()));
    in_.close();
    for (bool more = true; more;) more = co_await next();
  }

 private:
  Task<> transaction() {
    co_await in_.send(MaterializeInput(materialize::Acknowledge()));
    Batch keys;
    keys.add("\x15\x2a", 1);
    co_await in_.send(MaterializeInput(Loads(std::move(keys))));
    co_await hear("Acknowledged");
    co_await in_.send(MaterializeInput(materialize::Flush()));
    co_await hear("Flushed");
    StoreBatch stores;
    StoreBatch::Document document;
    document.key_packed = "\x15\x2a";
    document.values_packed = std::string_view("\x02hi\0", 4);
    document.doc = "{}";
    stores.add(document);
    co_await in_.send(MaterializeInput(std::move(stores)));
    materialize::StartCommit commit;
    commit.runtime_checkpoint.emplace();
    co_await in_.send(MaterializeInput(std::move(commit)));
    co_await hear("StartedCommit");
  }
  Task<> hear(std::string what) {
    bool more = true;
    while (more && (said_.empty() || said_.back() != what)) more = co_await next();
    if (!more) said_.push_back("end");
  }
  Task<bool> next() {
    constexpr const char* names[] = {"Opened", "Acknowledged", "Loaded", "Flushed", "StartedCommit"};
    std::optional<MaterializeOutput> output = co_await out_.next();
    std::size_t count = output ? 1 : 0;
    if (output)
      if (auto* found = std::get_if<LoadedDocuments>(&output->value)) count = found->documents.size();
    for (; count > 0; --count) said_.push_back(names[output->value.index()]);
    co_return output.has_value();
  }
  Writer<MaterializeInput> in_;
  Reader<MaterializeOutput> out_;
  Strings& said_;
};

Task<> run_materialize(Materialize& connector, Context& context, int transactions,
                       bool stop_after_acknowledge, Session& session) {
  auto [input, in] = channel<MaterializeInput>(context.executor, 1_MiB);
  auto [out, outputs] = channel<MaterializeOutput>(context.executor, 1_MiB);
  MaterializeIo io(std::move(in), std::move(out));
  Runtime runtime(std::move(input), std::move(outputs), session.said);
  try {
    co_await all(connector.run(open_materialization(), std::move(io)),
                 runtime.run(transactions, stop_after_acknowledge));
  } catch (const Error& e) {
    session.error = e.message();
  }
}

Session materialize_session(Codec codec, std::vector<std::string> script, int transactions = 1,
                            bool stop_after_acknowledge = false) {
  SCOPED_TRACE(name(codec));
  Session session;
  testing::run([&](Loop& loop) -> Task<> {
    Stage stage(loop);
    ProcessOptions options = stage.options(codec, with({"materialize", "greet", "read"}, script));
    options.kill_grace = 2s;
    auto connector = checked(stage.context, process_materialize(stage.context, std::move(options)));
    co_await run_materialize(*connector, stage.context, transactions, stop_after_acknowledge, session);
    session.heard = stage.heard;
  });
  return session;
}

std::string say(std::string variant) { return "say:{\"" + variant + "\":{}}"; }
const std::string loaded = R"(say:{"loaded":{"binding":1,"doc":{"id":42}}})";

TEST(ProcessSession, AMaterialization) {
  for (Codec codec : codecs) {
    Session session = materialize_session(codec,
                                          {say("opened"),
                                           "read",
                                           "read",
                                           say("acknowledged"),
                                           loaded,
                                           "read",
                                           loaded,
                                           say("flushed"),
                                           "read",
                                           "read",
                                           say("startedCommit"),
                                           "read",
                                           "read",
                                           say("acknowledged"),
                                           "read",
                                           say("flushed"),
                                           "read",
                                           "read",
                                           say("startedCommit"),
                                           "drain"},
                                          2);
    EXPECT_EQ(session.error, "");
    EXPECT_EQ(session.said, (Strings{"Opened", "Acknowledged", "Loaded", "Loaded", "Flushed", "StartedCommit",
                                     "Acknowledged", "Flushed", "StartedCommit"}));
    Strings transaction{R"({"acknowledge":{}})", R"({"load":"152a"})", R"({"flush":{}})",
                        R"({"store":"152a 02686900","doc":{}})",
                        R"({"startCommit":{"runtimeCheckpoint":{}}})"};
    Strings expected{R"({"open":{"materialization":{"bindings":[{},{}]},"range":{}}})"};
    for (int i = 0; i < 2; ++i) expected.insert(expected.end(), transaction.begin(), transaction.end());
    EXPECT_EQ(session.heard, expected);
  }
}

TEST(ProcessSession, GracefulStops) {
  for (Codec codec : codecs) {
    EXPECT_EQ(materialize_session(codec, {say("opened"), "drain"}, 0).error, "");
    EXPECT_EQ(materialize_session(codec, {say("opened"), "drain"}, 0, true).error, "");
    EXPECT_EQ(
        materialize_session(codec, {say("opened"), "read", say("acknowledged"), "drain"}, 0, true).error, "");
    EXPECT_EQ(materialize_session(codec, {say("opened"), "drain", say("acknowledged")}, 0, false).error,
              R"(connector protocol error (expected EOF): {"acknowledged":{}})");
    EXPECT_EQ(materialize_session(codec, {say("opened"), "drain", say("flushed")}, 0, true).error,
              R"(connector protocol error (expected Acknowledged or EOF): {"flushed":{}})");
    EXPECT_EQ(materialize_session(codec, {say("opened"), "drain", say("acknowledged"), say("acknowledged")},
                                  0, true)
                  .error,
              "connector sent duplicate Acknowledge");
  }
}

TEST(ProcessSession, BreachesOfAMaterialization) {
  for (Codec codec : codecs) {
    auto error = [&](std::vector<std::string> script) {
      return materialize_session(codec, std::move(script)).error;
    };
    auto after = [&](std::vector<std::string> first, std::vector<std::string> then) {
      return materialize_session(codec, with(std::move(first), then)).error;
    };
    const std::vector<std::string> acked{say("opened"), "read", "read", say("acknowledged")};
    const std::vector<std::string> storing = with(acked, {"read", say("flushed"), "read"});
    const std::vector<std::string> committing = with(storing, {"read"});
    EXPECT_EQ(error({}), "unexpected connector EOF (expected Opened)");
    EXPECT_EQ(error({say("flushed"), "drain"}),
              R"(connector protocol error (expected Opened): {"flushed":{}})");
    EXPECT_EQ(error({say("opened"), "read", "read", loaded, "drain"}),
              "connector sent Loaded before Acknowledged");
    EXPECT_EQ(error({say("opened"), "read", "read", say("flushed"), "drain"}),
              "connector sent Flushed before Acknowledged");
    EXPECT_EQ(error({say("opened"), "read", "read"}), "unexpected connector EOF (expected Acknowledged)");
    EXPECT_EQ(after(acked, {say("acknowledged"), "drain"}), "connector sent duplicate Acknowledge");
    EXPECT_EQ(after(acked, {R"(say:{"loaded":{"binding":2,"doc":{}}})", "drain"}),
              "invalid loaded binding 2");
    EXPECT_EQ(after(acked, {say("startedCommit"), "drain"}),
              R"(connector protocol error (expected Loaded or Flushed): {"startedCommit":{}})");
    EXPECT_EQ(after(acked, {R"(say:{"applied":{}})", "drain"}),
              R"(connector protocol error (expected a response of the session): {"applied":{}})");
    EXPECT_EQ(after(committing, {say("acknowledged"), "drain"}),
              R"(connector protocol error (expected StartedCommit): {"acknowledged":{}})");
    EXPECT_EQ(after(committing, {}), "unexpected connector EOF (expected StartedCommit)");
    EXPECT_EQ(after(committing, {"log:deadlock detected", "exit:1"}), "deadlock detected");
  }
}

// While storing, which the runtime here does not leave by itself.
TEST(ProcessSession, NothingMayBeSaidWhileStoring) {
  for (Codec codec : codecs) {
    for (std::string variant : {"flushed", "acknowledged", "startedCommit", "loaded"}) {
      std::string second = variant == "loaded" ? loaded : say(variant);
      // Both in one write, so that it is there before the runtime can send StartCommit.
      Session session = materialize_session(codec, {say("opened"), "read", "read", say("acknowledged"),
                                                    "read", "together", say("flushed"), second, "drain"});
      EXPECT_EQ(session.error, "no response or EOF during Store phase") << variant;
    }
  }
}

}  // namespace
}  // namespace sluice::protocol
