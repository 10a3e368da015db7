#include "sluice/cdc/state.hpp"
#include "sluice/protocol/messages.hpp"
#include "sluice/testing/snapshot.hpp"
#include "source-postgres/source_postgres.hpp"
#include "support.hpp"

// The basics: discovery of simple tables, backfill, replication, bindings that come and go.
namespace sluice::source_test {
namespace {

std::string backfilled(const std::string& table, std::uint64_t n) {
  return R"({"op":"c","source":{"loc":[-1,)" + std::to_string(n) +
         R"(,0],"schema":"test","snapshot":true,"table":")" + table + R"("}})";
}
std::string changed(const std::string& op, const std::string& table, const std::string& before = "") {
  return (before.empty() ? "{" : "{\"before\":" + before + ",") + R"("op":")" + op +
         R"(","source":{"loc":[0,0,0],"schema":"test","table":")" + table + R"(","ts_ms":0}})";
}
// One line of a transcript of a table (data text, id int).
std::string line(const std::string& meta, const std::string& data, int id) {
  return R"({"_meta":)" + meta + R"(,"data":)" + data + R"(,"id":)" + std::to_string(id) + "}\n";
}

TEST_F(Source, SpecIsAsRecorded) {
  run([&](Context& context) -> Task<> {
    auto connector = source_postgres::make_source_postgres(context);
    protocol::capture::Spec spec = co_await connector->spec(protocol::capture::SpecRequest());
    EXPECT_EQ(spec.protocol, 3032023u);
    EXPECT_EQ(spec.resource_path_pointers, (std::vector<std::string>{"/namespace", "/stream"}));
    EXPECT_FALSE(spec.documentation_url.empty());
    expect_snapshot("endpoint.schema.json", testing::pretty(spec.config_schema_json));
    expect_snapshot("resource.schema.json", testing::pretty(spec.resource_config_schema_json));
  });
}

TEST_F(Source, CapturesASmallTable) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t VALUES (1, 'A'), (2, NULL)");
  Transcript first = capture({{.name = "t"}});
  EXPECT_TRUE(first.opened);
  EXPECT_TRUE(first.ended);
  EXPECT_EQ(first.text(), line(backfilled("t", 0), "\"A\"", 1) + line(backfilled("t", 1), "null", 2));
  EXPECT_EQ(first.committed(), 2u);
  EXPECT_EQ(at(first.states.back(), "/bindingStateV1/test%2Ft/mode"), "\"Active\"");
  EXPECT_EQ(at(first.states.back(), "/bindingStateV1/test%2Ft/backfilled"), "2");
}

TEST_F(Source, CapturesInsertsUpdatesAndDeletes) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t VALUES (1, 'A'), (2, 'B')");
  capture({{.name = "t"}});
  sql("INSERT INTO test.t VALUES (3, 'C')");
  sql("UPDATE test.t SET data = 'x' WHERE id = 1");
  sql("UPDATE test.t SET data = 'y' WHERE id = 3");
  sql("DELETE FROM test.t WHERE id = 2");
  sql("DELETE FROM test.t WHERE id = 3");
  std::string gone = R"({"_meta":)" + changed("d", "t");
  EXPECT_EQ(capture({{.name = "t"}}).text(), line(changed("c", "t"), "\"C\"", 3) +
                                                 line(changed("u", "t"), "\"x\"", 1) +
                                                 line(changed("u", "t"), "\"y\"", 3) + gone + R"(,"id":2})" +
                                                 "\n" + gone + R"(,"id":3})" + "\n");
  EXPECT_EQ(capture({{.name = "t"}}).text(), "");
}

TEST_F(Source, CapturesWhereCommitsAreNotFlushed) {
  sql("ALTER DATABASE " + database_.name() + " SET synchronous_commit = off");
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t VALUES (1, 'A')");
  capture({{.name = "t"}});
  sql("INSERT INTO test.t VALUES (2, 'B')");
  EXPECT_EQ(capture({{.name = "t"}}).text(), line(changed("c", "t"), "\"B\"", 2));
  sql("INSERT INTO test.t VALUES (3, 'C')");
  EXPECT_EQ(capture({{.name = "t"}}, {{"read_only_capture", "true"}}).text(),
            line(changed("c", "t"), "\"C\"", 3));
}

TEST_F(Source, CapturesAnEmptyTable) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text)");
  EXPECT_EQ(capture({{.name = "t"}}).text(), "");
  sql("INSERT INTO test.t VALUES (1, 'A')");
  EXPECT_EQ(capture({{.name = "t"}}).text(), line(changed("c", "t"), "\"A\"", 1));
}

