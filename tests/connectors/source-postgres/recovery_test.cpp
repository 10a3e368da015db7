#include <signal.h>

#include <map>
#include <set>

#include "sluice/testing/fake_clock.hpp"
#include "source-postgres/changes.hpp"
#include "source-postgres/inventory.hpp"
#include "source-postgres/output.hpp"
#include "source-postgres/source_postgres.hpp"
#include "support.hpp"

// Connections that are lost and servers that do something else at awkward moments: nothing may be missing.
namespace sluice::source_test {
namespace {

using namespace std::chrono_literals;

class Recovery : public Source {
 protected:
  // Has the server do `action` (PL/pgSQL) when it is asked for its WAL position for the nth time. A new
  // capture asks when it chooses its start, at the fence of catching up, and at the fence of each chunk.
  void at_position(int n, const std::string& action) { at_positions({{n, action}}); }
  void at_positions(const std::map<int, std::string>& actions) {
    std::string cases;
    for (const auto& [n, action] : actions)
      cases += " IF call = " + std::to_string(n) + " THEN " + action + "; END IF;";
    sql("CREATE SEQUENCE test.calls; CREATE FUNCTION test.pg_current_wal_flush_lsn() RETURNS pg_lsn LANGUAGE "
        "plpgsql SECURITY DEFINER AS $$ DECLARE call bigint := nextval('test.calls'); BEGIN" +
        cases + " RETURN pg_catalog.pg_current_wal_flush_lsn(); END $$");
    sql("ALTER DATABASE " + database_.name() + " SET search_path = test, pg_catalog, public");
  }
  std::string kill_stream() const {
    return "PERFORM pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = '" +
           slot_ + "'";
  }
};

constexpr const char* three_rows =
    "CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1), (2), (3)";

TEST_F(Recovery, ALostStreamBetweenAChunkAndItsFenceLosesNoRow) {
  sql(three_rows);
  at_position(3, kill_stream() + "; PERFORM pg_switch_wal()");  // so that the fence is beyond what was sent
  Transcript first = attempt({{.name = "t"}});
  ASSERT_TRUE(first.error);
  EXPECT_EQ(first.error->kind(), Error::Kind::transient);
  EXPECT_EQ(first.committed() + capture({{.name = "t"}}).documents.size(), 3u);
}

TEST_F(Recovery, ALostQueryConnectionBetweenAChunkAndItsFenceLosesNoRow) {
  sql(three_rows);
  at_position(3, "PERFORM pg_terminate_backend(pg_backend_pid())");
  Transcript first = attempt({{.name = "t"}});
  ASSERT_TRUE(first.error);
  EXPECT_EQ(first.error->kind(), Error::Kind::transient);
  EXPECT_EQ(first.committed() + capture({{.name = "t"}}).documents.size(), 3u);
}

TEST_F(Recovery, AKeylessScanReadsAllOfATableThatWasRewrittenAndGrew) {
  sql("CREATE TABLE test.t (id int, data text); INSERT INTO test.t SELECT i, repeat('x', 100) FROM "
      "generate_series(1, 400) i");
  // After two of seven pages; the columns stay as they are.
  at_position(4, "ALTER TABLE test.t ALTER COLUMN data TYPE text USING repeat('y', 250)");
  Table table{.name = "t", .key = {}, .resource = R"("mode":"Without Primary Key")"};
  Transcript all = capture({table}, {{"backfill_chunk_size", "10"}});
  std::set<std::string> rows;
  for (const Document& document : all.documents)
    if (at(document.json, "/data").find('y') != std::string::npos) rows.insert(at(document.json, "/id"));
  EXPECT_EQ(rows.size(), 400u);
  EXPECT_GT(all.documents.size(), 400u);
}

TEST_F(Recovery, ATableThatIsDroppedWhileItIsReadGoesMissing) {
  sql(std::string(three_rows) +
      "; CREATE TABLE test.u (id int PRIMARY KEY); INSERT INTO test.u VALUES (1), (2)");
  at_position(3, "DROP TABLE test.t");
  Transcript all =
      capture({{.name = "t", .resource = R"("priority":1)"}, {.name = "u"}}, {{"backfill_chunk_size", "1"}});
  EXPECT_EQ(all.documents.size(), 1u + 2u);
  EXPECT_EQ(at(all.states.back(), "/bindingStateV1/test%2Ft/mode"), "\"Missing\"");
  EXPECT_EQ(at(all.states.back(), "/bindingStateV1/test%2Fu/mode"), "\"Active\"");
}

TEST_F(Recovery, ATableThatMayNotBeReadAnyMoreIsSaidWithTheWayOut) {
  as_user_ = "limited_" + database_.name();
  sql(three_rows);
  sql("CREATE ROLE " + as_user_ + " LOGIN REPLICATION; GRANT USAGE ON SCHEMA test TO " + as_user_ +
      "; GRANT SELECT ON test.t TO " + as_user_ + "; GRANT ALL ON public.flow_watermarks TO " + as_user_);
  at_position(3, "REVOKE SELECT ON test.t FROM " + as_user_);
  Transcript all = attempt({{.name = "t"}}, {{"backfill_chunk_size", "1"}});
  ASSERT_TRUE(all.error);
  EXPECT_EQ(all.error->message(), "backfilling test.t: permission denied for table t");
  EXPECT_NE(all.error->hint().find("select every column of the table"), std::string::npos)
      << all.error->hint();
  sql("DROP OWNED BY " + as_user_ + "; DROP ROLE " + as_user_);
}

// The same by a clock of its own, which goes `pace_` while a millisecond goes by outside.
class Timing : public Recovery {
 public:
  template <class Body>
  void run_at_pace(Body body) {
    CpuPool pool(1);
    testing::run([&](Loop& loop) -> Task<> {
      Context context(loop.executor(), pool, clock_, log());
      done_ = false;
      co_await all(tick(), finish(body(context)));
    });
  }
  Task<> tick() {
    SteadyClock outside;
    while (!done_) {
      co_await outside.sleep(1ms);
      clock_.advance(pace_);
    }
  }
  Task<> finish(Task<> body) {
    co_await std::move(body);
    done_ = true;
  }
  // Until the capture only streams.
  static Task<> await_active(Runtime& runtime) {
    co_await runtime.until([&] {
      const auto& states = runtime.transcript.states;
      return !states.empty() && states.back().find("\"Active\"") != std::string::npos;
    });
  }
  Task<> await_line(Runtime& runtime, std::string line) {
    co_await runtime.until([&] { return logged().find(line) != std::string::npos; });
  }

