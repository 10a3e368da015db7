// Validate and Apply on real files.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "apply.hpp"
#include "sluice/base/error.hpp"
#include "sluice/testing/snapshot.hpp"
#include "support.hpp"

namespace sluice::testing {
namespace {

using Lines = std::vector<std::string>;
using protocol::Exists;
using protocol::MaterializationSpec;
using protocol::materialize::ConstraintType;
using protocol::materialize::Validate;

struct Apply : ::testing::Test {
  TempFolder folder;
  std::string file = folder.file("out.db");
  Bench bench;
  protocol::CollectionSpec collection = shop();
  BindingOptions options{"shop"};
  std::string flags;

  MaterializationSpec task() {
    std::string more = flags.empty() ? "" : fmt::format(R"(,"advanced":{{"feature_flags":"{}"}})", flags);
    return spec(config_of(file, more), {binding(collection, options)});
  }
  // Applies what the members say after what they said last.
  std::string apply() {
    MaterializationSpec next = task();
    std::string text = bench.apply(next, last ? &*last : nullptr).action_description;
    last = std::move(next);
    return text;
  }
  std::string failure() {
    try {
      apply();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::config);
      return e.what();
    }
    return {};
  }
  protocol::Projection& field(std::string_view name) {
    return *std::ranges::find(collection.projections, name, &protocol::Projection::field);
  }
  void types(std::string_view name, std::vector<std::string> types) {
    field(name).inference->types = std::move(types);
  }
  void select(std::string name, std::vector<std::string> types) {
    collection.projections.push_back(projection(name, "/" + name, std::move(types)));
    std::ranges::sort(collection.projections, {}, &protocol::Projection::field);
    options.values.push_back(std::move(name));
  }
  void store(Stored document) { bench.transact(task(), {std::move(document)}); }
  Lines columns() { return rows(file, "SELECT name, type, \"notnull\", pk FROM pragma_table_info('shop')"); }

  std::optional<MaterializationSpec> last;
};

TEST_F(Apply, SpecIsAsRecorded) {
  protocol::materialize::Spec spec = bench.spec();
  EXPECT_EQ(spec.protocol, 3032023u);
  EXPECT_FALSE(spec.documentation_url.empty());
  expect_snapshot(SNAPSHOTS "/endpoint.schema.json", pretty(spec.config_schema_json));
  expect_snapshot(SNAPSHOTS "/resource.schema.json", pretty(spec.resource_config_schema_json));
}

TEST_F(Apply, Creates) {
  EXPECT_EQ(
      apply(),
      R"(CREATE TABLE IF NOT EXISTS "flow_checkpoints_v1" ( -- Fences and checkpoints of materializations; written with each of their transactions
  "materialization" TEXT NOT NULL, -- name of the task
  "key_begin" INTEGER NOT NULL, -- first key hash of the shard
  "key_end" INTEGER NOT NULL, -- last key hash of the shard
  "fence" INTEGER NOT NULL, -- raised by each session that takes over
  "checkpoint" TEXT NOT NULL, -- consumer.Checkpoint of the last commit, in base64
  PRIMARY KEY ("materialization", "key_begin", "key_end")
);
CREATE TABLE IF NOT EXISTS "shop" ( -- Generated for materialization acme/sink of collection acme/shop
  "id" INTEGER NOT NULL, -- auto-generated projection of JSON at: /id with inferred types: [integer]
  "_meta/op" TEXT, -- auto-generated projection of JSON at: /_meta/op with inferred types: [string]
  "n" INTEGER, -- auto-generated projection of JSON at: /n with inferred types: [integer null]
  "name" TEXT, -- auto-generated projection of JSON at: /name with inferred types: [string]
  "flow_document" TEXT NOT NULL, -- auto-generated projection of JSON at:  with inferred types: [object]
  PRIMARY KEY ("id")
);)");
  EXPECT_EQ(columns(), (Lines{"id|INTEGER|1|1", "_meta/op|TEXT|0|0", "n|INTEGER|0|0", "name|TEXT|0|0",
                              "flow_document|TEXT|1|0"}));
  EXPECT_EQ(apply(), "");
  EXPECT_EQ(rows(file, "PRAGMA journal_mode"), Lines{"wal"});
}

