#include "sluice/sql/apply.hpp"

#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "sluice/base/error.hpp"

namespace sluice::sql {
namespace {

using protocol::Exists;
using protocol::MaterializationBinding;
using protocol::Projection;

// A task of one binding on table `t`: key id, values, document doc.
struct Case {
  PlainDialect dialect;
  Rules rules;
  MaterializationBinding next;
  std::optional<MaterializationBinding> last;
  bool last_inactive = false;
  std::vector<LiveTable> tables;

  Case() {
    next = bind({key("id"), root("doc"), field("a", {"string"}), field("b", {"integer"}, Exists::must)},
                {"a", "b"});
    tables.push_back(live("flow_checkpoints_v1", {{"materialization", "text!"}}, {"materialization"}));
  }
  static MaterializationBinding bind(std::vector<Projection> projections, std::vector<std::string> values) {
    MaterializationBinding b;
    b.resource_path = {"t"};
    b.collection.emplace();
    b.collection->name = "acme/c";
    b.collection->key = {"/id"};
    b.collection->projections = std::move(projections);
    b.field_selection.emplace();
    b.field_selection->keys = {"id"};
    b.field_selection->values = std::move(values);
    b.field_selection->document = "doc";
    return b;
  }
  Case& has(LiveTable t) {
    tables.push_back(std::move(t));
    return *this;
  }
  Projection& of(std::string_view name) {
    return *std::ranges::find(next.collection->projections, name, &Projection::field);
  }
  Plan run() const {
    InfoSchema info(dialect);
    for (const LiveTable& t : tables) info.add(t);
    protocol::materialize::Apply request;
    request.materialization.emplace().name = "acme/sink";
    request.materialization->bindings = {next};
    if (last) {
      request.last_materialization.emplace();
      auto& to = last_inactive ? request.last_materialization->inactive_bindings
                               : request.last_materialization->bindings;
      to = {*last};
    }
    return plan(dialect, rules, request, {"flow_checkpoints_v1"}, info);
  }
  std::string text() const { return run().description(); }
  std::string error() const {
    try {
      run();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::config);
      return e.what();
    }
    return {};
  }
};

LiveTable fitting() { return live("t", {{"id", "int!"}, {"a", "text"}, {"b", "int!"}, {"doc", "json!"}}); }

TEST(Apply, CreatesWhatIsMissing) {
  Case c;
  c.tables.clear();
  EXPECT_EQ(c.text(), "CREATE \"flow_checkpoints_v1\"\nCREATE \"t\"");
  EXPECT_TRUE(c.run().notices.empty());
}

TEST(Apply, RepeatsWithoutEffect) {
  Case c;
  c.has(fitting());
  EXPECT_EQ(c.text(), "");
  c.last = c.next;
  EXPECT_EQ(c.text(), "");
}

TEST(Apply, ATableThatVanishedIsCreatedWithAWarning) {
  Case c;
  c.last = c.next;
  EXPECT_EQ(c.text(), "CREATE \"t\"");
  ASSERT_EQ(c.run().notices.size(), 1u);
  EXPECT_EQ(c.run().notices[0].kind, Notice::Kind::vanished);
  // With its checkpoint, everything comes again.
  c.tables.clear();
  EXPECT_TRUE(c.run().notices.empty());
}

TEST(Apply, AddsColumnsAndReleasesWhatIsNoLongerSelected) {
  Case c;
  c.last = c.next;
  c.has(live("t", {{"id", "int!"}, {"a", "text"}, {"old", "text!"}, {"older", "text"}, {"doc", "json!"}}));
  EXPECT_EQ(c.text(), "ALTER \"t\" +b null old");
}

TEST(Apply, ReleasesWhatMayBeAbsentNow) {
  Case c;
  c.has(live("t", {{"id", "int!"}, {"a", "text!"}, {"b", "int!"}, {"doc", "json!"}}));
  EXPECT_EQ(c.text(), "ALTER \"t\" null a");
  c.of("a").inference->default_json = "\"x\"";
  EXPECT_EQ(c.text(), "");
  c.of("a").inference->default_json.clear();
  c.tables.back().columns[1].has_default = true;
  EXPECT_EQ(c.text(), "");
}

TEST(Apply, NeverAddsNotNull) {
  Case c;
  c.has(live("t", {{"id", "int!"}, {"a", "text"}, {"b", "int"}, {"doc", "json"}}));
  EXPECT_EQ(c.text(), "");
}

TEST(Apply, UnselectedColumnsThatFillThemselvesStay) {
  Case c;
  c.has(live(
      "t", {{"id", "int!"}, {"a", "text"}, {"b", "int!"}, {"doc", "json!"}, {"x", "text!"}, {"y", "int!"}}));
  c.tables.back().columns[4].has_default = true;
  c.tables.back().columns[5].computed = true;
  EXPECT_EQ(c.text(), "");
}

TEST(Apply, AnUnfilledPrimaryKeyMemberIsTheUsersToFix) {
  Case c;
  c.has(live("t", {{"id", "int!"}, {"a", "text"}, {"b", "int!"}, {"doc", "json!"}, {"x", "int!"}}, {"x"}));
  c.tables.back().unique_keys.push_back({"id"});
  EXPECT_NE(c.error().find("column 'x' of table 't' is part of its primary key"), std::string::npos);
}

TEST(Apply, MigratesValuesAndTellsOfIt) {
  Case c;
  c.has(live("t", {{"id", "int!"}, {"a", "int"}, {"b", "int!"}, {"doc", "json!"}}));
  EXPECT_EQ(c.text(), "ALTER \"t\" a=text(\"a\")");
  Notice n = c.run().notices.at(0);
  EXPECT_EQ(n.kind, Notice::Kind::migration);
  EXPECT_EQ(n.field + " " + n.from + " " + n.to, "a INT text");
}

TEST(Apply, AMismatchIsOnlyAWarning) {
  Case c;
  c.has(live("t", {{"id", "int!"}, {"a", "float"}, {"b", "int!"}, {"doc", "json!"}}));
  EXPECT_EQ(c.text(), "");
  EXPECT_EQ(c.run().notices.at(0).kind, Notice::Kind::mismatch);
}

TEST(Apply, StandardToDeltaDropsThePrimaryKey) {
  Case c;
  c.has(fitting());
  c.last = c.next;
  c.next.delta_updates = true;
  EXPECT_EQ(c.text(), "ALTER \"t\" -pk");
  // A number that the database makes up stays.
  c.tables.back() =
      live("t", {{"id", "int!"}, {"a", "text"}, {"b", "int!"}, {"doc", "json!"}, {"n", "int!"}}, {"n"});
  c.tables.back().columns[4].computed = true;
  EXPECT_EQ(c.text(), "");
}

TEST(Apply, AStandardTableMustBeUniqueByItsKey) {
  Case c;
  c.has(live("t", {{"id", "int!"}, {"a", "text"}, {"b", "int!"}, {"doc", "json!"}}, {}));
  EXPECT_NE(c.error().find("no primary key or unique index on exactly its key columns (id)"),
            std::string::npos);
  c.tables.back().unique_keys = {{"id", "a"}};
  EXPECT_NE(c.error(), "");
  c.tables.back().unique_keys.push_back({"id"});
  EXPECT_EQ(c.text(), "");
}

TEST(Apply, ViewsAreRefused) {
  Case c;
  c.has(fitting());
  c.tables.back().kind = "view";
  EXPECT_NE(c.error().find("'t' is a view"), std::string::npos);
}

// ---- backfill ----

struct Backfill : ::testing::Test {
  Case c;
  Backfill() {
    c.has(fitting());
    c.last = c.next;
    c.next.backfill = 1;
  }
};

TEST_F(Backfill, Truncates) {
  EXPECT_EQ(c.text(), "TRUNCATE \"t\"");
  ASSERT_EQ(c.run().notices.size(), 1u);
  EXPECT_EQ(c.run().notices[0].kind, Notice::Kind::backfill);
  EXPECT_EQ(c.run().notices[0].count, 1u);
}

TEST_F(Backfill, TheCounterMayAlsoSinkAndTheBindingMayHaveBeenDisabled) {
  c.last->backfill = 5;
  c.last_inactive = true;
  EXPECT_EQ(c.text(), "TRUNCATE \"t\"");
}

TEST_F(Backfill, TruncatesAndAlters) {
  c.tables.back() = live("t", {{"id", "int!"}, {"a", "int!"}, {"old", "text!"}, {"doc", "json!"}});
  EXPECT_EQ(c.text(), "TRUNCATE \"t\"\nALTER \"t\" +b null a null old a=text(\"a\")");
}

TEST_F(Backfill, RecreatesForAnIncompatibleColumn) {
  c.tables.back().columns[1].type = "float";
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"");
}

