#include <gtest/gtest.h>

#include "sluice/async/scope.hpp"
#include "sluice/connector/transactor.hpp"
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
  std::string fails_at;

  Task<materialize::Opened> open(materialize::Open request) override {
    note("open " + request.version);
    materialize::Opened opened;
    opened.disable_load_optimization = true;
    co_return opened;
  }
  Task<std::optional<protocol::ConnectorState>> acknowledge(std::string patches) override {
    note("acknowledge " + patches);
    co_return std::nullopt;
  }
  Task<> stage_loads(Reader<Batch> keys) override {
    while (auto batch = co_await keys.next())
      for (std::size_t i = 0; i < batch->size(); ++i) staged_.add(batch->doc(i).json, batch->doc(i).binding);
    note("staged " + std::to_string(staged_.size()));
  }
  Task<> load(Writer<Batch> found) override {
    Batch answers;
    for (std::size_t i = 0; i < staged_.size(); i += 2) answers.add(R"({"k":1})", staged_.doc(i).binding);
    staged_.clear();
    note("load");
    co_await found.send(std::move(answers));
    found.close();
  }
  Task<std::optional<protocol::ConnectorState>> flush() override {
    note("flush");
    co_return std::nullopt;
  }
  Task<> store(Reader<protocol::StoreBatch> documents) override {
    std::size_t n = 0;
    while (auto batch = co_await documents.next()) n += batch->size();
    note("store " + std::to_string(n));
  }
  Task<std::optional<protocol::ConnectorState>> start_commit(materialize::StartCommit request) override {
    note("commit " + std::to_string(request.runtime_checkpoint.has_value()));
    protocol::ConnectorState state;
    state.updated_json = "{}";
    co_return state;
  }

 private:
  void note(std::string call) {
    calls.push_back(call);
    if (call == fails_at) throw Error(Error::Kind::transient, "failed at " + call);
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
Task<> hear(std::vector<std::string>& said, Reader<MaterializeOutput> in) {
  constexpr const char* names[] = {"Opened", "Acknowledged", "Loaded", "Flushed", "StartedCommit"};
  while (auto output = co_await in.next()) said.push_back(names[output->value.index()]);
}

struct Outcome {
  std::vector<std::string> said;
  std::string error;
};

Task<> play(Context& context, Recorder& recorder, std::vector<MaterializeInput> script, Outcome& outcome) {
  auto [input, in] = channel<MaterializeInput>(context.executor, 1_MiB);
  auto [out, output] = channel<MaterializeOutput>(context.executor, 1_MiB);
  MaterializeIo io(std::move(in), std::move(out));
  try {
    co_await all(say(std::move(script), std::move(input)),
                 drive(context, recorder, open_request(), std::move(io)),
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
    co_await play(context, recorder, std::move(script), outcome);
  });
  return outcome;
}

using Strings = std::vector<std::string>;

TEST(Drive, RunsTransactionsInProtocolOrder) {
  Recorder recorder;
  Outcome outcome = session(recorder, acknowledge(), loads(3), loads(2, 1), flush(), stores(2), stores(4, 1),
                            commit(), acknowledge(), flush(), commit(), acknowledge());
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.said, (Strings{"Opened", "Acknowledged", "Loaded", "Flushed", "StartedCommit",
                                   "Acknowledged", "Flushed", "StartedCommit", "Acknowledged"}));
  EXPECT_EQ(recorder.calls, (Strings{"open v1", "acknowledge [1]", "staged 5", "load", "flush", "store 6",
                                     "commit 1", "acknowledge [1]", "staged 0", "load", "flush", "store 0",
                                     "commit 1", "acknowledge [1]", "staged 0"}));
}

TEST(Drive, EndsWhereTheProtocolAllowsIt) {
  Recorder idle, acknowledged;
  EXPECT_EQ(session(idle).error, "");
  EXPECT_EQ(session(acknowledged, acknowledge()).said, (Strings{"Opened", "Acknowledged"}));
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

TEST(Drive, AFailureOfTheTransactorIsTheOneReported) {
  for (std::string step :
       {"open v1", "acknowledge [1]", "staged 1", "load", "flush", "store 1", "commit 1"}) {
    Recorder recorder;
    recorder.fails_at = step;
    Outcome outcome = session(recorder, acknowledge(), loads(1), flush(), stores(1), commit());
    EXPECT_EQ(outcome.error, "failed at " + step);
    EXPECT_EQ(recorder.calls.back(), step);
  }
}

}  // namespace
}  // namespace sluice::connector
