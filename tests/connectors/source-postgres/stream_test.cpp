#include "source-postgres/stream.hpp"

#include "sluice/testing/fake_clock.hpp"
#include "support.hpp"

// When the replication stream is read: at once, or after a rest under load.
namespace sluice::source_test {
namespace {

using namespace std::chrono_literals;
using testing::require;

// What a reader has seen of the stream.
struct Seen {
  int frames = 0, commits = 0;
};

Task<> read(source_postgres::Stream& stream, Clock& clock, Seen& seen) {
  for (;;) {
    auto frame = stream.poll();
    if (!frame) frame = co_await stream.next(clock.now() + 1h);
    if (!frame) continue;
    ++seen.frames;
    const auto* data = std::get_if<pg::XLogData>(&*frame);
    if (data != nullptr && data->payload.starts_with('C')) ++seen.commits;
  }
}

class SourceStream : public Source {
 protected:
  // Runs body(context, clock, insert, seen) beside a reader of the stream, whose clock only the body advances.
  // insert() commits a row.
  template <class Body>
  void run_beside_reader(Body body) {
    sql("CREATE TABLE test.s (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); CREATE PUBLICATION s FOR ALL "
        "TABLES");
    run([&](Context& context) -> Task<> {
      testing::FakeClock clock;
      Context fake(context.executor, context.cpu, clock, log());
      auto db = co_await pg::Connection::connect(context, database_.options());
      pg::ConnectOptions options = database_.tcp_options();
      options.replication = true;
      auto replication = co_await pg::Connection::connect(fake, options);
      co_await replication->run("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT");
      source_postgres::Stream stream(fake, *replication, pg::Lsn{}, 0s);
      co_await stream.start("s", "s", pg::Lsn{});
      Seen seen;
      auto insert = [&] { return commit_row(*db); };
      co_await scoped([&](Scope& scope) -> Task<> {
        scope.spawn(read(stream, clock, seen));
        co_await body(context, clock, insert, seen);
        scope.cancel();
      });
    });
  }
  static Task<> commit_row(pg::Connection& db) {
    co_await db.run("INSERT INTO test.s DEFAULT VALUES");
  }
};

// Not longer than ten seconds.
template <class Condition>
Task<> until(Context& context, Condition holds) {
  for (int i = 0; i < 10'000 && !holds(); ++i) co_await context.clock.sleep(1ms);
  require(holds());
}

TEST_F(SourceStream, ReadsAtOnceWhatComesAfterASilence) {
  run_beside_reader([](Context& context, testing::FakeClock& clock, auto insert, Seen& seen) -> Task<> {
    for (int commits = 1; commits <= 5; ++commits) {
      co_await until(context, [&] { return clock.sleepers() == 1; });
      clock.advance(1ms);
      co_await insert();
      co_await until(context, [&] { return seen.commits == commits; });
    }
  });
}

TEST_F(SourceStream, RestsBetweenReadsUnderLoad) {
  run_beside_reader([](Context& context, testing::FakeClock& clock, auto insert, Seen& seen) -> Task<> {
    // The reader never waits for long.
    for (int commits = 1; commits <= 2; ++commits) {
      clock.advance(100us);
      co_await insert();
      co_await until(context, [&] { return seen.commits == commits; });
    }
    clock.advance(100us);
    int frames = seen.frames;
    co_await insert();
    co_await until(context, [&] { return seen.frames > frames; });
    co_await insert();
    co_await context.clock.sleep(20ms);
    EXPECT_LT(seen.commits, 4);
    co_await until(context, [&] {
      clock.advance(300us);
      return seen.commits == 4;
    });
  });
}

}  // namespace
}  // namespace sluice::source_test
