#include <chrono>
#include <random>

#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"
#include "source-postgres/source_postgres.hpp"
#include "support.hpp"

// Changes: identities, TOAST, key changes, changing columns, names, partitions; slots, positions and
// acknowledgements.
namespace sluice::source_test {
namespace {

using namespace std::chrono_literals;

// op, row and previous state of each document, without positions.
std::string changes(const Transcript& transcript, std::uint32_t binding = 0) {
  std::string out;
  for (const Document& document : transcript.documents) {
    if (document.binding != binding) continue;
    std::string row = masked(document.json);
    std::string op = at(row, "/_meta/op"), before = at(row, "/_meta/before");
    std::size_t meta = row.find("\"_meta\":");
    std::size_t depth = 0, end = meta + 8;
    do {
      depth += row[end] == '{';
      depth -= row[end] == '}';
      ++end;
    } while (depth > 0);
    row.erase(meta, end - meta + (row[end] == ','));
    out += op.substr(1, 1) + " " + row + (before == "(absent)" ? "" : " before " + before) + "\n";
  }
  return out;
}

TEST_F(Source, ReplicaIdentitiesDecideWhatIsKnownOfOldRows) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text, n int); INSERT INTO test.t VALUES (1, 'A', 1), "
      "(2, 'B', 2)");
  capture({{.name = "t"}});
  sql("UPDATE test.t SET n = 5 WHERE id = 1; DELETE FROM test.t WHERE id = 2");
  EXPECT_EQ(changes(capture({{.name = "t"}})), R"(u {"data":"A","id":1,"n":5})"
                                               "\n"
                                               R"(d {"id":2})"
                                               "\n");
  sql("ALTER TABLE test.t REPLICA IDENTITY FULL; UPDATE test.t SET n = NULL WHERE id = 1");
  sql("DELETE FROM test.t WHERE id = 1");
  EXPECT_EQ(changes(capture({{.name = "t"}})),
            R"(u {"data":"A","id":1,"n":null} before {"data":"A","id":1,"n":5})"
            "\n"
            R"(d {"data":"A","id":1,"n":null})"
            "\n");
}

TEST_F(Source, UnchangedToastColumnsAreLeftOutOrTakenFromTheOldRow) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, big text, n int); ALTER TABLE test.t ALTER big SET STORAGE "
      "EXTERNAL");
  sql("INSERT INTO test.t VALUES (1, repeat('x', 5000), 1)");
  capture({{.name = "t"}});
  sql("UPDATE test.t SET n = 2");
  Transcript partial = capture({{.name = "t"}});
  ASSERT_EQ(partial.documents.size(), 1u);
  EXPECT_EQ(at(partial.documents[0].json, "/big"), "(absent)");
  EXPECT_EQ(at(partial.documents[0].json, "/n"), "2");
  sql("UPDATE test.t SET big = repeat('y', 5000)");
  Transcript changed = capture({{.name = "t"}});
  EXPECT_EQ(at(changed.documents.at(0).json, "/big").size(), 5002u);
  sql("ALTER TABLE test.t REPLICA IDENTITY FULL; UPDATE test.t SET n = 3");
  Transcript full = capture({{.name = "t"}});
  EXPECT_EQ(at(full.documents.at(0).json, "/big").size(), 5002u);
  EXPECT_EQ(at(full.documents.at(0).json, "/_meta/before/n"), "2");
}

TEST_F(Source, AKeyThatLiesInToastIsPartOfEveryUpdate) {
  sql("CREATE TABLE test.t (k text PRIMARY KEY, wide char(2500), n int); ALTER TABLE test.t ALTER k SET "
      "STORAGE "
      "EXTERNAL, ALTER wide SET STORAGE PLAIN; INSERT INTO test.t VALUES (repeat('k', 300), 'w', 1)");
  Table table{.name = "t", .key = {"k"}};
  capture({table});
  std::string key = "\"" + std::string(300, 'k') + "\"";
  for (const char* identity : {"DEFAULT", "FULL"}) {
    sql(std::string("ALTER TABLE test.t REPLICA IDENTITY ") + identity + "; UPDATE test.t SET n = n + 1");
    Transcript changed = capture({table});
    ASSERT_EQ(changed.documents.size(), 1u);
    EXPECT_EQ(at(changed.documents[0].json, "/_meta/op"), "\"u\"");
    EXPECT_EQ(at(changed.documents[0].json, "/k"), key) << identity;
  }
}

