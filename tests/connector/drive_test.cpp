#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "sluice/async/scope.hpp"
#include "sluice/connector/transactor.hpp"
#include "sluice/protocol/serve.hpp"
#include "sluice/testing/held.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::connector {
namespace {

using protocol::MaterializeInput;
using protocol::MaterializeIo;
using protocol::MaterializeOutput;
namespace materialize = protocol::materialize;

// Writes down what it is asked to do, and answers every second key.
class Recorder final : public Transactor {
 public:
  std::vector<std::string> calls;
  std::string fails_at, hangs_at;
  Event* released = nullptr;  // ends the hanging

  Task<materialize::Opened> open(materialize::Open request) override {
    co_await note("open " + request.version);
    materialize::Opened opened;
    opened.disable_load_optimization = true;
    co_return opened;
  }
  Task<std::optional<protocol::ConnectorState>> acknowledge(std::string patches) override {
    co_await note("acknowledge " + patches);
    protocol::ConnectorState state;
    state.updated_json = patches;
    state.merge_patch = true;
    co_return state;
  }
  Task<> stage_loads(Reader<Batch> keys) override {
    while (auto batch = co_await keys.next())
      for (std::size_t i = 0; i < batch->size(); ++i) staged_.add(batch->doc(i).json, batch->doc(i).binding);
    co_await note("staged " + std::to_string(staged_.size()));
  }
  Task<> load(Writer<Batch> found) override {
    Batch answers;
    for (std::size_t i = 0; i < staged_.size(); i += 2)
      answers.add("{\"k\":" + std::to_string(i) + "}", staged_.doc(i).binding);
    staged_.clear();
    co_await note("load");
    co_await found.send(std::move(answers));
    found.close();
  }
  Task<std::optional<protocol::ConnectorState>> flush() override {
    co_await note("flush");
    co_return std::nullopt;
  }
  Task<> store(Reader<protocol::StoreBatch> documents) override {
    std::size_t n = 0;
    while (auto batch = co_await documents.next()) n += batch->size();
    co_await note("store " + std::to_string(n));
  }
  Task<std::optional<protocol::ConnectorState>> start_commit(materialize::StartCommit request) override {
    co_await note("commit " + std::to_string(request.runtime_checkpoint.has_value()));
    protocol::ConnectorState state;
    state.updated_json = "{}";
    co_return state;
  }

 private:
  Task<> note(std::string call) {
    calls.push_back(call);
    if (call == fails_at) throw Error(Error::Kind::transient, "failed at " + call);
    if (call == hangs_at) co_await released->wait();
  }
  Batch staged_;
};

materialize::Open open_request() {
  materialize::Open open;
  open.version = "v1";
  open.materialization.emplace();
  open.materialization->bindings.resize(2);
  return open;
}

MaterializeInput acknowledge() { return MaterializeInput(materialize::Acknowledge{"[1]"}); }
MaterializeInput flush() { return MaterializeInput(materialize::Flush()); }
MaterializeInput commit() {
  materialize::StartCommit request;
  request.runtime_checkpoint.emplace();
  return MaterializeInput(std::move(request));
}
MaterializeInput loads(int n, std::uint32_t binding = 0) {
  Batch keys;
  for (int i = 0; i < n; ++i) keys.add("\x15\x01", binding);
  return MaterializeInput(protocol::Loads(std::move(keys)));
}
MaterializeInput stores(int n, std::uint32_t binding = 0) {
  protocol::StoreBatch batch;
  protocol::StoreBatch::Document document;
  document.binding = binding;
  document.doc = "{}";
  for (int i = 0; i < n; ++i) batch.add(document);
  return MaterializeInput(std::move(batch));
}

Task<> say(std::vector<MaterializeInput> script, Writer<MaterializeInput> out) {
  for (MaterializeInput& input : script) co_await out.send(std::move(input));
  out.close();
}
std::string describe(const std::optional<protocol::ConnectorState>& state) {
  if (!state) return "";
  return (state->merge_patch ? " patch " : " ") + state->updated_json;
}
std::string describe(const MaterializeOutput& output) {
  if (auto* opened = std::get_if<materialize::Opened>(&output.value))
    return opened->disable_load_optimization ? "Opened, loads all" : "Opened";
  if (auto* acknowledged = std::get_if<materialize::Acknowledged>(&output.value))
    return "Acknowledged" + describe(acknowledged->state);
  if (auto* flushed = std::get_if<materialize::Flushed>(&output.value))
    return "Flushed" + describe(flushed->state);
  if (auto* started = std::get_if<materialize::StartedCommit>(&output.value))
    return "StartedCommit" + describe(started->state);
  std::string out = "Loaded";
  const Batch& documents = std::get<protocol::LoadedDocuments>(output.value).documents;
  for (std::size_t i = 0; i < documents.size(); ++i)
    out += fmt::format(" {}:{}", documents.doc(i).binding, documents.doc(i).json);
  return out;
}
Task<> hear(std::vector<std::string>& said, Reader<MaterializeOutput> in) {
  while (auto output = co_await in.next()) said.push_back(describe(*output));
}

struct Outcome {
  std::vector<std::string> said;
  std::string error;
};

Task<> play(Context& context, Recorder& recorder, materialize::Open open,
            std::vector<MaterializeInput> script, Outcome& outcome) {
  auto [input, in] = channel<MaterializeInput>(context.executor, 1_MiB);
  auto [out, output] = channel<MaterializeOutput>(context.executor, 1_MiB);
  MaterializeIo io(std::move(in), std::move(out));
  try {
    co_await all(say(std::move(script), std::move(input)),
                 drive(context, recorder, std::move(open), std::move(io)),
                 hear(outcome.said, std::move(output)));
  } catch (const Error& e) {
    outcome.error = e.message();
  }
}

template <class... Inputs>
Outcome session(Recorder& recorder, Inputs... inputs) {
  std::vector<MaterializeInput> script;
  (script.push_back(std::move(inputs)), ...);
  Outcome outcome;
  CpuPool pool(1);
  SteadyClock clock;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    co_await play(context, recorder, open_request(), std::move(script), outcome);
  });
  return outcome;
}