  testing::FakeClock clock_;
  Clock::Duration pace_ = 1ms;
  bool done_ = false;
};

TEST_F(Timing, TheQueryConnectionIsOpenedAgainWhenItWasLostWhileIdle) {
  run_at_pace([&](Context& context) -> Task<> {
    source_postgres::Settings settings = source_postgres::parse_settings(config());
    source_postgres::Database database(context, settings);
    pg::Connection* first = co_await database.get();
    co_await first->run("SELECT 1");
    auto other = co_await pg::Connection::connect(context, database_.options());
    co_await other->run("SELECT pg_terminate_backend(" + std::to_string(first->backend_pid()) + ", 5000)");
    clock_.advance(31s);
    pg::Connection* second = co_await database.get();
    pg::Rows rows = co_await second->run("SELECT 2");
    EXPECT_EQ(rows.text(0, 0), "2");
  });
}

TEST_F(Timing, AStreamMayBeLostAnyNumberOfTimesIfThereIsProgressBetween) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  pace_ = 50ms;
  run_at_pace([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c, std::string kill) -> Task<> {
      co_await await_active(r);
      for (std::size_t i = 1; i <= 12; ++i) {
        co_await c.run("INSERT INTO test.t VALUES (" + std::to_string(i) + ")");
        co_await r.until([&] { return r.transcript.committed() == i; });
        co_await c.run(kill);
      }
      co_await c.run("INSERT INTO test.t VALUES (0)");
      co_await r.until([&] { return r.transcript.committed() == 13; });
      r.stop();
    };
    co_await all(runtime.run(), script(runtime, *db,
                                       "SELECT pg_terminate_backend(active_pid, 5000) FROM "
                                       "pg_replication_slots WHERE slot_name = '" +
                                           slot_ + "'"));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
  });
}