TEST_F(Apply, AddsColumnsInPlace) {
  apply();
  store(Stored("[1]", R"(["c",1,"x"])", "{}"));
  select("extra", {"boolean"});
  select("wide", {"integer"});
  auto& numeric = field("wide").inference->numeric.emplace();
  numeric.has_minimum = true;
  numeric.minimum = -1e20;
  EXPECT_EQ(apply(),
            "ALTER TABLE \"shop\" ADD COLUMN \"extra\" BOOLEAN;\nALTER TABLE \"shop\" ADD COLUMN \"wide\";");
  EXPECT_EQ(apply(), "");
  store(Stored("[2]", R"(["c",2,"y",true,7])", "{}"));
  EXPECT_EQ(rows(file, "SELECT id, n, name, extra, wide FROM shop ORDER BY id"),
            (Lines{"1|1|x|NULL|NULL", "2|2|y|1|7"}));
}

TEST_F(Apply, ReleasesNotNullByCopying) {
  field("name").inference->exists = Exists::must;
  execute(file,
          "CREATE TABLE shop (id INTEGER NOT NULL, \"_meta/op\" TEXT, n INTEGER, name TEXT NOT NULL, "
          "flow_document TEXT NOT NULL, sum INT DEFAULT (1 + 2), half REAL DEFAULT -.5, "
          "day TEXT DEFAULT CURRENT_DATE, word DEFAULT new, quoted DEFAULT \"a b\", PRIMARY KEY (id))");
  apply();
  store(Stored("[1]", R"(["c",1,"x"])", R"({"a":1})"));
  execute(file,
          "CREATE INDEX by_name ON shop (name);"
          "CREATE TABLE seen (id);"
          "CREATE TRIGGER see AFTER INSERT ON shop BEGIN INSERT INTO seen VALUES (new.id); END;"
          "CREATE VIEW names AS SELECT name FROM shop;"
          "ALTER TABLE shop ADD COLUMN mine TEXT NOT NULL DEFAULT 'it''s mine'");
  field("name").inference->exists = Exists::may;
  std::string text = apply();
  EXPECT_NE(text.find("CREATE TABLE \"flow_rebuild_shop\""), std::string::npos) << text;
  EXPECT_EQ(columns(), (Lines{"id|INTEGER|1|1", "_meta/op|TEXT|0|0", "n|INTEGER|0|0", "name|TEXT|0|0",
                              "flow_document|TEXT|1|0", "sum|INT|0|0", "half|REAL|0|0", "day|TEXT|0|0",
                              "word||0|0", "quoted||0|0", "mine|TEXT|1|0"}));
  EXPECT_EQ(apply(), "");
  store(Stored("[2]", R"(["c",2,null])", "{}"));
  EXPECT_EQ(rows(file, "SELECT id, n, name, flow_document, mine FROM shop ORDER BY id"),
            (Lines{"1|1|x|{\"a\":1}|it's mine", "2|2|NULL|{}|it's mine"}));
  EXPECT_EQ(rows(file, "SELECT sum, half, length(day), word, quoted FROM shop ORDER BY id"),
            (Lines{"3|-0.5|10|new|a b", "3|-0.5|10|new|a b"}));
  EXPECT_EQ(rows(file, "SELECT * FROM names ORDER BY 1"), (Lines{"NULL", "x"}));
  EXPECT_EQ(rows(file, "SELECT * FROM seen"), Lines{"2"});
  EXPECT_EQ(rows(file, "SELECT name FROM pragma_index_list('shop')"), Lines{"by_name"});
  EXPECT_EQ(rows(file, "SELECT name FROM sqlite_schema WHERE name LIKE 'flow_rebuild%'"), Lines{});
}