TEST_F(Source, IgnoresTablesWithoutABinding) {
  sql("CREATE TABLE test.a (id int PRIMARY KEY, data text); CREATE TABLE test.b (id int PRIMARY KEY, data "
      "text)");
  sql("INSERT INTO test.a VALUES (1, 'A'); INSERT INTO test.b VALUES (1, 'B')");
  EXPECT_EQ(capture({{.name = "a"}}).documents.size(), 1u);
  sql("INSERT INTO test.a VALUES (2, 'A'); INSERT INTO test.b VALUES (2, 'B')");
  Transcript second = capture({{.name = "a"}});
  EXPECT_EQ(second.text(), line(changed("c", "a"), "\"A\"", 2));
}

TEST_F(Source, BindingsComeAndGo) {
  sql("CREATE TABLE test.a (id int PRIMARY KEY, data text); CREATE TABLE test.b (id int PRIMARY KEY, data "
      "text)");
  sql("INSERT INTO test.a VALUES (1, 'A'); INSERT INTO test.b VALUES (1, 'B')");
  EXPECT_EQ(capture({{.name = "a"}}).documents.size(), 1u);
  EXPECT_EQ(capture({{.name = "a"}, {.name = "b"}}).text(1), line(backfilled("b", 0), "\"B\"", 1));
  Transcript without = capture({{.name = "a"}});
  EXPECT_EQ(at(without.states.back(), "/bindingStateV1/test%2Fb/mode"), "\"Ignore\"");
  sql("INSERT INTO test.b VALUES (2, 'B2')");
  Transcript again = capture({{.name = "b"}, {.name = "a"}});
  EXPECT_EQ(again.text(0), line(backfilled("b", 0), "\"B\"", 1) + line(backfilled("b", 1), "\"B2\"", 2));
  EXPECT_EQ(again.text(1), "");
}

TEST_F(Source, RaisingEveryBackfillCounterStartsOver) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t VALUES (1, 'A')");
  capture({{.name = "t"}});
  sql("SELECT pg_drop_replication_slot('" + slot_ + "')");
  EXPECT_NE(capture_failure({{.name = "t"}}).find("is gone"), std::string::npos);
  EXPECT_NE(capture_failure({{.name = "t"}}).find("backfill counter"), std::string::npos);
  Transcript again = capture({{.name = "t", .backfill = 1}});
  EXPECT_EQ(again.text(), line(backfilled("t", 0), "\"A\"", 1));
  EXPECT_EQ(at(again.states.back(), "/bindingStateV1/test%2Ft/mode"), "\"Ignore\"");
  EXPECT_EQ(at(again.states.back(), "/bindingStateV1/test%2Ft.v1/mode"), "\"Active\"");
}

TEST_F(Source, AMissingTableIsReportedWithTheOthers) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t VALUES (1, 'A')");
  capture({{.name = "t"}});
  sql("DROP TABLE test.t");
  std::string failure = capture_failure({{.name = "t"}});
  EXPECT_NE(failure.find("table test.t does not exist"), std::string::npos) << failure;
}

TEST_F(Source, OnlyChangesReadsNothingAtFirst) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t VALUES (1, 'A')");
  Table table{.name = "t", .resource = R"("mode":"Only Changes")"};
  EXPECT_EQ(capture({table}).text(), "");
  sql("INSERT INTO test.t VALUES (2, 'B')");
  EXPECT_EQ(capture({table}).text(), line(changed("c", "t"), "\"B\"", 2));
}

TEST_F(Source, SkippedBackfillsStillReplicate) {
  sql("CREATE TABLE test.a (id int PRIMARY KEY, data text); CREATE TABLE test.b (id int PRIMARY KEY, data "
      "text)");
  sql("INSERT INTO test.a VALUES (1, 'A'); INSERT INTO test.b VALUES (1, 'B')");
  Members skip{{"skip_backfills", "\"TEST.A,other.x\""}};
  Transcript first = capture({{.name = "a"}, {.name = "b"}}, skip);
  EXPECT_EQ(first.text(0), "");
  EXPECT_EQ(first.text(1), line(backfilled("b", 0), "\"B\"", 1));
  sql("INSERT INTO test.a VALUES (2, 'A2')");
  EXPECT_EQ(capture({{.name = "a"}, {.name = "b"}}, skip).text(0), line(changed("c", "a"), "\"A2\"", 2));
}