using Strings = std::vector<std::string>;

TEST(Drive, RunsTransactionsInProtocolOrder) {
  Recorder recorder;
  Outcome outcome = session(recorder, acknowledge(), loads(3), loads(2, 1), flush(), stores(2), stores(4, 1),
                            commit(), acknowledge(), flush(), commit(), acknowledge());
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.said,
            (Strings{"Opened, loads all", "Acknowledged patch [1]", R"(Loaded 0:{"k":0} 0:{"k":2} 1:{"k":4})",
                     "Flushed", "StartedCommit {}", "Acknowledged patch [1]", "Flushed", "StartedCommit {}",
                     "Acknowledged patch [1]"}));
  EXPECT_EQ(recorder.calls, (Strings{"open v1", "acknowledge [1]", "staged 5", "load", "flush", "store 6",
                                     "commit 1", "acknowledge [1]", "staged 0", "load", "flush", "store 0",
                                     "commit 1", "acknowledge [1]", "staged 0"}));
}

TEST(Drive, EndsWhereTheProtocolAllowsIt) {
  Recorder idle, acknowledged;
  EXPECT_EQ(session(idle).error, "");
  EXPECT_EQ(session(acknowledged, acknowledge()).said,
            (Strings{"Opened, loads all", "Acknowledged patch [1]"}));
}

TEST(Drive, RefusesWhatIsOutOfOrder) {
  auto error = [](auto... inputs) {
    Recorder recorder;
    return session(recorder, std::move(inputs)...).error;
  };
  EXPECT_EQ(error(loads(1)), "protocol error: expected Acknowledge, but the runtime sent Load");
  EXPECT_EQ(error(flush()), "protocol error: expected Acknowledge, but the runtime sent Flush");
  EXPECT_EQ(error(acknowledge(), acknowledge()),
            "protocol error: expected Load or Flush, but the runtime sent Acknowledge");
  EXPECT_EQ(error(acknowledge(), stores(1)),
            "protocol error: expected Load or Flush, but the runtime sent Store");
  EXPECT_EQ(error(acknowledge(), commit()),
            "protocol error: expected Load or Flush, but the runtime sent StartCommit");
  EXPECT_EQ(error(acknowledge(), loads(1)), "unexpected EOF when there are loaded keys");
  EXPECT_EQ(error(acknowledge(), flush(), loads(1)),
            "protocol error: expected Store or StartCommit, but the runtime sent Load");
  EXPECT_EQ(error(acknowledge(), flush(), acknowledge()),
            "protocol error: expected Store or StartCommit, but the runtime sent Acknowledge");
  EXPECT_EQ(error(acknowledge(), flush(), stores(1)), "unexpected EOF before StartCommit");
  EXPECT_EQ(error(acknowledge(), loads(1, 2)), "protocol error: Load of binding 2, but only 2 are open");
  EXPECT_EQ(error(acknowledge(), flush(), stores(1, 7)),
            "protocol error: Store of binding 7, but only 2 are open");
}