TEST_F(Apply, ReleasesWhatIsNoLongerSelected) {
  field("name").inference->exists = Exists::must;
  apply();
  store(Stored("[1]", R"(["c",1,"x"])", "{}"));
  options.values = {"_meta/op", "n"};
  EXPECT_NE(apply(), "");
  store(Stored("[2]", R"(["c",2])", "{}"));
  EXPECT_EQ(rows(file, "SELECT id, name FROM shop ORDER BY id"), (Lines{"1|x", "2|NULL"}));
}

TEST_F(Apply, WidensTypesKeepingTheirValues) {
  struct {
    std::vector<std::string> from, to;
    std::string_view from_encoding, to_encoding;
    std::string value, before, after;
  } cases[] = {
      {{"integer"}, {"number"}, "", "", "5", "integer|5", "real|5.0"},
      {{"integer"}, {"string"}, "", "", "5", "integer|5", "text|5"},
      {{"integer"}, {"integer", "string"}, "", "", "-7", "integer|-7", "text|-7"},
      {{"number"}, {"string"}, "", "", "0.1", "real|0.1", "text|0.1"},
      {{"number"}, {"string"}, "", "", "1e21", "real|1.0e+21", "text|1000000000000000000000"},
      {{"number"},
       {"boolean", "number"},
       "",
       "",
       "0.30000000000000004",
       "real|0.3",
       "text|0.30000000000000004"},
      {{"boolean"}, {"string"}, "", "", "true", "integer|1", "text|true"},
      {{"boolean"}, {"boolean", "object"}, "", "", "false", "integer|0", "text|false"},
      {{"string"}, {"string"}, "base64", "", R"("aGk=")", "blob|x'6869'", "text|aGk="},
      {{"string"}, {"string"}, "", "base64", R"("aGk")", "text|aGk", "blob|x'6869'"},
      {{"object"}, {"string"}, "", "", R"({"a":1})", R"(text|{"a":1})", R"(text|{"a":1})"},
      {{"integer"},
       {"string"},
       "",
       "",
       "18446744073709551615",
       "text|18446744073709551615",
       "text|18446744073709551615"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(fmt::format("{} to {} of {}", fmt::join(c.from, ","), fmt::join(c.to, ","), c.value));
    std::filesystem::remove(file);
    last.reset();
    collection = shop();
    options = BindingOptions("shop");
    select("v", c.from);
    field("v").inference->string.emplace().content_encoding = c.from_encoding;
    apply();
    store(Stored("[1]", fmt::format(R"(["c",1,"x",{}])", c.value), "{}"));
    store(Stored("[2]", R"(["c",1,"x",null])", "{}"));
    auto value = [&] { return rows(file, "SELECT typeof(v), v FROM shop ORDER BY id"); };
    EXPECT_EQ(value(), (Lines{c.before, "null|NULL"}));
    types("v", c.to);
    field("v").inference->string.emplace().content_encoding = c.to_encoding;
    bool changes = c.before != c.after || c.value == "18446744073709551615";
    EXPECT_EQ(apply() != "", changes);
    EXPECT_EQ(value(), (Lines{c.after, "null|NULL"}));
    EXPECT_EQ(apply(), "");
  }
}

TEST_F(Apply, AMigrationThatFailsLeavesTheTable) {
  apply();
  store(Stored("[1]", R"(["c",1,"no base64!"])", "{}"));
  field("name").inference->string->content_encoding = "base64";
  constexpr std::string_view hint =
      "Change the table or its data by hand so that the statement succeeds, or increment the binding's "
      "backfill counter to re-create the table.";
  std::string what = failure();
  EXPECT_NE(what.find("altering table 'shop': database '"), std::string::npos) << what;
  EXPECT_NE(what.find("'no base64!' is not base64"), std::string::npos) << what;
  EXPECT_NE(what.find(hint), std::string::npos) << what;
  EXPECT_EQ(rows(file, "SELECT typeof(name), name FROM shop"), Lines{"text|no base64!"});
  // A session that finds the table so, too.
  EXPECT_THROW(
      {
        try {
          bench.transact(task(), {});
        } catch (const Error& e) {
          EXPECT_EQ(e.kind(), Error::Kind::config) << e.what();
          throw;
        }
      },
      Error);
  // Also what does not compile.
  execute(file, "CREATE TABLE flow_rebuild_shop (x)");
  what = failure();
  EXPECT_NE(what.find("altering table 'shop': database '"), std::string::npos) << what;
  EXPECT_NE(what.find("table \"flow_rebuild_shop\" already exists. Change the table"), std::string::npos)
      << what;
}

TEST_F(Apply, WhatPassesByItselfIsTriedAgain) {
  sqlite::Database database(file, sqlite::Database::Access::create);
  database.execute("CREATE TABLE t (x)");
  database.query_integer("PRAGMA max_page_count=4");
  sql::Step step;
  step.what = "filling table 't'";
  step.statements = {"INSERT INTO t VALUES (zeroblob(1000000))"};
  try {
    sqlite::run_step(database, step);
    FAIL() << "stored";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::transient);
    EXPECT_TRUE(e.message().starts_with("filling table 't': database '")) << e.message();
  }
}