TEST_F(Timing, ASlowConsumerIsNoSilenceOfTheServer) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text)");
  capture({{.name = "t"}});
  run_at_pace([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Timing& t, Runtime& r, pg::Connection& c) -> Task<> {
      co_await r.until([&] { return r.transcript.patches.size() >= 3; });
      r.paused = true;
      SteadyClock outside;
      for (int i = 0; i < 40; ++i) {  // 12 MB, a checkpoint each: the channel is full before the end
        co_await c.run("INSERT INTO test.t VALUES (" + std::to_string(i) + ", repeat('x', 300000))");
        co_await outside.sleep(20ms);
      }
      t.clock_.advance(3min);
      r.resume();
      co_await r.until([&] { return r.transcript.committed() == 40; });
      r.stop();
    };
    co_await all(runtime.run(), script(*this, runtime, *db));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
    EXPECT_EQ(logged().find("no message came"), std::string::npos);
  });
}

// The times at which a quiet capture looks up from its stream pass within a large transaction, too.
TEST_F(Timing, ATransactionIsReadToItsEndHoweverLongItTakes) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run_at_pace([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Timing& t, Runtime& r, pg::Connection& c) -> Task<> {
      co_await await_active(r);
      co_await c.run("INSERT INTO test.t SELECT generate_series(1, 200000)");
      co_await r.until([&] { return !r.transcript.documents.empty(); });
      EXPECT_LT(r.transcript.documents.size(), 200'000u);
      t.clock_.advance(61s);
      co_await r.until([&] { return r.transcript.committed() == 200'000; });
      r.stop();
    };
    co_await all(runtime.run(), script(*this, runtime, *db));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
  });
}

TEST_F(Timing, TheSlotLetsGoOfTheLog) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  pace_ = 20ms;
  run_at_pace([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c, std::string question) -> Task<> {
      co_await await_active(r);
      pg::Rows rows = co_await c.query(question);
      std::string before = rows.text(0, 0);
      SteadyClock outside;
      for (int i = 0; i < 100 && rows.text(0, 0) == before; ++i) {
        co_await c.run("INSERT INTO test.t VALUES (" + std::to_string(i) + ")");
        co_await c.run("CHECKPOINT");  // tells of running transactions, as the server does every 15 s
        co_await outside.sleep(100ms);
        rows = co_await c.query(question);
      }
      EXPECT_NE(rows.text(0, 0), before);
      r.stop();
    };
    co_await all(runtime.run(),
                 script(runtime, *db,
                        "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '" + slot_ + "'"));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
  });
}

TEST_F(Timing, ASilentServerIsNoticedInAQuietCapture) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run_at_pace([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Timing& t, Runtime& r, pg::Connection& c, std::string slot) -> Task<> {
      co_await await_active(r);
      pg::Rows rows = co_await c.run("SELECT active_pid FROM pg_replication_slots WHERE slot_name = " + slot);
      pid_t sender = std::stoi(rows.text(0, 0));
      testing::require(::kill(sender, SIGSTOP) == 0);
      t.pace_ = 50ms;
      try {
        co_await t.await_line(r, "no message came on the replication connection for two minutes");
      } catch (...) {
        ::kill(sender, SIGCONT);
        throw;
      }
      ::kill(sender, SIGCONT);
      co_await c.run("INSERT INTO test.t VALUES (1)");
      co_await r.until([&] { return r.transcript.committed() == 1; });
      r.stop();
    };
    co_await all(runtime.run(), script(*this, runtime, *db, pg::quote_literal(slot_)));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
  });
}