TEST(Drive, RefusesOtherRanges) {
  auto error = [](protocol::RangeSpec range) {
    Recorder recorder;
    Outcome outcome;
    CpuPool pool(1);
    SteadyClock clock;
    testing::run([&](Loop& loop) -> Task<> {
      Context context(loop.executor(), pool, clock, Log());
      materialize::Open open = open_request();
      open.range = range;
      std::vector<MaterializeInput> nothing;
      co_await play(context, recorder, std::move(open), std::move(nothing), outcome);
    });
    EXPECT_EQ(recorder.calls.empty(), !outcome.error.empty());
    return outcome.error;
  };
  constexpr std::uint32_t most = 0xffffffff;
  EXPECT_EQ(error({0, most, 0, most}), "");
  EXPECT_EQ(error({7, 7, 0, most}), "");
  EXPECT_EQ(error({8, 7, 0, most}), "protocol error: Open with the inverted key range 00000008-00000007");
  const std::string clocks =
      "protocol error: a materialization must be opened with the full r-clock range, not ";
  EXPECT_EQ(error({0, most, 1, most}), clocks + "00000001-ffffffff");
  EXPECT_EQ(error({0, most, 0, 0x7fffffff}), clocks + "00000000-7fffffff");
  EXPECT_EQ(error({0, 0, 0, 0}), clocks + "00000000-00000000");
}

const Strings steps{"open v1", "acknowledge [1]", "staged 1", "load", "flush", "store 1", "commit 1"};

// A session whose every step can be held and cancelled.
struct HeldSession {
  explicit HeldSession(std::string hangs_at) {
    recorder.hangs_at = std::move(hangs_at);
    recorder.released = &released;
    script.push_back(acknowledge());
    script.push_back(loads(1));
    script.push_back(flush());
    script.push_back(stores(1));
    script.push_back(commit());
    held.emplace(loop, play(context, recorder, open_request(), std::move(script), outcome));
    held->settle();
  }
  Recorder recorder;
  Outcome outcome;
  CpuPool pool{1};
  SteadyClock clock;
  std::vector<MaterializeInput> script;
  Loop loop;
  Context context{loop.executor(), pool, clock, Log()};
  Event released{loop.executor()};
  std::optional<testing::Held> held;
};

TEST(Drive, CanBeCancelledAtEachStep) {
  for (const std::string& step : steps) {
    HeldSession session(step);
    EXPECT_FALSE(session.held->ended()) << step;
    session.held->cancel().settle();
    EXPECT_TRUE(session.held->ended()) << step;
    EXPECT_TRUE(session.held->cancelled()) << step << session.held->failure();
    EXPECT_EQ(session.outcome.error, "") << step;
    EXPECT_EQ(std::count(session.recorder.calls.begin(), session.recorder.calls.end(), step), 1) << step;
    EXPECT_EQ(session.loop.drain(), 0u) << step;
  }
}

TEST(Drive, LoadsAreStagedButNotAnsweredWhileTheLastCommitIsAcknowledged) {
  HeldSession session("acknowledge [1]");
  EXPECT_EQ(session.recorder.calls, (Strings{"open v1", "acknowledge [1]", "staged 1"}));
  EXPECT_EQ(session.outcome.said, (Strings{"Opened, loads all"}));
  session.released.notify_all();
  session.held->settle();
  EXPECT_TRUE(session.held->ended());
  EXPECT_EQ(session.held->failure(), "");
  EXPECT_EQ(session.outcome.said, (Strings{"Opened, loads all", "Acknowledged patch [1]",
                                           R"(Loaded 0:{"k":0})", "Flushed", "StartedCommit {}"}));
}

// ---- as the runtime sees it ----