TEST_F(Apply, StandardToDelta) {
  apply();
  store(Stored("[1]", R"(["c",1,"x"])", "{}"));
  options.delta = true;
  EXPECT_NE(apply().find("flow_rebuild_shop"), std::string::npos);
  EXPECT_EQ(columns()[0], "id|INTEGER|1|0");
  EXPECT_EQ(apply(), "");
  store(Stored("[1]", R"(["c",2,"y"])", "{}"));
  EXPECT_EQ(rows(file, "SELECT id, n FROM shop ORDER BY n"), (Lines{"1|1", "1|2"}));
}

TEST_F(Apply, BackfillTruncates) {
  apply();
  store(Stored("[1]", R"(["c",1,"x"])", "{}"));
  options.backfill = 1;
  EXPECT_EQ(apply(), "DELETE FROM \"shop\";");
  EXPECT_EQ(rows(file, "SELECT count(*) FROM shop"), Lines{"0"});
  EXPECT_TRUE(bench.logged("backfill triggered"));
}

TEST_F(Apply, BackfillRecreatesForAnIncompatibleType) {
  apply();
  store(Stored("[1]", R"(["c",1,"x"])", "{}"));
  execute(file, "CREATE INDEX by_name ON shop (name); ALTER TABLE shop ADD COLUMN mine");
  types("name", {"boolean"});
  options.backfill = 1;
  std::string text = apply();
  EXPECT_TRUE(text.starts_with("DROP TABLE \"shop\";\nCREATE TABLE IF NOT EXISTS \"shop\"")) << text;
  EXPECT_NE(text.find("-- lost with the former table: column \"mine\"; CREATE INDEX by_name"),
            std::string::npos);
  EXPECT_EQ(columns()[3], "name|BOOLEAN|0|0");
  EXPECT_EQ(rows(file, "SELECT count(*) FROM shop"), Lines{"0"});
}

TEST_F(Apply, BackfillMayRetainRows) {
  apply();
  store(Stored("[1]", R"(["c",1,"x"])", "{}"));
  options.backfill = 1;
  flags = "retain_existing_data_on_backfill";
  EXPECT_EQ(apply(), "");
  EXPECT_EQ(rows(file, "SELECT count(*) FROM shop"), Lines{"1"});
}

TEST_F(Apply, BackfillMayAlwaysDrop) {
  apply();
  options.backfill = 1;
  flags = "always_drop_tables_on_backfill";
  EXPECT_TRUE(apply().starts_with("DROP TABLE"));
}