TEST_F(Source, UpdatesThatDoNotTellTheKeyAreRefused) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, k text NOT NULL, n int); ALTER TABLE test.t ALTER k SET "
      "STORAGE "
      "EXTERNAL; INSERT INTO test.t VALUES (1, repeat('k', 3000), 1)");
  Table table{.name = "t", .key = {"k"}};
  capture({table});
  sql("UPDATE test.t SET n = 2");
  std::string failure = capture_failure({table});
  EXPECT_NE(failure.find("a row updated in test.t does not tell its column \"k\""), std::string::npos)
      << failure;
}

TEST_F(Source, KeyChangesDeleteTheOldRow) {
  sql("CREATE TABLE test.t (a int, b int, data text, PRIMARY KEY (a, b)); INSERT INTO test.t VALUES (1, 1, "
      "'x')");
  Table table{.name = "t", .key = {"a", "b"}};
  capture({table});
  sql("UPDATE test.t SET b = 2");
  EXPECT_EQ(changes(capture({table})), R"(d {"a":1,"b":1})"
                                       "\n"
                                       R"(u {"a":1,"b":2,"data":"x"} before {"a":1,"b":1})"
                                       "\n");
  sql("ALTER TABLE test.t REPLICA IDENTITY FULL");
  sql("UPDATE test.t SET a = 7; UPDATE test.t SET data = 'y'");
  EXPECT_EQ(changes(capture({table})), R"(d {"a":1,"b":2,"data":"x"})"
                                       "\n"
                                       R"(u {"a":7,"b":2,"data":"x"} before {"a":1,"b":2,"data":"x"})"
                                       "\n"
                                       R"(u {"a":7,"b":2,"data":"y"} before {"a":7,"b":2,"data":"x"})"
                                       "\n");
}

TEST_F(Source, CapturesTakenOverKeepOneDocumentAKeyChange) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  capture({{.name = "t"}});
  // As another implementation would have left it.
  state_ =
      R"({"cursor":)" + at(state_, "/cursor") + R"(,"bindingStateV1":)" + at(state_, "/bindingStateV1") + "}";
  sql("UPDATE test.t SET id = 2");
  EXPECT_EQ(changes(capture({{.name = "t"}})), "u {\"id\":2} before {\"id\":1}\n");
  EXPECT_EQ(at(state_, "/sourceV1/key_changes"), "\"update\"");
  sql("UPDATE test.t SET id = 3");
  EXPECT_EQ(changes(capture({{.name = "t"}})), "u {\"id\":3} before {\"id\":2}\n");
  sql("UPDATE test.t SET id = 4");
  EXPECT_EQ(changes(capture({{.name = "t"}}, {{"feature_flags", "\"pk_update_as_delete_insert\""}})),
            "d {\"id\":3}\nu {\"id\":4} before {\"id\":3}\n");
}

TEST_F(Source, DeletionsThatDoNotTellTheKeyAreRefused) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, other int NOT NULL); INSERT INTO test.t VALUES (1, 10)");
  Table table{.name = "t", .key = {"other"}};
  capture({table});
  EXPECT_NE(logged().find("deletions of the table cannot be captured"), std::string::npos);
  sql("DELETE FROM test.t");
  std::string failure = capture_failure({table});
  EXPECT_NE(failure.find("does not tell its column \"other\""), std::string::npos) << failure;
  EXPECT_NE(failure.find("ALTER TABLE \"test\".\"t\" REPLICA IDENTITY FULL"), std::string::npos) << failure;
  sql("ALTER TABLE test.t REPLICA IDENTITY NOTHING");
  EXPECT_NE(validate({table}).find("is NOTHING, which does not cover"), std::string::npos);
}