TEST_F(Source, KeylessTablesAreReadByPosition) {
  sql("CREATE TABLE test.t (id int, data text); INSERT INTO test.t SELECT i, 'row ' || i FROM "
      "generate_series(1, 5000) i");
  Table table{.name = "t", .key = {}, .resource = R"("mode":"Without Primary Key")"};
  Transcript first = capture({table}, {{"backfill_chunk_size", "700"}});
  EXPECT_EQ(first.documents.size(), 5000u);
  std::set<std::string> rows, locations;
  for (const Document& document : first.documents) {
    rows.insert(at(document.json, "/id"));
    locations.insert(at(document.json, "/_meta/source/loc"));
  }
  EXPECT_EQ(rows.size(), 5000u);
  EXPECT_EQ(locations.size(), 5000u);
  EXPECT_GT(first.patches.size(), 6u);
  sql("INSERT INTO test.t VALUES (5001, 'new')");
  EXPECT_EQ(capture({table}).text(), line(changed("c", "t"), "\"new\"", 5001));
}

TEST_F(Source, EveryChunkIsAPlaceToGoOn) {
  sql("CREATE TABLE test.t (a text, id int, data text, PRIMARY KEY (a, id))");
  sql("INSERT INTO test.t SELECT (ARRAY['', 'a''b', 'a\\b', 'A\"B', 'ÿ', E'tab\\there'])[i % 6 + 1], i, 'x' "
      "FROM "
      "generate_series(1, 24) i");
  Table table{.name = "t", .key = {"a", "id"}};
  // The slot has moved on with the first session; there were no changes that could be missed.
  Members one_row{{"backfill_chunk_size", "1"}, {"feature_flags", "\"allow_slot_gap\""}};
  Transcript whole = capture({table}, one_row);
  EXPECT_EQ(whole.documents.size(), 24u);
  // Starts again from each state that was committed: what came later comes again, exactly.
  for (std::size_t i = 2; i < whole.states.size(); i += 5) {
    state_ = whole.states[i];
    std::size_t before = 0;
    for (const Document& document : whole.documents) before += document.checkpoint <= i;
    Transcript rest = capture({table}, one_row);
    EXPECT_EQ(rest.documents.size(), 24 - before) << whole.states[i];
    for (const Document& document : rest.documents)
      EXPECT_EQ(document.json,
                whole.documents[before + static_cast<std::size_t>(&document - rest.documents.data())].json);
  }
}

TEST_F(Source, AKeyOfTheCatalogServesTheScan) {
  sql("CREATE TABLE test.t (year int, state text, population int)");
  sql("INSERT INTO test.t VALUES (1970, 'NY', 1), (1970, 'CA', 2), (1980, 'NY', 3), (1980, NULL, 4), (NULL, "
      "'CA', 5), "
      "(NULL, NULL, 6)");
  Transcript all = capture({{.name = "t", .key = {"year", "state"}}}, {{"backfill_chunk_size", "1"}});
  std::set<std::string> rows;
  for (const Document& document : all.documents) rows.insert(at(document.json, "/population"));
  EXPECT_EQ(rows.size(), 6u) << all.text();
}

TEST_F(Source, AnotherKeyMayReplaceTheTablesOwn) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text NOT NULL); INSERT INTO test.t SELECT i, 'k' || 9 - "
      "i FROM "
      "generate_series(1, 5) i");
  Table table{.name = "t", .key = {"data"}, .resource = R"("primary_key":["data"])"};
  EXPECT_EQ(capture({table}, {{"backfill_chunk_size", "1"}}).documents.size(), 5u);
}

TEST_F(Source, FiltersOfABindingAndMinimumXidLimitTheBackfill) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t SELECT i, 'x' FROM "
      "generate_series(1, 20) i");
  Table filtered{.name = "t",
                 .resource = R"("advanced":{"additional_backfill_filter":"id % 2 = 0 OR id = 1"})"};
  EXPECT_EQ(capture({filtered}, {{"backfill_chunk_size", "3"}}).documents.size(), 11u);
  state_.clear();
  std::string xid = sql("SELECT txid_current() % 4294967296").text(0, 0);
  sql("INSERT INTO test.t SELECT i, 'y' FROM generate_series(21, 25) i");
  Transcript recent =
      capture({{.name = "t"}}, {{"min_backfill_xid", "\"" + xid + "\""}, {"backfill_chunk_size", "4"}});
  EXPECT_EQ(recent.documents.size(), 5u) << recent.text();
  EXPECT_EQ(at(recent.documents[0].json, "/xmin"), "(absent)");
}

TEST_F(Source, TablesOfHighPriorityComeFirst) {
  std::vector<Table> tables;
  for (auto [name, priority] : {std::pair{"low", "-1"}, std::pair{"usual", "0"}, std::pair{"high", "5"}}) {
    sql(std::string("CREATE TABLE test.") + name + " (id int PRIMARY KEY); INSERT INTO test." + name +
        " SELECT generate_series(1, 10)");
    tables.push_back({.name = name, .resource = std::string("\"priority\":") + priority});
  }
  Transcript all = capture(tables, {{"backfill_chunk_size", "3"}});
  std::string order;
  for (const Document& document : all.documents)
    if (order.empty() || order.back() != '0' + static_cast<char>(document.binding))
      order += static_cast<char>('0' + document.binding);
  EXPECT_EQ(order, "210");
}