TEST_F(Apply, RefusesToCopyWhatACopyWouldLose) {
  struct {
    std::string_view clause, why;
  } cases[] = {{"name TEXT CHECK (name <> '')", "it has a CHECK constraint"},
               {"name TEXT COLLATE NOCASE", "it has a COLLATE clause"},
               {"name TEXT REFERENCES other (x)", "it has a foreign key"},
               {"name TEXT UNIQUE", "it has a UNIQUE constraint"},
               {"name TEXT, g AS (id + 1)", "it has a generated column"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.clause);
    std::filesystem::remove(file);
    // A column named "check" and a comment about UNIQUE are no obstacle.
    execute(file,
            fmt::format("CREATE TABLE shop (id INTEGER NOT NULL, {}, n TEXT NOT NULL, \"check\" TEXT, "
                        "\"_meta/op\" TEXT, flow_document TEXT NOT NULL, PRIMARY KEY (id)) -- no UNIQUE here",
                        c.clause));
    types("n", {"boolean", "null", "string"});
    std::string what = failure();
    EXPECT_NE(what.find(fmt::format("table 'shop' must be copied into a new one to change, but {}", c.why)),
              std::string::npos)
        << what;
  }
  std::filesystem::remove(file);
  execute(
      file,
      "CREATE TABLE shop (id INTEGER NOT NULL, name TEXT, n TEXT NOT NULL, \"check\" TEXT DEFAULT 'unique', "
      "\"_meta/op\" TEXT, flow_document TEXT NOT NULL, /* references */ PRIMARY KEY (id)) -- no UNIQUE here");
  EXPECT_EQ(failure(), "");
}

TEST_F(Apply, ATableWithoutTheKeyIsRefused) {
  execute(file, "CREATE TABLE shop (id INTEGER NOT NULL, flow_document TEXT)");
  EXPECT_NE(failure().find("has no primary key or unique index on exactly its key columns (id)"),
            std::string::npos);
  execute(file, "CREATE UNIQUE INDEX u ON shop (id) WHERE id > 0");
  EXPECT_NE(failure(), "");
  execute(file, "CREATE UNIQUE INDEX v ON shop (id COLLATE NOCASE)");
  EXPECT_NE(failure(), "");
  execute(file, "CREATE UNIQUE INDEX w ON shop (id)");
  EXPECT_EQ(failure(), "");
  store(Stored("[1]", R"(["c",1,"x"])", "{}"));
  store(Stored("[1]", R"(["c",2,"y"])", "{}").exist());
  EXPECT_EQ(rows(file, "SELECT id, n, name FROM shop"), Lines{"1|2|y"});
}

TEST_F(Apply, StrangeNames) {
  options.table = "we \"ird\" -- table; DROP";
  options.values.clear();
  std::vector<std::string> names{
      " lead", "$",  "%s", "'q'", "\"dq\"", "0", "a b", "a\nb", "select", "trail ", "\xf0\x9f\x98\x80",
      "--c",   "/*", "?1", "[x]", "rowid",  "`"};
  for (const std::string& name : names) select(name, {"string"});
  options.values = names;
  auto b = binding(collection, options);
  b.resource_config_json = "{}";
  MaterializationSpec s = spec(config_of(file), {b});
  bench.apply(s);
  EXPECT_EQ(bench.apply(s, &s).action_description, "");
  std::string values = "[";
  for (std::size_t i = 0; i < names.size(); ++i) values += fmt::format("{}\"{}\"", i ? "," : "", i);
  bench.transact(s, {Stored("[1]", values + "]", "{}")});
  Keys keys{{0, "[1]"}};
  EXPECT_EQ(bench.transact(s, std::move(keys), {Stored("[1]", values + "]", "{}").exist()}), Lines{"0 {}"});
  EXPECT_EQ(
      rows(file,
           "SELECT \"'q'\", \"a\nb\", \"--c\", \"`\", \"rowid\" FROM \"we \"\"ird\"\" -- table; DROP\""),
      Lines{"3|7|11|16|15"});
  // Also through a copy.
  for (auto& p : b.collection->projections) p.inference->title = "line\nbreak -- and \"quotes\"";
  b.collection->projections[0].inference->types = {"string"};
  b.delta_updates = true;
  MaterializationSpec next = spec(config_of(file), {b});
  EXPECT_NE(bench.apply(next, &s).action_description, "");
  EXPECT_EQ(bench.apply(next, &s).action_description, "");
}