TEST_F(Source, ColumnsMayBeAddedDroppedRenamedAndRetyped) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t VALUES (1, 'A')");
  capture({{.name = "t"}});
  sql("ALTER TABLE test.t ADD COLUMN added int; INSERT INTO test.t VALUES (2, 'B', 5)");
  sql("ALTER TABLE test.t DROP COLUMN data; INSERT INTO test.t VALUES (3, 6)");
  sql("ALTER TABLE test.t RENAME COLUMN added TO renamed; INSERT INTO test.t VALUES (4, 7)");
  sql("ALTER TABLE test.t ALTER COLUMN renamed TYPE text; INSERT INTO test.t VALUES (5, 'eight')");
  EXPECT_EQ(changes(capture({{.name = "t"}})), R"(c {"added":5,"data":"B","id":2})"
                                               "\n"
                                               R"(c {"added":6,"id":3})"
                                               "\n"
                                               R"(c {"id":4,"renamed":7})"
                                               "\n"
                                               R"(c {"id":5,"renamed":"eight"})"
                                               "\n");
}

TEST_F(Source, ASchemaPrecedesTheFirstDocumentOfItsForm) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c) -> Task<> {
      co_await r.until([&] {
        return !r.transcript.states.empty() && r.transcript.states.back().find("Active") != std::string::npos;
      });
      testing::require(r.transcript.schemas.size() == 1);
      co_await c.run("ALTER TABLE test.t ADD COLUMN fresh text; INSERT INTO test.t VALUES (1, 'x')");
      co_await r.until([&] { return r.transcript.committed() == 1; });
      testing::require(r.transcript.schemas.size() == 2);
      r.stop();
    };
    co_await all(runtime.run(), script(runtime, *db));
    EXPECT_FALSE(runtime.transcript.error);
    EXPECT_TRUE(runtime.transcript.ended);
    EXPECT_EQ(runtime.transcript.schemas.size(), 2u);
    EXPECT_NE(runtime.transcript.schemas[1].schema_json.find("\"fresh\""), std::string::npos);
  });
}

TEST_F(Source, ARenamedTableIsNotTakenForAnother) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c) -> Task<> {
      co_await r.until([&] {
        return !r.transcript.states.empty() && r.transcript.states.back().find("Active") != std::string::npos;
      });
      co_await c.run("INSERT INTO test.t VALUES (1)");
      co_await r.until([&] { return r.transcript.committed() == 1; });
      co_await c.run("ALTER TABLE test.t RENAME TO u; INSERT INTO test.u VALUES (2)");
    };
    co_await all(runtime.run(), script(runtime, *db));
    testing::require(runtime.transcript.error.has_value());
    EXPECT_EQ(runtime.transcript.error->message(), "table test.t was renamed to test.u");
  });
}

TEST_F(Source, TruncationIsSaidAndLaterRowsAreCaptured) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  capture({{.name = "t"}});
  sql("TRUNCATE test.t; INSERT INTO test.t VALUES (2)");
  EXPECT_EQ(changes(capture({{.name = "t"}})), "c {\"id\":2}\n");
  EXPECT_NE(logged().find("a table was truncated"), std::string::npos);
}

TEST_F(Source, ARecreatedTableGoesOnByReplication) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  capture({{.name = "t"}});
  sql("DROP TABLE test.t; CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (2)");
  EXPECT_EQ(changes(capture({{.name = "t"}})), "c {\"id\":2}\n");
  EXPECT_NE(logged().find("dropped and created again"), std::string::npos);
  sql("DROP TABLE test.t; CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (3)");
  Transcript again = capture({{.name = "t"}}, {{"feature_flags", "\"rebackfill_recreated_tables\""}});
  EXPECT_EQ(at(again.documents.at(0).json, "/_meta/source/snapshot"), "true");
}

