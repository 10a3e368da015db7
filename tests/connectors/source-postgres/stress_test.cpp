#include <chrono>
#include <cstdlib>
#include <random>

#include "source-postgres/source_postgres.hpp"
#include "support.hpp"

// A random workload while the capture is killed and started again from states that were committed before: the
// reduced documents must equal the table, and no row may be seen going back within a session.
namespace sluice::source_test {
namespace {

using namespace std::chrono_literals;
using Rows = std::map<std::string, std::map<std::string, std::string>>;

struct Mode {
  const char* name;
  const char* resource;
  bool keyless;
};

class Stress : public Source, public ::testing::WithParamInterface<Mode> {
 protected:
  static std::chrono::milliseconds duration() {
    const char* seconds = std::getenv("STRESS_SECONDS");
    return seconds == nullptr ? 5s : std::chrono::seconds(std::atoi(seconds));
  }

  // Inserts, updates, deletes and key changes, each row counting its versions.
  static Task<> work(Context& context, pg::Connection& db, Clock::TimePoint end, std::uint64_t seed,
                     bool& done) {
    std::mt19937_64 random(seed);
    while (context.clock.now() < end) {
      std::string sql = "BEGIN";
      for (std::uint64_t n = 1 + random() % 5; n > 0; --n) {
        std::string id = std::to_string(random() % 3000);
        switch (random() % 6) {
          case 0:
          case 1:
            sql += "; INSERT INTO test.t VALUES (" + id + ", 1, repeat('i', " +
                   std::to_string(random() % 60) + ")) ON CONFLICT (id) DO UPDATE SET n = test.t.n + 1";
            break;
          case 2:
          case 3:
            sql += "; UPDATE test.t SET n = n + 1 WHERE id = " + id;
            break;
          case 4:
            sql += "; DELETE FROM test.t WHERE id = " + id;
            break;
          default:
            sql += "; UPDATE test.t SET id = " + std::to_string(random() % 3000) +
                   ", n = n + 1 WHERE id = " + id +
                   " AND NOT EXISTS (SELECT 1 FROM test.t WHERE id = " + std::to_string(random() % 3000) +
                   ")";
        }
      }
      sql += random() % 10 == 0 ? "; ROLLBACK" : "; COMMIT";
      try {
        co_await db.run(sql);
      } catch (const Error& e) {
        if (e.sqlstate() != "23505" && e.sqlstate() != "40P01") throw;  // the key was taken, or a deadlock
      }
      if (db.broken()) throw Error(Error::Kind::bug, "the workload's connection is lost");
      co_await db.run("ROLLBACK");
    }
    done = true;
  }

  // Sessions that are killed after a random number of documents or of checkpoints, or end as asked.
  Task<> sessions(Context& context, std::uint64_t seed, const bool& done) {
    std::mt19937_64 random(seed);
    while (!done) {
      auto connector = source_postgres::make_source_postgres(context);
      Runtime runtime(context, *connector, open({table_}, {{"backfill_chunk_size", "300"}}), false);
      auto interrupt = [](Runtime& r, Context& c, const bool& over, std::size_t documents,
                          Clock::Duration most, bool kill) -> Task<> {
        Clock::TimePoint end = c.clock.now() + most;
        co_await r.until(
            [&] { return over || r.transcript.documents.size() >= documents || c.clock.now() >= end; });
        if (kill)
          r.kill();
        else
          r.stop();
      };
      bool kill = random() % 4 != 0;
      std::size_t documents = random() % 1500;
      Clock::Duration most = std::chrono::milliseconds(random() % 900);
      co_await all(runtime.run(), interrupt(runtime, context, done, documents, most, kill));
      if (runtime.transcript.error) throw *runtime.transcript.error;
      adopt(runtime.transcript);
      ++sessions_;
    }
  }

  // What was committed goes to the collection; the rest never was.
  void adopt(const Transcript& transcript) {
    for (const Document& document : transcript.documents)
      if (document.checkpoint < transcript.patches.size()) collection_.add(document.json);
    if (!transcript.states.empty()) state_ = transcript.states.back();
  }

  Rows table_rows() {
    pg::Rows rows = sql("SELECT id, n, data FROM test.t");
    Rows out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& row = out[rows.text(i, 0) + " "];
      row["id"] = rows.text(i, 0);
      row["n"] = rows.text(i, 1);
      row["data"] = "\"" + rows.text(i, 2) + "\"";
    }
    return out;
  }

  Table table_{.name = "t", .resource = std::string("\"mode\":\"") + GetParam().resource + "\""};
  Collection collection_{{"/id"}};
  int sessions_ = 0;
};

TEST_P(Stress, ReducedDocumentsEqualTheTable) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, n int, data text); INSERT INTO test.t SELECT i, 0, 'start' "
      "FROM "
      "generate_series(0, 2999, 2) i");
  std::uint64_t seed =
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  if (const char* given = std::getenv("STRESS_SEED")) seed = std::strtoull(given, nullptr, 10);
  SCOPED_TRACE("STRESS_SEED=" + std::to_string(seed));
  run([&](Context& context) -> Task<> {
    auto first = co_await pg::Connection::connect(context, database_.options());
    auto second = co_await pg::Connection::connect(context, database_.options());
    Clock::TimePoint end = context.clock.now() + duration();
    bool done = false, other = false;
    co_await all(work(context, *first, end, seed, done), work(context, *second, end, seed + 1, other),
                 sessions(context, seed + 2, done));
  });
  Transcript rest = capture({table_}, {{"backfill_chunk_size", "300"}});
  adopt(rest);
  EXPECT_EQ(at(state_, "/bindingStateV1/test%2Ft/mode"), "\"Active\"");
  Rows expected = table_rows();
  std::size_t wrong = 0;
  for (const auto& [key, row] : expected)
    if (collection_.rows[key] != row && ++wrong < 5)
      ADD_FAILURE() << "row " << key << " has n " << row.at("n") << ", captured "
                    << collection_.rows[key]["n"];
  for (const auto& [key, row] : collection_.rows)
    if (!expected.contains(key) && ++wrong < 5)
      ADD_FAILURE() << "row " << key << " is gone, but was captured";
  EXPECT_EQ(wrong, 0u) << "of " << expected.size() << " rows after " << sessions_ << " sessions";
  EXPECT_GT(sessions_, 2);
}

INSTANTIATE_TEST_SUITE_P(Modes, Stress,
                         ::testing::Values(Mode{"automatic", "", false}, Mode{"precise", "Precise", false},
                                           Mode{"normal", "Normal", false},
                                           Mode{"keyless", "Without Primary Key", true}),
                         [](const auto& mode) { return std::string(mode.param.name); });

}  // namespace
}  // namespace sluice::source_test