TEST_F(Timing, WhoUsesTheSlotIsSaidAtOnce) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  capture({{.name = "t"}});
  run_at_pace([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime holder(context, *connector, open({{.name = "t"}}), false);
    Runtime waiter(context, *connector, open({{.name = "t"}}), true);
    auto release = [](Timing& t, Runtime& holds, Runtime& waits) -> Task<> {
      co_await t.await_line(waits, "which another session uses");
      holds.stop();
    };
    auto wait = [](Timing& t, Runtime& holds, Runtime& waits, Task<> released) -> Task<> {
      co_await t.await_line(holds, "Streaming change events");
      co_await all(waits.run(), std::move(released));
    };
    co_await all(holder.run(), wait(*this, holder, waiter, release(*this, holder, waiter)));
    EXPECT_FALSE(waiter.transcript.error) << waiter.transcript.error->what();
  });
  std::string log = logged();
  EXPECT_NE(log.find("slot=\"" + slot_ + "\" pid="), std::string::npos) << log;
  EXPECT_NE(log.find("patience_s=60 "), std::string::npos) << log;
}

class OpenTransaction : public Timing {
 protected:
  // A capture is kept from beginning by a transaction that has written and is left alone.
  void expect_warnings(const Members& members) {
    pace_ = 20ms;
    run_at_pace([&](Context& context) -> Task<> {
      auto connector = source_postgres::make_source_postgres(context);
      Runtime runtime(context, *connector, open({{.name = "t"}}, members), true);
      pg::ConnectOptions options = database_.options();
      options.application_name = "forgetful";
      auto idle = co_await pg::Connection::connect(context, std::move(options));
      co_await idle->run("BEGIN; INSERT INTO test.t VALUES (1)");
      auto script = [](OpenTransaction& t, pg::Connection& holder) -> Task<> {
        co_await t.await_warnings(2);
        co_await holder.run("ROLLBACK");
      };
      Clock::TimePoint start = clock_.now();
      co_await all(runtime.run(), script(*this, *idle));
      EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
      EXPECT_GT(clock_.now() - start, 70s);
      expect_line("pid=\"" + std::to_string(idle->backend_pid()) + "\" user=");
      expect_line("SELECT pg_terminate_backend(" + std::to_string(idle->backend_pid()) + ")");
    });
    expect_line(R"(application="forgetful" state="idle in transaction" age="00:0)");
  }
  void expect_line(const std::string& part) {
    EXPECT_NE(logged().find(part), std::string::npos) << part << "\n" << logged();
  }
  Task<> await_warnings(std::size_t count) {
    SteadyClock outside;
    while (warnings() < count) co_await outside.sleep(5ms);
  }
  std::size_t warnings() {
    std::string log = logged(), line = "an open transaction is waited for";
    std::size_t count = 0;
    for (std::size_t at = 0; (at = log.find(line, at)) != std::string::npos; ++at) ++count;
    return count;
  }
};

TEST_F(OpenTransaction, IsWarnedOfWhereTheSlotWaitsForIt) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  expect_warnings({});
}

TEST_F(OpenTransaction, IsWarnedOfWhereTheFirstTableWaitsForIt) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  sql("SELECT pg_create_logical_replication_slot('" + slot_ + "', 'pgoutput')");
  expect_warnings({{"feature_flags", "\"no_create_replication_slot\""}});
}