TEST_F(Source, NamesOfAnyKindAreQuoted) {
  sql(R"(CREATE TABLE test."T 'a"" \b" ("Id" int PRIMARY KEY, "a/b~c" int, "select" text, "quo""te" text, "it's" text);
         INSERT INTO test."T 'a"" \b" VALUES (1, 2, 'three', 'four', 'five'))");
  Table table{.name = R"(T 'a" \b)", .key = {"Id"}};
  std::string row = R"({"Id":1,"a/b~c":2,"it's":"five","quo\"te":"four","select":"three"})";
  EXPECT_EQ(changes(capture({table})), "c " + row + "\n");
  sql(R"(UPDATE test."T 'a"" \b" SET "a/b~c" = 3)");
  EXPECT_EQ(changes(capture({table})),
            R"(u {"Id":1,"a/b~c":3,"it's":"five","quo\"te":"four","select":"three"})"
            "\n");
}

TEST_F(Source, TablesThatDifferByCaseAreApart) {
  sql(R"(CREATE TABLE test."Foo" (id int PRIMARY KEY); CREATE TABLE test.foo (id int PRIMARY KEY);
         INSERT INTO test."Foo" VALUES (1); INSERT INTO test.foo VALUES (2))");
  std::vector<Table> tables{{.name = "Foo"}, {.name = "foo"}};
  Transcript first = capture(tables);
  EXPECT_EQ(changes(first, 0), "c {\"id\":1}\n");
  EXPECT_EQ(changes(first, 1), "c {\"id\":2}\n");
  sql(R"(INSERT INTO test."Foo" VALUES (3); INSERT INTO test.foo VALUES (4))");
  Transcript second = capture(tables);
  EXPECT_EQ(changes(second, 0), "c {\"id\":3}\n");
  EXPECT_EQ(changes(second, 1), "c {\"id\":4}\n");
}

TEST_F(Source, PublicationsOfMixedCaseWork) {
  sql(R"(CREATE TABLE test.t (id int PRIMARY KEY); CREATE PUBLICATION "My Pub's ""x""" FOR TABLE test.t, public.flow_watermarks)");
  Members named{{"publicationName", R"("My Pub's \"x\"")"}};
  capture({{.name = "t"}}, named);
  sql("INSERT INTO test.t VALUES (1)");
  EXPECT_EQ(changes(capture({{.name = "t"}}, named)), "c {\"id\":1}\n");
}

TEST_F(Source, GeneratedColumnsAreNowhere) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED); ALTER "
      "TABLE test.t "
      "REPLICA IDENTITY FULL; INSERT INTO test.t VALUES (1, 2)");
  EXPECT_EQ(changes(capture({{.name = "t"}})), "c {\"id\":1,\"n\":2}\n");
  sql("INSERT INTO test.t VALUES (2, 3); UPDATE test.t SET n = 4 WHERE id = 2; DELETE FROM test.t WHERE id = "
      "2");
  EXPECT_EQ(changes(capture({{.name = "t"}})), R"(c {"id":2,"n":3})"
                                               "\n"
                                               R"(u {"id":2,"n":4} before {"id":2,"n":3})"
                                               "\n"
                                               R"(d {"id":2,"n":4})"
                                               "\n");
  EXPECT_EQ(discover().bindings.at(0).document_schema_json.find("twice"), std::string::npos);
}

TEST_F(Source, ColumnListsAndRowFiltersOfPublicationsHoldForBackfills) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, shown text, hidden text); INSERT INTO test.t VALUES (1, 'a', "
      "'b'), (2, "
      "'c', 'd'); CREATE PUBLICATION part FOR TABLE test.t (id, shown) WHERE (id > 1), TABLE "
      "public.flow_watermarks");
  Members named{{"publicationName", "\"part\""}};
  EXPECT_EQ(changes(capture({{.name = "t"}}, named)), "c {\"id\":2,\"shown\":\"c\"}\n");
  sql("INSERT INTO test.t VALUES (0, 'x', 'y'), (3, 'e', 'f')");
  EXPECT_EQ(changes(capture({{.name = "t"}}, named)), "c {\"id\":3,\"shown\":\"e\"}\n");
  EXPECT_EQ(discover(named).bindings.at(0).document_schema_json.find("hidden"), std::string::npos);
}