class Driven final : public protocol::Materialize {
 public:
  Driven(Context& context, Recorder& recorder) : context_(context), recorder_(recorder) {}
  Task<materialize::Spec> spec(materialize::SpecRequest) override { co_return materialize::Spec(); }
  Task<materialize::Validated> validate(materialize::Validate) override {
    co_return materialize::Validated();
  }
  Task<materialize::Applied> apply(materialize::Apply) override { co_return materialize::Applied(); }
  Task<> run(materialize::Open open, MaterializeIo io) override {
    return drive(context_, recorder_, std::move(open), std::move(io));
  }

 private:
  Context& context_;
  Recorder& recorder_;
};

struct Ending {
  std::string after;     // has been heard
  bool hang_up = false;  // the runtime does, else the process is asked to stop
};

Task<> serve_to_its_end(Context& context, Recorder& recorder, ByteReader in, ByteWriter out,
                        protocol::Stop& stop, std::string& error) {
  Driven connector(context, recorder);
  protocol::ServeOptions options;
  options.codec = protocol::Codec::json;
  try {
    co_await protocol::serve(context, connector, std::move(in), std::move(out), options, stop);
  } catch (const Error& e) {
    error = e.message();
  }
}

Task<> say_and_hear(ByteWriter out, ByteReader in, std::string requests, Ending ending,
                    protocol::Stop& stop) {
  co_await out.write(requests);
  std::string said;
  char bytes[1000];
  for (bool over = false;;) {
    std::size_t n = co_await in.read_some(bytes, sizeof bytes);
    if (n == 0) break;
    said.append(bytes, n);
    if (over || said.find(ending.after) == said.npos) continue;
    over = true;
    if (ending.hang_up)
      out.close();
    else
      stop.request("stopped by SIGTERM");
  }
}

// The error of a session of these requests that ends so.
std::string served(std::string requests, std::string after, bool hang_up) {
  std::string error;
  Recorder recorder;
  CpuPool pool(1);
  SteadyClock clock;
  Ending ending;
  ending.after = std::move(after);
  ending.hang_up = hang_up;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    Pipe in = make_pipe(), out = make_pipe();
    protocol::Stop stop(loop.executor());
    ByteReader server_in(loop.executor(), pool, std::move(in.read), "requests");
    ByteWriter server_out(loop.executor(), std::move(out.write), "responses");
    ByteWriter say(loop.executor(), std::move(in.write), "requests");
    ByteReader hear(loop.executor(), pool, std::move(out.read), "responses");
    co_await all(
        serve_to_its_end(context, recorder, std::move(server_in), std::move(server_out), stop, error),
        say_and_hear(std::move(say), std::move(hear), requests, ending, stop));
  });
  return error;
}

TEST(DriveServed, EndsWhereTheProtocolAllowsItAndFailsElsewhere) {
  const std::string open = R"({"open":{"materialization":{"bindings":[{},{}]}}})",
                    acknowledge = open + R"({"acknowledge":{}})",
                    load = acknowledge + R"({"load":{"key":[1]}})", flush = acknowledge + R"({"flush":{}})",
                    store = flush + R"({"store":{"key":[1],"values":[],"doc":{}}})";
  for (bool hang_up : {true, false}) {
    std::string reason = hang_up ? "" : "stopped by SIGTERM: ";
    EXPECT_EQ(served(open, "opened", hang_up), "");
    EXPECT_EQ(served(acknowledge, "acknowledged", hang_up), "");
    EXPECT_EQ(served(load, "acknowledged", hang_up), reason + "unexpected EOF when there are loaded keys");
    EXPECT_EQ(served(flush, "flushed", hang_up), reason + "unexpected EOF before StartCommit");
    EXPECT_EQ(served(store, "flushed", hang_up), reason + "unexpected EOF before StartCommit");
    EXPECT_EQ(served(store + R"({"startCommit":{"runtimeCheckpoint":{}}})", "startedCommit", hang_up), "");
  }
}

TEST(Drive, AFailureOfTheTransactorIsTheOneReported) {
  for (const std::string& step : steps) {
    Recorder recorder;
    recorder.fails_at = step;
    Outcome outcome = session(recorder, acknowledge(), loads(1), flush(), stores(1), commit());
    EXPECT_EQ(outcome.error, "failed at " + step);
    EXPECT_EQ(recorder.calls.back(), step);
  }
}

}  // namespace
}  // namespace sluice::connector