TEST_F(Source, PreciseBackfillsMergeWithChanges) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text); INSERT INTO test.t SELECT i * 10, 'old' FROM "
      "generate_series(1, 6) i");
  Members three{{"backfill_chunk_size", "3"}, {"feature_flags", "\"allow_slot_gap\""}};
  Transcript first = capture({{.name = "t"}}, three);
  ASSERT_EQ(first.documents.size(), 6u);
  // Back to where half of the table was read.
  for (const std::string& state : first.states)
    if (at(state, "/bindingStateV1/test%2Ft/mode") == "\"Backfill\"" &&
        at(state, "/bindingStateV1/test%2Ft/backfilled") == "3")
      state_ = state;
  EXPECT_EQ(at(state_, "/bindingStateV1/test%2Ft/scanned"), "\"FR4=\"");
  sql("INSERT INTO test.t VALUES (15, 'new'), (45, 'new')");
  sql("UPDATE test.t SET data = 'changed' WHERE id IN (20, 50)");
  sql("DELETE FROM test.t WHERE id IN (10, 60)");
  sql("UPDATE test.t SET id = 55 WHERE id = 30");
  Collection collection({"/id"});
  for (const Document& document : first.documents)
    if (document.checkpoint <= 3) collection.add(document.json);
  Transcript rest = capture({{.name = "t"}}, three);
  std::vector<std::string> changes;
  for (const Document& document : rest.documents) {
    collection.add(document.json);
    if (at(document.json, "/_meta/source/snapshot") != "true")
      changes.push_back(at(document.json, "/_meta/op") + at(document.json, "/id"));
  }
  EXPECT_EQ(changes, (std::vector<std::string>{"\"c\"15", "\"u\"20", "\"d\"10", "\"d\"30"}));
  std::string keys;
  for (const auto& [key, row] : collection.rows) keys += key + row.at("data") + " ";
  EXPECT_EQ(keys, "15 \"new\" 20 \"changed\" 40 \"old\" 45 \"new\" 50 \"changed\" 55 \"old\" ");
}

TEST_F(Source, PreciseBackfillsByTextKeysGoByBytes) {
  sql("CREATE TABLE test.t (k text COLLATE \"und-x-icu\" PRIMARY KEY, id int); INSERT INTO test.t SELECT k, "
      "1 FROM "
      "unnest(ARRAY['b', 'A', 'a', 'B', 'é', 'z', '_', 'aB', 'Ab']) k");
  Table table{.name = "t", .key = {"k"}, .resource = R"("mode":"Precise")"};
  Transcript all = capture({table}, {{"backfill_chunk_size", "2"}});
  std::string order;
  for (const Document& document : all.documents) order += at(document.json, "/k");
  EXPECT_EQ(order, R"("A""Ab""B""_""a""aB""b""z""é")");
  Transcript usual = [&] {
    state_.clear();
    return capture({{.name = "t", .key = {"k"}}}, {{"backfill_chunk_size", "2"}});
  }();
  EXPECT_EQ(usual.documents.size(), 9u);
  EXPECT_EQ(usual.states.empty(), false);
}

TEST_F(Source, ValidationFindsWhatCannotBeBackfilled) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, data text)");
  EXPECT_EQ(validate({{.name = "t"}}), "(none)");
  EXPECT_NE(validate({{.name = "t", .key = {}}}).find("keyed by the position of changes"), std::string::npos);
  EXPECT_EQ(validate({{.name = "t", .key = {}, .resource = R"("mode":"Without Primary Key")"}}), "(none)");
  protocol::CaptureSpec last = spec({{.name = "t"}});
  Table normal{.name = "t", .resource = R"("mode":"Normal")"};
  EXPECT_NE(validate({normal}, {}, last).find("raise its backfill counter"), std::string::npos);
  normal.backfill = 1;
  EXPECT_EQ(validate({normal}, {}, last), "(none)");
  Table filtered{.name = "t", .resource = R"("advanced":{"additional_backfill_filter":"id > 1"})"};
  EXPECT_NE(validate({filtered}, {}, last).find("backfill filter of table test.t"), std::string::npos);
  EXPECT_EQ(validate({{.name = "t"}}, {}, spec({filtered})), "(none)");
}

}  // namespace
}  // namespace sluice::source_test