TEST_F(Source, PartitionedTablesAreOneTable) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text) PARTITION BY RANGE (id);"
      "CREATE TABLE test.t1 PARTITION OF test.t FOR VALUES FROM (0) TO (100);"
      "CREATE TABLE test.t2 PARTITION OF test.t FOR VALUES FROM (100) TO (1000) PARTITION BY RANGE (id);"
      "CREATE TABLE test.t2a PARTITION OF test.t2 FOR VALUES FROM (100) TO (500);"
      "CREATE TABLE test.t2b PARTITION OF test.t2 FOR VALUES FROM (500) TO (1000);"
      "INSERT INTO test.t SELECT i, repeat('x', 200) FROM generate_series(1, 999) i");
  auto discovered = discover();
  ASSERT_EQ(discovered.bindings.size(), 1u);
  EXPECT_EQ(discovered.bindings[0].recommended_name, "test/t");
  Table keyless{.name = "t", .key = {}, .resource = R"("mode":"Without Primary Key")"};
  EXPECT_EQ(capture({keyless}, {{"backfill_chunk_size", "100"}}).documents.size(), 999u);
  state_.clear();
  Table table{.name = "t"};
  EXPECT_EQ(capture({table}, {{"backfill_chunk_size", "100"}}).documents.size(), 999u);
  sql("INSERT INTO test.t VALUES (1000 - 0 - 1000, 'new')");
  EXPECT_EQ(changes(capture({table})), "c {\"data\":\"new\",\"id\":0}\n");
}

TEST_F(Source, PartitionsMayBeCapturedThemselves) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE test.t1 PARTITION OF test.t FOR VALUES FROM (0) TO (100);"
      "CREATE TABLE test.t2 PARTITION OF test.t FOR VALUES FROM (100) TO (200);"
      "CREATE TABLE test.plain (id int PRIMARY KEY); INSERT INTO test.t VALUES (1), (101);"
      "CREATE PUBLICATION leaves FOR TABLE test.t, test.plain, public.flow_watermarks");
  Members leaves{{"publicationName", "\"leaves\""}, {"capture_as_partitions", "true"}};
  std::string names;
  for (const auto& binding : discover(leaves).bindings) names += binding.recommended_name + " ";
  EXPECT_EQ(names, "test/plain test/t1 test/t2 ");
  std::vector<Table> tables{{.name = "t1"}, {.name = "t2"}};
  Transcript first = capture(tables, leaves);
  EXPECT_EQ(changes(first, 0) + changes(first, 1), "c {\"id\":1}\nc {\"id\":101}\n");
  sql("INSERT INTO test.t VALUES (2), (102)");
  Transcript second = capture(tables, leaves);
  EXPECT_EQ(changes(second, 0) + changes(second, 1), "c {\"id\":2}\nc {\"id\":102}\n");
  EXPECT_NE(validate({{.name = "t"}}, leaves).find("publish_via_partition_root = true"), std::string::npos);
  EXPECT_NE(validate({{.name = "t1"}}).find("publish_via_partition_root = false"), std::string::npos);
}

TEST_F(Source, TagsAndTransactionIdsAreAddedOnDemand) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  Table table{.name = "t", .projections = {"/_meta/source/txid"}};
  Members tag{{"source_tag", "\"eu-1\""}};
  Transcript first = capture({table}, tag);
  EXPECT_EQ(at(first.documents.at(0).json, "/_meta/source/tag"), "\"eu-1\"");
  std::string xid = sql("INSERT INTO test.t VALUES (2) RETURNING txid_current() % 4294967296").text(0, 0);
  Transcript second = capture({table}, tag);
  EXPECT_EQ(at(second.documents.at(0).json, "/_meta/source/tag"), "\"eu-1\"");
  EXPECT_EQ(at(second.documents.at(0).json, "/_meta/source/txid"), xid);
}

// So that the runtime need not sort them.
TEST_F(Source, MembersAreInTheOrderOfTheirNames) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, note text, \"_a\" int); ALTER TABLE test.t REPLICA IDENTITY "
      "FULL;"
      "INSERT INTO test.t VALUES (1, 'a', 2)");
  Table table{.name = "t", .projections = {"/_meta/source/txid"}};
  Members tag{{"source_tag", "\"eu-1\""}};
  Transcript first = capture({table}, tag);
  sql("UPDATE test.t SET note = 'b'; DELETE FROM test.t");
  Transcript second = capture({table}, tag);
  ASSERT_EQ(second.documents.size(), 2u);
  for (const Transcript* transcript : {&first, &second})
    for (const auto& document : transcript->documents) {
      json::Tree tree;
      tree.parse(document.json);
      std::string sorted;
      json::write_canonical(sorted, tree, tree.root());
      EXPECT_EQ(document.json, sorted);
    }
}