TEST_F(Apply, FieldsThatDifferInCaseAloneAreRefused) {
  select("NAME", {"string"});
  EXPECT_NE(failure().find("fields 'name' and 'NAME' of table 'shop' are the same column"),
            std::string::npos);
}

TEST_F(Apply, TableNamesAreOneWhateverTheirCase) {
  apply();
  options.table = "SHOP";
  EXPECT_EQ(apply(), "");
  auto both = spec(config_of(file), {binding(collection, BindingOptions("shop")),
                                     binding(collection, BindingOptions("Shop"))});
  EXPECT_THROW(bench.apply(both), Error);
}

TEST_F(Apply, ADroppedTableIsToldOf) {
  apply();
  execute(file, "DROP TABLE shop");
  EXPECT_TRUE(apply().starts_with("CREATE TABLE IF NOT EXISTS \"shop\""));
  EXPECT_TRUE(bench.logged("table is gone and is created empty"));
}

// ---- Validate ----

struct Validation : Apply {
  Validate request(std::string resource = R"({"table":"shop"})") {
    Validate v;
    v.name = "acme/sink";
    v.config_json = task().config_json;
    v.bindings.emplace_back();
    v.bindings[0].resource_config_json = std::move(resource);
    v.bindings[0].collection = collection;
    if (last) v.last_materialization = last;
    return v;
  }
  std::string refused(Validate v) {
    try {
      bench.validate(std::move(v));
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::config) << e.what();
      return e.what();
    }
    return {};
  }
};

TEST_F(Validation, CreatesNothing) {
  auto response = bench.validate(request());
  ASSERT_EQ(response.bindings.size(), 1u);
  EXPECT_EQ(response.bindings[0].resource_path, Lines{"shop"});
  EXPECT_TRUE(response.bindings[0].case_insensitive_fields);
  EXPECT_FALSE(response.bindings[0].delta_updates);
  EXPECT_FALSE(response.bindings[0].ser_policy);
  EXPECT_EQ(response.bindings[0].constraints.at("id").type, ConstraintType::location_required);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Validation, LeavesAnExistingFileAsItIs) {
  execute(file, "CREATE TABLE other (x)");
  auto before = std::filesystem::last_write_time(file);
  EXPECT_EQ(refused(request()), "");
  EXPECT_EQ(std::filesystem::last_write_time(file), before);
  EXPECT_EQ(rows(file, "PRAGMA journal_mode"), Lines{"delete"});
}

TEST_F(Validation, OfTheSameBindingChangesNothing) {
  apply();
  auto response = bench.validate(request());
  const auto& c = response.bindings[0].constraints;
  EXPECT_EQ(c.at("id").type, ConstraintType::field_required);
  EXPECT_EQ(c.at("flow_document").type, ConstraintType::field_required);
  EXPECT_EQ(c.at("n").type, ConstraintType::field_optional);
  types("n", {"string"});
  EXPECT_EQ(bench.validate(request()).bindings[0].constraints.at("n").type, ConstraintType::field_optional);
  types("name", {"boolean"});
  auto incompatible = bench.validate(request()).bindings[0].constraints.at("name");
  EXPECT_EQ(incompatible.type, ConstraintType::incompatible);
  EXPECT_EQ(incompatible.reason,
            "field 'name' is stored as TEXT but its schema { type: [boolean] } needs BOOLEAN");
  // Letter case makes no other table.
  auto renamed = bench.validate(request(R"({"table":"Shop"})"));
  EXPECT_EQ(renamed.bindings[0].constraints.at("id").type, ConstraintType::field_required);
  types("id", {"string"});
  EXPECT_EQ(bench.validate(request()).bindings[0].constraints.at("id").type, ConstraintType::incompatible);
}