TEST_F(Backfill, RecreatesForAMigratableKey) {
  c.next.collection->projections[0] = key("id", "string");
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"");
}

TEST_F(Backfill, RecreatesForAnotherKey) {
  c.next.collection->key = {"/id", "/b"};
  c.next.field_selection->keys = {"id", "b"};
  c.next.field_selection->values = {"a"};
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"");
}

TEST_F(Backfill, RecreatesWhatIsNotUniqueByTheKey) {
  c.tables.back().unique_keys = {};
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"");
}

TEST_F(Backfill, RecreatesFromDeltaToStandard) {
  c.last->delta_updates = true;
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"");
}

TEST_F(Backfill, RecreatesIfTold) {
  c.rules.always_drop_tables_on_backfill = true;
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"");
}

TEST_F(Backfill, RecreatesWhatCannotBeRebuilt) {
  c.tables.back().fixed = "has a CHECK constraint";
  EXPECT_EQ(c.text(), "TRUNCATE \"t\"");
  c.tables.back().columns[1].nullable = false;
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"");
}

TEST_F(Backfill, ToldWhatARecreatedTableLoses) {
  c.rules.always_drop_tables_on_backfill = true;
  c.tables.back().columns.push_back({"mine", "text"});
  c.tables.back().extras = {"CREATE INDEX i ON t(a)"};
  EXPECT_EQ(
      c.text(),
      "DROP \"t\"\nCREATE \"t\"\n-- lost with the former table: column \"mine\"; CREATE INDEX i ON t(a)");
}