// While commits wait for a standby that does not exist, they are in the log, and sent, but seen by nobody.
class SynchronousReplication : public Recovery {
 protected:
  ~SynchronousReplication() override {
    sql("ALTER SYSTEM RESET synchronous_standby_names");
    sql("SELECT pg_reload_conf()");
  }
  static Task<> hold(Context& context, pg::Connection& db) {
    co_await db.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    co_await db.run("SELECT pg_reload_conf()");
    co_await context.clock.sleep(std::chrono::milliseconds(50));  // until the others have heard of it
  }
  static Task<> release(pg::Connection& db) {
    co_await db.run("ALTER SYSTEM RESET synchronous_standby_names");
    co_await db.run("SELECT pg_reload_conf()");
  }
  static Task<> change(pg::Connection& writer) {
    co_await writer.run("UPDATE test.t SET data = 'new' WHERE id = 300");
  }
  // Until the change is in the log.
  static Task<> await_change(Context& context, pg::Connection& db) {
    for (;;) {
      pg::Rows rows = co_await db.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
      if (rows.text(0, 0) == "1") co_return;
      co_await context.clock.sleep(std::chrono::milliseconds(5));
    }
  }
  // The capture waits, although more is to be read; then it reads to the end.
  Task<> finish(Runtime& runtime, pg::Connection& db) {
    co_await runtime.until([&] { return logged().find("synchronous replication") != std::string::npos; });
    EXPECT_LT(runtime.transcript.documents.size(), 300u);
    co_await release(db);
    co_await runtime.until(
        [&] { return runtime.transcript.states.back().find("\"Active\"") != std::string::npos; });
    runtime.stop();
  }
  void expect_new(const Transcript& transcript) {
    EXPECT_FALSE(transcript.error);
    Collection collection({"/id"});
    for (const Document& document : transcript.documents) collection.add(document.json);
    EXPECT_EQ(collection.rows.size(), 300u);
    EXPECT_EQ(collection.rows["300 "]["data"], "\"new\"");
  }

  Task<> change_while_reading(Context& context, Runtime& runtime, pg::Connection& db,
                              pg::Connection& writer) {
    co_await runtime.until([&] { return runtime.transcript.committed() > 0; });
    co_await hold(context, db);
    co_await all(change(writer), finish(runtime, db));
  }
  Task<> start_after_change(Context& context, Runtime& runtime, pg::Connection& db) {
    co_await await_change(context, db);
    co_await all(runtime.run(), finish(runtime, db));
  }
};

constexpr const char* rows_of_old =
    "CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t SELECT i, 'old' FROM "
    "generate_series(1, 300) i";

TEST_F(SynchronousReplication, AChunkDoesNotBringBackARowWhoseChangeWasSent) {
  sql(rows_of_old);
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Table table{.name = "t", .resource = R"("mode":"Normal")"};
    Runtime runtime(context, *connector, open({table}, {{"backfill_chunk_size", "1"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto writer = co_await pg::Connection::connect(context, database_.options());
    co_await all(runtime.run(), change_while_reading(context, runtime, *db, *writer));
    expect_new(runtime.transcript);
  });
}

TEST_F(SynchronousReplication, AChunkDoesNotReadARowWhoseChangeCameBeforeTheStart) {
  sql(rows_of_old);
  sql("SELECT pg_create_logical_replication_slot('" + slot_ + "', 'pgoutput')");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Members members{{"feature_flags", "\"no_create_replication_slot\""}, {"read_only_capture", "true"}};
    Runtime runtime(context, *connector, open({{.name = "t"}}, members), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto writer = co_await pg::Connection::connect(context, database_.options());
    co_await hold(context, *db);
    co_await all(change(*writer), start_after_change(context, runtime, *db));
    expect_new(runtime.transcript);
  });
}

TEST_F(SynchronousReplication, AWatermarkDoesNotWaitForIt) {
  sql("ALTER DATABASE " + database_.name() + " SET synchronous_commit = off");
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text)");
  capture({{.name = "t"}});
  run([&](Context& context) -> Task<> {
    auto db = co_await pg::Connection::connect(context, database_.options());
    co_await hold(context, *db);
  });
  sql("INSERT INTO test.t VALUES (1)");
  EXPECT_EQ(capture({{.name = "t"}}).documents.size(), 1u);
  EXPECT_NE(sql("SELECT watermark FROM public.flow_watermarks").text(0, 0), "existence check");
}