TEST_F(Source, LocationsAreInTheOrderOfChanges) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  capture({{.name = "t"}});
  for (int i = 0; i < 5; ++i)
    sql("INSERT INTO test.t SELECT " + std::to_string(i) + " * 10 + g FROM generate_series(1, 3) g");
  Transcript all = capture({{.name = "t"}});
  ASSERT_EQ(all.documents.size(), 15u);
  auto location = [&](std::size_t i) {
    std::array<std::uint64_t, 3> out{};
    for (std::size_t k = 0; k < 3; ++k)
      out[k] = std::stoull(at(all.documents[i].json, "/_meta/source/loc/" + std::to_string(k)));
    return out;
  };
  for (std::size_t i = 1; i < 15; ++i) EXPECT_LT(location(i - 1), location(i));
  EXPECT_EQ(location(0)[0], location(2)[0]);
  EXPECT_LT(location(2)[2], location(3)[0]);
}

// ---- slots and positions ----

TEST_F(Source, AConfirmedPositionIsNeverBeyondAnAcknowledgedCheckpoint) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  capture({{.name = "t"}});
  std::string before = confirmed_lsn();
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    runtime.acknowledging = false;
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c, std::string slot, std::string start) -> Task<> {
      std::string question =
          "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" + slot + "'";
      std::string kill =
          "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = '" +
          slot + "'";
      auto cursor = [&](std::size_t i) {
        return pg::Lsn::parse(std::string(at(r.transcript.states[i], "/cursor"))
                                  .substr(1, at(r.transcript.states[i], "/cursor").size() - 2))
            .value();
      };
      std::minstd_rand random(3);
      for (int i = 0; i < 30; ++i) {
        co_await c.run("INSERT INTO test.t SELECT coalesce(max(id), 0) + 1 FROM test.t");
        std::size_t wanted = static_cast<std::size_t>(i) + 1;
        co_await r.until([&] { return r.transcript.committed() == wanted; });
        std::size_t behind = r.transcript.states.size() - r.acknowledged;
        // A stream that was lost while acknowledgements are outstanding starts from what was reported, but
        // confirms no more than before.
        bool withheld = i >= 10 && i < 20;
        if (i == 12) co_await c.run(kill);
        if (!withheld && random() % 3 == 0)
          co_await r.acknowledge(static_cast<std::uint32_t>(1 + random() % behind));
        pg::Rows rows = co_await c.query(question);
        pg::Lsn confirmed = pg::Lsn::parse(rows.text(0, 0)).value();
        pg::Lsn allowed = r.acknowledged == 0 ? pg::Lsn::parse(start).value() : cursor(r.acknowledged - 1);
        testing::require(confirmed <= std::max(allowed, pg::Lsn::parse(start).value()));
      }
      co_await r.acknowledge(static_cast<std::uint32_t>(r.transcript.states.size() - r.acknowledged));
      r.stop();
    };
    co_await all(runtime.run(), script(runtime, *db, slot_, before));
    EXPECT_FALSE(runtime.transcript.error);
    EXPECT_EQ(runtime.transcript.committed(), 30u);
  });
}

TEST_F(Source, TooManyAcknowledgementsAreAnError) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    runtime.acknowledging = false;
    auto script = [](Runtime& r) -> Task<> {
      co_await r.until([&] { return r.transcript.patches.size() >= 2; });
      co_await r.acknowledge(100'000);
    };
    co_await all(runtime.run(), script(runtime));
    EXPECT_TRUE(runtime.transcript.error.has_value());
  });
}

TEST_F(Source, ALargeTransactionFlowsInBoundedBatchesUnderOneCheckpoint) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text)");
  capture({{.name = "t"}});
  sql("INSERT INTO test.t SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i");
  Transcript all = capture({{.name = "t"}});
  EXPECT_EQ(all.documents.size(), 200'000u);
  std::size_t checkpoint = all.documents.front().checkpoint;
  for (const Document& document : all.documents) ASSERT_EQ(document.checkpoint, checkpoint);
  EXPECT_LT(all.largest_output, 2u << 20);
}