TEST_F(Validation, ExistingTablesAreAdoptedOnlyIfTold) {
  execute(file, "CREATE TABLE shop (id INTEGER PRIMARY KEY, name VARCHAR(20), n REAL)");
  EXPECT_NE(refused(request()).find("table 'shop' already exists"), std::string::npos);
  flags = "allow_existing_tables_for_new_bindings";
  auto c = bench.validate(request()).bindings[0].constraints;
  EXPECT_EQ(c.at("id").type, ConstraintType::field_required);
  EXPECT_EQ(c.at("name").type, ConstraintType::field_optional);
  EXPECT_EQ(c.at("n").type, ConstraintType::incompatible);
  EXPECT_EQ(c.at("flow_document").type, ConstraintType::field_required);
  execute(file, "DROP TABLE shop; CREATE TABLE shop (id INTEGER, name TEXT)");
  EXPECT_EQ(bench.validate(request()).bindings[0].constraints.at("id").type, ConstraintType::incompatible);
}

TEST_F(Validation, ARowidIsNoColumnForNullKeys) {
  flags = "allow_existing_tables_for_new_bindings";
  types("id", {"integer", "null"});
  field("id").inference->default_json = "null";
  auto of_id = [&](std::string_view column) {
    std::filesystem::remove(file);
    execute(file, fmt::format("CREATE TABLE shop (id {}, flow_document TEXT)", column));
    return bench.validate(request()).bindings[0].constraints.at("id").type;
  };
  EXPECT_EQ(of_id("INTEGER PRIMARY KEY"), ConstraintType::incompatible);
  EXPECT_EQ(of_id("INT PRIMARY KEY"), ConstraintType::field_required);
  EXPECT_EQ(of_id("INTEGER UNIQUE"), ConstraintType::field_required);
}

TEST_F(Validation, ViewsAndVirtualTablesAreRefused) {
  execute(file, "CREATE VIEW shop AS SELECT 1 AS id");
  EXPECT_NE(refused(request()).find("'shop' is a view, not a table"), std::string::npos);
  execute(file, "CREATE VIRTUAL TABLE t USING fts5(x)");
  EXPECT_NE(refused(request(R"({"table":"t"})")).find("'t' is a virtual table, not a table"),
            std::string::npos);
  EXPECT_NE(refused(request(R"({"table":"t_data"})")).find("'t_data' is a shadow table, not a table"),
            std::string::npos);
}

TEST_F(Validation, ConfigurationsAreStrict) {
  Validate v = request();
  v.config_json = R"({"path":"/tmp/x.db","pth":1})";
  EXPECT_NE(refused(v).find("pth"), std::string::npos);
  EXPECT_NE(refused(request(R"({"table":"shop","schema":"x"})")).find("schema"), std::string::npos);
  EXPECT_NE(refused(request("{}")).find("table"), std::string::npos);
  EXPECT_NE(refused(request(R"({"table":"sqlite_x"})")).find("reserved by SQLite"), std::string::npos);
  EXPECT_NE(refused(request(R"({"table":"FLOW_checkpoints_v1"})")).find("holds the checkpoints"),
            std::string::npos);
  v = request();
  v.bindings[0].field_config_json_map["n"] = R"({"cast":true})";
  execute(file, "CREATE TABLE shop (id INTEGER PRIMARY KEY, n INTEGER)");
  v.config_json =
      config_of(file, R"(,"advanced":{"feature_flags":"allow_existing_tables_for_new_bindings"})");
  EXPECT_NE(refused(v).find("field 'n'"), std::string::npos);
  v.config_json = R"({"path":":memory:"})";
  EXPECT_NE(refused(v).find("':memory:' would lose every row"), std::string::npos);
  v.config_json = R"({"path":""})";
  EXPECT_NE(refused(v).find("path"), std::string::npos);
}

TEST_F(Validation, LargeValuesAreCutOnlyIfTold) {
  flags = "truncate_large_values";
  auto response = bench.validate(request());
  ASSERT_TRUE(response.bindings[0].ser_policy);
  EXPECT_EQ(*response.bindings[0].ser_policy, (protocol::SerPolicy{65536, 1000, 1000}));
}

}  // namespace
}  // namespace sluice::testing