TEST_F(Backfill, RetainsIfToldAndPossible) {
  c.rules.retain_existing_data_on_backfill = true;
  EXPECT_EQ(c.text(), "");
  c.tables.back().columns[1].nullable = false;
  EXPECT_EQ(c.text(), "ALTER \"t\" null a");
  c.tables.back().columns[1].type = "float";
  EXPECT_NE(c.error().find("retain_existing_data_on_backfill"), std::string::npos);
}

TEST_F(Backfill, TruncationsComeFirst) {
  InfoSchema info(c.dialect);
  for (const LiveTable& t : c.tables) info.add(t);
  protocol::materialize::Apply request;
  request.materialization.emplace().bindings = {c.next, c.next};
  request.materialization->bindings[0].resource_path = {"new"};
  request.last_materialization.emplace().bindings = {*c.last};
  EXPECT_EQ(plan(c.dialect, c.rules, request, {"flow_checkpoints_v1"}, info).description(),
            "TRUNCATE \"t\"\nCREATE \"new\"");
}

// ---- the table ----

TEST(Table, OrdersColumnsAndDescribesThem) {
  PlainDialect dialect;
  Case c;
  c.of("a").inference->title = "Title";
  c.of("a").inference->description = "What it is.";
  c.of("a").is_explicit = true;
  Table t = table_of(dialect, "acme/sink", c.next);
  ASSERT_EQ(t.columns.size(), 4u);
  EXPECT_EQ(t.keys()[0].field, "id");
  EXPECT_EQ(t.values()[0].field, "a");
  EXPECT_EQ(t.document()->field, "doc");
  EXPECT_EQ(t.comment, "Generated for materialization acme/sink of collection acme/c");
  EXPECT_EQ(t.columns[1].comment,
            "Title\nWhat it is.\nuser-provided projection of JSON at: /a with inferred types: [string]");
  EXPECT_EQ(t.columns[3].comment, "auto-generated projection of JSON at:  with inferred types: [object]");
  EXPECT_TRUE(t.columns[0].not_null);
  EXPECT_FALSE(t.columns[1].not_null);
}

TEST(Table, TooManyColumns) {
  Case c;
  c.dialect.most_columns = 3;
  EXPECT_NE(c.error().find("table 't' would have 4 columns, the database allows 3"), std::string::npos);
}

TEST(Apply, ColumnsThatNoFieldFillsCountToo) {
  Case c;
  c.has(live("t", {{"id", "int!"}, {"a", "text"}, {"old", "text"}, {"doc", "json!"}}));
  c.dialect.most_columns = 5;
  EXPECT_EQ(c.text(), "ALTER \"t\" +b");
  c.dialect.most_columns = 4;
  EXPECT_EQ(c.error(),
            "table 't' has 4 columns and would have 5, the database allows 4. Exclude fields of the binding, "
            "drop columns that no field fills, or increment the binding's backfill counter to re-create the "
            "table.");
  // As told.
  c.last = c.next;
  c.next.backfill = 1;
  EXPECT_EQ(c.text(), "DROP \"t\"\nCREATE \"t\"\n-- lost with the former table: column \"old\"");
}

TEST(Table, FieldsThatFoldIntoOneColumn) {
  Case c;
  c.next.collection->projections.push_back(field("A", {"string"}));
  c.next.field_selection->values.push_back("A");
  EXPECT_EQ(c.error(), "");
  c.dialect.fold_case = true;
  EXPECT_NE(c.error().find("fields 'a' and 'A' of table 't' are the same column"), std::string::npos);
}

TEST(Table, ASelectedFieldMustBeProjected) {
  Case c;
  c.next.field_selection->values.push_back("gone");
  EXPECT_NE(c.error().find("field 'gone' is selected but collection 'acme/c' has no projection"),
            std::string::npos);
}

TEST(Table, Checkpoints) {
  PlainDialect dialect;
  Table t = checkpoint_table(dialect, {"flow_checkpoints_v1"});
  ASSERT_EQ(t.columns.size(), 5u);
  EXPECT_EQ(t.key_count, 3u);
  for (const Column& column : t.columns) {
    EXPECT_TRUE(column.not_null);
    EXPECT_FALSE(column.comment.empty());
  }
  EXPECT_EQ(t.columns[3].type.ddl, "int");
  EXPECT_EQ(t.columns[4].type.ddl, "text");
}

}  // namespace
}  // namespace sluice::sql