TEST_F(Source, AQuietReadOnlyCaptureReachesItsFencesAndMovesOn) {
  sql("CREATE TABLE test.quiet (id int PRIMARY KEY); CREATE TABLE test.busy (id int); INSERT INTO test.quiet "
      "VALUES (1);"
      "CREATE PUBLICATION quiet FOR TABLE test.quiet");
  Members read_only{{"read_only_capture", "true"}, {"publicationName", "\"quiet\""}};
  EXPECT_EQ(capture({{.name = "quiet"}}, read_only).documents.size(), 1u);
  std::string before = at(state_, "/cursor");
  auto begin = std::chrono::steady_clock::now();
  sql("INSERT INTO test.busy SELECT generate_series(1, 20000)");
  EXPECT_EQ(capture({{.name = "quiet"}}, read_only).documents.size(), 0u);
  EXPECT_NE(at(state_, "/cursor"), before);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_EQ(sql("SELECT count(*) FROM public.flow_watermarks").text(0, 0), "0");
}

TEST_F(Source, ASlotThatWasCreatedAnewIsNoticed) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  capture({{.name = "t"}});
  sql("SELECT pg_drop_replication_slot('" + slot_ + "')");
  sql("INSERT INTO test.t VALUES (1)");
  sql("SELECT pg_create_logical_replication_slot('" + slot_ + "', 'pgoutput')");
  std::string failure = capture_failure({{.name = "t"}});
  EXPECT_NE(failure.find("the changes between are lost"), std::string::npos) << failure;
  EXPECT_EQ(capture({{.name = "t"}}, {{"feature_flags", "\"allow_slot_gap\""}}).documents.size(), 0u);
}

TEST_F(Source, APositionOfAnotherServerIsRefused) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  capture({{.name = "t"}});
  std::string good = state_;
  state_ =
      std::string(good).replace(good.find(at(good, "/cursor")), at(good, "/cursor").size(), "\"FFFF/0\"");
  EXPECT_NE(capture_failure({{.name = "t"}}).find("but the server's log ends at"), std::string::npos);
  state_ = std::string(good).replace(good.find(at(good, "/sourceV1/systemid")),
                                     at(good, "/sourceV1/systemid").size(), "\"1\"");
  EXPECT_NE(capture_failure({{.name = "t"}}).find("the server has the system id"), std::string::npos);
  state_ = R"({"cursor":"what","bindingStateV1":{"test%2Ft":{"mode":"Active"}}})";
  EXPECT_NE(capture_failure({{.name = "t"}}).find("is no WAL position"), std::string::npos);
}

TEST_F(Source, ACaptureCanBeTakenOverAtAPosition) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY); INSERT INTO test.t VALUES (1)");
  std::string lsn =
      sql("SELECT lsn FROM pg_create_logical_replication_slot('" + slot_ + "', 'pgoutput')").text(0, 0);
  sql("INSERT INTO test.t VALUES (2)");
  Transcript all = capture({{.name = "t", .resource = R"("mode":"Only Changes")"}},
                           {{"feature_flags", "\"initial_backfill_cursor=" + lsn + "\""}});
  EXPECT_EQ(changes(all), "c {\"id\":2}\n");
  EXPECT_EQ(at(all.states.back(), "/bindingStateV1/test%2Ft/mode"), "\"Active\"");
}

TEST_F(Source, TablesOfWhichNothingIsSkippedAreReadAfterATakeover) {
  sql("CREATE TABLE test.a (id int PRIMARY KEY); INSERT INTO test.a VALUES (1); CREATE TABLE test.b (id int "
      "PRIMARY KEY); INSERT INTO test.b VALUES (1)");
  std::string lsn =
      sql("SELECT lsn FROM pg_create_logical_replication_slot('" + slot_ + "', 'pgoutput')").text(0, 0);
  sql("INSERT INTO test.a VALUES (2); INSERT INTO test.b VALUES (2)");
  Transcript all = capture(
      {{.name = "a"}, {.name = "b"}},
      {{"feature_flags", "\"initial_backfill_cursor=" + lsn + "\""}, {"skip_backfills", "\"test.a\""}});
  EXPECT_EQ(changes(all, 0), "c {\"id\":2}\n");
  EXPECT_EQ(changes(all, 1), "c {\"id\":1}\nc {\"id\":2}\n");
  EXPECT_EQ(at(all.documents.at(1).json, "/_meta/source/snapshot"), "true");
}