TEST(Snapshots, TellWhatTheyDoNotSee) {
  using source_postgres::Snapshot;
  Snapshot none = Snapshot::parse("4294967400:4294967400:");
  EXPECT_TRUE(none.sees(103));
  EXPECT_TRUE(none.sees(4'294'967'290u));  // of the epoch before
  EXPECT_FALSE(none.sees(104));
  Snapshot some = Snapshot::parse("100:200:100,150");
  EXPECT_TRUE(some.sees(99));
  EXPECT_FALSE(some.sees(100));
  EXPECT_TRUE(some.sees(149));
  EXPECT_FALSE(some.sees(150));
  EXPECT_FALSE(some.sees(200));
  for (const char* bad : {"", "1:2", "1:x:", "1:2:3,", "1:2:3:4"})
    EXPECT_THROW(Snapshot::parse(bad), Error) << bad;
}

TEST_F(Recovery, ATableThatChangesWhileItIsReadLeavesTheOthersAsTheyWere) {
  sql(std::string(three_rows) +
      "; CREATE TYPE test.mood AS ENUM ('sad', 'happy'); CREATE TABLE test.u (id int "
      "PRIMARY KEY, m test.mood)");
  at_positions(
      {{3, "INSERT INTO test.u VALUES (1, 'sad')"},
       {4, "ALTER TABLE test.t ADD COLUMN extra int DEFAULT 7; INSERT INTO test.u VALUES (2, 'happy')"},
       {5, "INSERT INTO test.u VALUES (3, 'sad')"}});
  Transcript all = capture(
      {{.name = "t", .resource = R"("priority":1)"}, {.name = "u", .resource = R"("mode":"Only Changes")"}},
      {{"backfill_chunk_size", "1"}, {"feature_flags", "\"no_emit_sourced_schemas\""}});
  std::string moods, extras;
  for (const Document& document : all.documents)
    (document.binding == 1 ? moods : extras) +=
        at(document.json, document.binding == 1 ? "/m" : "/extra") + " ";
  EXPECT_EQ(moods, "\"sad\" \"happy\" \"sad\" ");
  EXPECT_EQ(extras, "(absent) (absent) 7 ");
}

TEST_F(Recovery, ATableRecreatedWhileTheCaptureRunsIsReadAgainIfAskedFor) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Members flag{{"feature_flags", "\"rebackfill_recreated_tables\""}};
    Runtime runtime(context, *connector, open({{.name = "t"}}, flag), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c) -> Task<> {
      auto active = [&] {
        return !r.transcript.states.empty() &&
               at(r.transcript.states.back(), "/bindingStateV1/test%2Ft/mode") == "\"Active\"";
      };
      co_await r.until(active);
      co_await c.run("DROP TABLE test.t; CREATE TABLE test.t (id int PRIMARY KEY)");
      co_await c.run("ALTER PUBLICATION flow_publication SET (publish = 'delete')");  // what is missed
      co_await c.run("INSERT INTO test.t VALUES (2), (3)");
      co_await c.run("ALTER PUBLICATION flow_publication SET (publish = 'insert, update, delete, truncate')");
      co_await c.run("INSERT INTO test.t VALUES (4)");  // tells of the new table
      co_await r.until([&] {
        return r.transcript.committed() >= 4 && active() &&
               at(r.transcript.states.back(), "/bindingStateV1/test%2Ft/backfilled") == "3";
      });
      r.stop();
    };
    co_await all(runtime.run(), script(runtime, *db));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
    std::string read;
    for (const Document& document : runtime.transcript.documents)
      if (at(document.json, "/_meta/source/snapshot") == "true") read += at(document.json, "/id");
    EXPECT_EQ(read, "1234");
  });
}

