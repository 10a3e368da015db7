#include "sluice/pipeline/stages.hpp"

#include <gtest/gtest.h>

#include "sluice/base/bytes.hpp"
#include "sluice/data/batch.hpp"
#include "sluice/pipeline/flow.hpp"
#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/run.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::run;

Batch batch_of(std::vector<std::string> documents, std::optional<std::string> checkpoint = {}) {
  Batch batch;
  for (const std::string& document : documents) batch.add(document);
  batch.checkpoint = std::move(checkpoint);
  return batch;
}

Task<> feed(std::vector<Batch> batches, Writer<Batch> out) {
  for (Batch& batch : batches) co_await out.send(std::move(batch));
  out.close();
}

struct Seen {
  std::vector<std::vector<std::string>> batches;
  std::vector<std::optional<std::string>> checkpoints;
};
Task<> collect(Seen& seen, Reader<Batch> in) {
  while (auto batch = co_await in.next()) {
    auto& documents = seen.batches.emplace_back();
    for (std::size_t i = 0; i < batch->size(); ++i) documents.emplace_back(batch->doc(i).json);
    seen.checkpoints.push_back(batch->checkpoint);
  }
}

Batch doubled(Batch in) {
  Batch out;
  for (std::size_t i = 0; i < in.size(); ++i)
    out.add(std::string(in.doc(i).json) + std::string(in.doc(i).json));
  return out;
}

using Documents = std::vector<std::vector<std::string>>;

TEST(Stages, MapPassesEveryItem) {
  Seen seen;
  std::vector<Batch> input;
  input.push_back(batch_of({"1", "2"}));
  CpuPool pool(1);
  run([&](Loop& loop) -> Task<> {
    FlowOptions options(loop.executor());
    co_await (from(options, feed, std::move(input)) | through(map<Batch, Batch>, doubled) |
              through(map_on_cpu<Batch, Batch>, pool, doubled) | into(collect, seen));
  });
  EXPECT_EQ(seen.batches, (Documents{{"1111", "2222"}}));
}

TEST(Stages, MergeJoinsWhatIsThereAndKeepsTheLastCheckpoint) {
  Seen seen;
  std::vector<Batch> input;
  input.push_back(batch_of({"1"}, "a"));
  input.push_back(batch_of({"2"}, "b"));
  input.push_back(batch_of({"3"}));
  run([&](Loop& loop) -> Task<> {
    FakeClock clock(loop.executor());
    FlowOptions options(loop.executor());
    co_await (from(options, feed, std::move(input)) | through(merge<Batch>, clock, 1_MiB, 500ms) |
              into(collect, seen));
  });
  EXPECT_EQ(seen.batches, (Documents{{"1", "2", "3"}}));
  EXPECT_EQ(seen.checkpoints.at(0), "b");
}

Task<> feed_slowly(Event& go, Writer<Batch> out) {
  Batch first, second;
  first.add("1");
  second.add("2");
  co_await out.send(std::move(first));
  co_await go.wait();
  co_await out.send(std::move(second));
  out.close();
}
Task<> tick(FakeClock& clock, Seen& seen, Event& go) {
  while (seen.batches.empty()) {
    clock.advance(100ms);
    Event pause(co_await asio::this_coro::executor);
    co_await pause.wait_until(std::chrono::steady_clock::now());
  }
  go.notify_all();
}

TEST(Stages, MergeDoesNotHoldADocumentBeyondTheDelay) {
  Seen seen;
  run([&](Loop& loop) -> Task<> {
    FakeClock clock(loop.executor());
    Event go(loop.executor());
    FlowOptions options(loop.executor());
    co_await all(
        from(options, feed_slowly, go) | through(merge<Batch>, clock, 1_MiB, 500ms) | into(collect, seen),
        tick(clock, seen, go));
  });
  EXPECT_EQ(seen.batches, (Documents{{"1"}, {"2"}}));
}

TEST(Stages, SplitKeepsOrderAndTheCheckpointAtTheEnd) {
  Seen seen;
  std::vector<Batch> input;
  std::string big(500, 'x');
  input.push_back(batch_of({big, "1", big, big}, "end"));
  run([&](Loop& loop) -> Task<> {
    FlowOptions options(loop.executor());
    co_await (from(options, feed, std::move(input)) | through(split<Batch>, 700) | into(collect, seen));
  });
  EXPECT_EQ(seen.batches, (Documents{{big, "1"}, {big}, {big}}));
  EXPECT_EQ(seen.checkpoints.front(), std::nullopt);
  EXPECT_EQ(seen.checkpoints.back(), "end");
}

}  // namespace
}  // namespace sluice