TEST_F(Source, TheEndOfAcknowledgementsEndsTheSessionAtACheckpoint) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t SELECT i, repeat('y', 500) "
      "FROM "
      "generate_series(1, 30000) i");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}, {{"backfill_chunk_size", "20000"}}), false);
    auto script = [](Runtime& r) -> Task<> {
      co_await r.until([&] { return r.transcript.documents.size() > 1000; });
      r.stop();
    };
    co_await all(runtime.run(), script(runtime));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
    EXPECT_TRUE(runtime.transcript.ended);
    EXPECT_EQ(runtime.transcript.committed(), runtime.transcript.documents.size());
    EXPECT_LT(runtime.transcript.documents.size(), 30'000u);
    state_ = runtime.transcript.states.back();
  });
  std::size_t rest = capture({{.name = "t"}}).documents.size();
  EXPECT_EQ(at(state_, "/bindingStateV1/test%2Ft/backfilled"), "30000");
  EXPECT_LT(rest, 30'000u);
}

TEST_F(Source, ASecondCaptureOfTheSlotWaitsForTheFirstToEnd) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  capture({{.name = "t"}});
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime first(context, *connector, open({{.name = "t"}}), false);
    Runtime second(context, *connector, open({{.name = "t"}}), true);
    auto stop_first = [](Runtime& a, Runtime& b) -> Task<> {
      co_await b.until([&] { return b.transcript.patches.size() >= 2; });
      a.stop();
    };
    auto script = [&](Runtime& a, Runtime& b) -> Task<> {
      co_await a.until([&] { return a.transcript.patches.size() >= 4; });
      co_await all(b.run(), stop_first(a, b));
    };
    co_await all(first.run(), script(first, second));
    EXPECT_FALSE(first.transcript.error);
    EXPECT_FALSE(second.transcript.error);
    EXPECT_TRUE(second.transcript.ended);
  });
}

TEST_F(Source, ALostReplicationConnectionIsOpenedAgain) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY)");
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, pg::Connection& c) -> Task<> {
      co_await r.until([&] {
        return !r.transcript.states.empty() && r.transcript.states.back().find("Active") != std::string::npos;
      });
      co_await c.run("INSERT INTO test.t VALUES (1)");
      co_await r.until([&] { return r.transcript.committed() == 1; });
      co_await c.run("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
      co_await c.run("INSERT INTO test.t VALUES (2)");
      co_await r.until([&] { return r.transcript.committed() >= 2; });
      r.stop();
    };
    co_await all(runtime.run(), script(runtime, *db));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
    EXPECT_EQ(changes(runtime.transcript), "c {\"id\":1}\nc {\"id\":2}\n");
  });
}

TEST_F(Source, ASlowConsumerKeepsTheConnectionAlive) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text)");
  sql("ALTER ROLE postgres SET wal_sender_timeout = '3s'");
  capture({{.name = "t"}});
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    Runtime runtime(context, *connector, open({{.name = "t"}}), false);
    auto db = co_await pg::Connection::connect(context, database_.options());
    auto script = [](Runtime& r, Context& c, pg::Connection& d) -> Task<> {
      co_await r.until([&] { return r.transcript.patches.size() >= 3; });
      r.paused = true;
      co_await d.run("INSERT INTO test.t SELECT i, repeat('z', 1000) FROM generate_series(1, 60000) i");
      co_await c.clock.sleep(5s);  // beyond the server's patience, which only answers extend
      r.resume();
      co_await r.until([&] { return r.transcript.committed() == 60'000; });
      r.stop();
    };
    co_await all(runtime.run(), script(runtime, context, *db));
    EXPECT_FALSE(runtime.transcript.error) << runtime.transcript.error->what();
  });
  sql("ALTER ROLE postgres RESET wal_sender_timeout");
}

}  // namespace
}  // namespace sluice::source_test