// The first chunk takes as long as it needs; the next ones have less time than their size asks for.
class Timeouts : public Recovery, public ::testing::WithParamInterface<bool> {};

TEST_P(Timeouts, MakeChunksSmallerAndLoseNoRow) {
  bool keyless = GetParam();
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data char(1900)); ALTER TABLE test.t ALTER data SET STORAGE "
      "PLAIN; "
      "INSERT INTO test.t SELECT i, 'x' FROM generate_series(1, 60) i; ANALYZE test.t");
  // Rows come as they are read.
  sql("ALTER DATABASE " + database_.name() + " SET enable_seqscan = off");
  sql("ALTER DATABASE " + database_.name() + " SET enable_sort = off");
  at_position(3, "PERFORM set_config('statement_timeout', '400', false)");
  Table table{.name = "t",
              .resource = R"("advanced":{"additional_backfill_filter":"pg_sleep(0.03)::text = ''"})"};
  if (keyless) {
    table.key.clear();
    table.resource += R"(,"mode":"Without Primary Key")";
  }
  Transcript all = capture({table}, {{"backfill_chunk_size", "20"}});
  std::set<std::string> rows;
  for (const Document& document : all.documents) rows.insert(at(document.json, "/id"));
  EXPECT_EQ(rows.size(), 60u);
  EXPECT_NE(logged().find("timed out and is tried again with fewer rows"), std::string::npos);
  EXPECT_EQ(at(state_, "/bindingStateV1/test%2Ft/backfilled"), "60");
}

INSTANTIATE_TEST_SUITE_P(Scans, Timeouts, ::testing::Bool(),
                         [](const auto& keyless) { return keyless.param ? "Keyless" : "Keyed"; });

TEST_F(Recovery, AStreamIsNotOpenedAgainOnASlotThatWasCreatedAnew) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c, std::string slot) -> Task<> {
      co_await r.until([&] {
        return !r.transcript.states.empty() && r.transcript.states.back().find("Active") != std::string::npos;
      });
      co_await c.run(
          "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = " +
          slot);
      co_await c.run("SELECT pg_drop_replication_slot(" + slot + ")");
      co_await c.run("INSERT INTO test.t VALUES (1)");
      co_await c.run("SELECT pg_create_logical_replication_slot(" + slot + ", 'pgoutput')");
    };
    co_await all(runtime.run(), script(runtime, *db, pg::quote_literal(slot_)));
    testing::require(runtime.transcript.error.has_value());
    EXPECT_NE(runtime.transcript.error->message().find("the changes between are lost"), std::string::npos);
  });
}

// A connection that dies while a checkpoint waits for room: what that holds is not queued, and from its
// position the session may not go on.
TEST_F(Source, ACheckpointThatIsGivenUpBindsTheSession) {
  run([&](Context& context) -> Task<> {
    cdc::CaptureState state = cdc::CaptureState::parse("{}");
    auto [out, in] = channel<protocol::CaptureOutput>(context.executor, 1);
    source_postgres::Output output(context, out.share(), state);
    auto add = [&] {
      output.batch().text() += "{}";
      output.batch().commit(0);
    };
    add();
    co_await output.checkpoint(pg::Lsn{1});
    EXPECT_FALSE(output.bound());
    add();
    co_await scoped([&](Scope& scope) -> Task<> {
      scope.spawn(output.checkpoint(pg::Lsn{2}));
      co_await yield();
      scope.cancel();
    });
    EXPECT_TRUE(output.bound());
    auto first = co_await in.next();
    testing::require(first.has_value());
    EXPECT_EQ(first->documents.size(), 1u);
    EXPECT_FALSE(in.poll());
    co_await output.checkpoint(pg::Lsn{3});
    EXPECT_FALSE(output.bound());
  });
}

}  // namespace
}  // namespace sluice::source_test
