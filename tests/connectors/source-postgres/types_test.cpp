#include "sluice/testing/snapshot.hpp"
#include "source-postgres/source_postgres.hpp"
#include "support.hpp"

// Every type's values are the same by backfill and by replication (X-8), and every type serves as scan key.
namespace sluice::source_test {
namespace {

struct Values {
  const char* type;
  std::vector<const char*> literals;
};

// §4.2 to §4.6 of the capture's specification.
const std::vector<Values>& values() {
  static const std::vector<Values> all{
      {"bool", {"'t'", "'f'"}},
      {"int2", {"-32768", "32767"}},
      {"int4", {"-2147483648", "2147483647"}},
      {"int8", {"-9223372036854775808", "9223372036854775807"}},
      {"oid", {"4294967295"}},
      {"numeric", {"123456.7890", "-0.0000001", "1e40", "'NaN'", "'Infinity'", "'-Infinity'"}},
      {"numeric(10, 2)", {"1", "-99999999.99"}},
      {"float4", {"1.5", "-1e38", "3.4e-38", "'NaN'", "'Infinity'", "'-Infinity'", "0.1"}},
      {"float8", {"1.5", "-1e300", "5e-324", "'NaN'", "'Infinity'", "'-Infinity'", "0.1", "1e22"}},
      {"text", {"''", "'a\"b\\c'", "E'tab\\tnl\\ncr\\rbell\\x07'", "'ünïcödé 漢字 🎉'", "'\\N'", "'<&>'"}},
      {"varchar(20)", {"'x'"}},
      {"char(5)", {"'ab'"}},
      {"bytea", {"'\\x00ff10'", "''"}},
      {"bit(4)", {"'0101'"}},
      {"varbit", {"'01'"}},
      {"json",
       {"'{\"a\": [1, 2.50, \"\\ud83d\\ude00\"], \"b\": null}'", "'null'", "'\"\\ud800\"'",
        "'12345678901234567890.10'"}},
      {"jsonb", {"'{\"b\": 1, \"a\": [true, null]}'", "'null'"}},
      {"xml", {"'<a>b</a>'"}},
      {"date",
       {"'2024-02-29'", "'infinity'", "'-infinity'", "'12024-01-01'", "'0044-03-15 BC'", "'0001-01-01 BC'"}},
      {"timestamp",
       {"'2024-02-29 12:34:56.789'", "'infinity'", "'-infinity'", "'1970-01-01'", "'20000-01-01'"}},
      {"timestamptz",
       {"'2024-02-29 12:34:56.789+02'", "'infinity'", "'1883-11-18 12:00:00 America/New_York'"}},
      {"time", {"'12:34:56.5'", "'24:00:00'", "'allballs'"}},
      {"timetz", {"'12:34:56+05:30'", "'12:34:56Z'"}},
      {"interval", {"'1 year 2 months 3 days'", "'5:30'", "'0'", "'-1 mon -2 days +03:00:00.5'"}},
      {"point", {"'(1,2)'"}},
      {"line", {"'{1,2,3}'"}},
      {"lseg", {"'[(1,2),(3,4)]'"}},
      {"box", {"'(1,2),(3,4)'"}},
      {"path", {"'[(1,2),(3,4)]'", "'((1,2),(3,4))'"}},
      {"polygon", {"'((1,2),(3,4),(5,6))'"}},
      {"circle", {"'<(1,2),3>'"}},
      {"inet", {"'192.168.1.1'", "'10.0.0.1/8'", "'2001:4f8:3:ba::1'"}},
      {"cidr", {"'10.0.0.0/8'"}},
      {"macaddr", {"'08:00:2B:01:02:03'"}},
      {"macaddr8", {"'08:00:2b:01:02:03:04:05'"}},
      {"tsvector", {"'a b:1'"}},
      {"tsquery", {"'a & b'"}},
      {"money", {"'-999.99'"}},
      {"jsonpath", {"'$.name'"}},
      {"uuid", {"'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"}},
      {"int4range", {"'[1,5)'", "'empty'", "'(,5]'"}},
      {"numrange", {"'[1.5,2.5]'"}},
      {"tsrange", {"'[2024-01-01 10:00, 2024-01-02)'"}},
      {"tstzrange", {"'[2024-01-01 10:00+02, infinity)'"}},
      {"daterange", {"'[2024-01-01, 2024-02-01)'"}},
      {"int4multirange", {"'{[1,5),[7,9)}'"}},
      {"int4[]", {"'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[5:6]={1,2}'"}},
      {"text[]", {"'{a,\"b\\\"c\",NULL,\"NULL\",\"x,y\"}'"}},
      {"timestamptz[]", {"'{2024-07-01 10:00+02}'"}},
      {"json[]", {"array['{\"a\": 1.10}'::json]"}},
      {"box[]", {"'{(1,2),(3,4);(5,6),(7,8)}'"}},
      {"test.mood", {"'happy'"}},
      {"test.mood[]", {"'{happy,sad}'"}},
      {"test.pair", {"'(1,\"a b\")'"}},
      {"test.positive", {"5"}},
      {"test.nested", {"5"}},
      {"test.document", {"'{\"a\": 1}'"}},
      {"test.tags", {"'{a,b}'"}},
      {"name", {"'n'"}},
      {"\"char\"", {"'c'"}},
      {"pg_lsn", {"'16/B374D848'"}},
      {"xid", {"'7'"}},
      {"tid", {"'(1,2)'"}},
      {"regclass", {"'pg_class'"}},
      {"test.citext", {"'CiText'"}},
      {"test.citext[]", {"'{A,b}'"}},
      {"test.hstore", {"'a=>1, b=>NULL'"}},
  };
  return all;
}

constexpr const char* types_sql =
    "CREATE EXTENSION citext SCHEMA test; CREATE EXTENSION hstore SCHEMA test;"
    "CREATE TYPE test.mood AS ENUM ('sad', 'happy'); CREATE TYPE test.pair AS (n int, t text);"
    "CREATE DOMAIN test.positive AS int CHECK (VALUE > 0); CREATE DOMAIN test.nested AS test.positive;"
    "CREATE DOMAIN test.document AS jsonb; CREATE DOMAIN test.tags AS text[]";

TEST_F(Source, ValuesAreTheSameByBackfillAndByReplication) {
  sql(types_sql);
  std::string columns = "id int PRIMARY KEY", names, recorded;
  std::size_t most = 0;
  for (std::size_t i = 0; i < values().size(); ++i) {
    columns += ", c" + std::to_string(i) + " " + values()[i].type;
    most = std::max(most, values()[i].literals.size());
  }
  sql("CREATE TABLE test.t (" + columns + ")");
  auto insert = [&](std::size_t first_id) {
    for (std::size_t row = 0; row < most; ++row) {
      std::string list = std::to_string(first_id + row);
      for (const Values& v : values())
        list += row < v.literals.size() ? std::string(", ") + v.literals[row] : ", NULL";
      sql("INSERT INTO test.t VALUES (" + list + ")");
    }
  };
  insert(0);
  Transcript backfilled = capture({{.name = "t"}});
  insert(100);
  Transcript replicated = capture({{.name = "t"}});
  ASSERT_EQ(backfilled.documents.size(), most);
  ASSERT_EQ(replicated.documents.size(), most);
  for (std::size_t i = 0; i < values().size(); ++i)
    for (std::size_t row = 0; row < values()[i].literals.size(); ++row) {
      std::string pointer = "/c" + std::to_string(i);
      std::string value = at(backfilled.documents[row].json, pointer);
      EXPECT_EQ(value, at(replicated.documents[row].json, pointer)) << values()[i].type;
      recorded += std::string(values()[i].type) + " " + values()[i].literals[row] + " -> " + value + "\n";
    }
  expect_snapshot("values.txt", recorded);
  std::string schema = discover().bindings.at(0).document_schema_json;
  expect_snapshot("types.schema.json", testing::pretty(schema));
  sql("ALTER TABLE test.t REPLICA IDENTITY FULL; UPDATE test.t SET id = id + 1000; DELETE FROM test.t");
  Transcript gone = capture({{.name = "t"}});
  EXPECT_EQ(gone.documents.size(), 2 * most * 3);
  for (const Transcript* t : {&backfilled, &replicated, &gone})
    for (const Document& document : t->documents)
      EXPECT_EQ(misfit(schema, document.json), "[]") << document.json;
}

TEST_F(Source, ArraysDatesAndTimesFollowTheFlags) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, a int[], d date, h time); INSERT INTO test.t VALUES (1, "
      "'{{1,2},{3,4}}', "
      "'2024-01-02', '01:02:03')");
  auto with = [&](const char* flags) {
    state_.clear();
    Transcript t = capture({{.name = "t"}}, {{"feature_flags", flags}});
    const std::string& json = t.documents.at(0).json;
    Members members{{"feature_flags", flags}};
    EXPECT_EQ(misfit(discover(members).bindings.at(0).document_schema_json, json), "[]") << json;
    return at(json, "/a") + " " + at(json, "/d") + " " + at(json, "/h");
  };
  EXPECT_EQ(with("\"\""), R"([1,2,3,4] "2024-01-02" "01:02:03Z")");
  EXPECT_EQ(with("\"no_flatten_arrays,no_date_as_date,no_time_as_time\""),
            R"({"dimensions":[2,2],"elements":[1,2,3,4]} "2024-01-02T00:00:00Z" 3723000000)");
  EXPECT_EQ(with("\"multidimensional_arrays\""), R"([[1,2],[3,4]] "2024-01-02" "01:02:03Z")");
}

TEST_F(Source, OversizedValuesAreCut) {
  sql("CREATE TABLE test.t (id int PRIMARY KEY, t text, b bytea, j json, jb jsonb)");
  auto insert = [&](int id) {
    sql("INSERT INTO test.t VALUES (" + std::to_string(id) +
        ", repeat('é', 5000000), decode(repeat('00', 9000000), 'hex'), ('\"' || repeat('x', 9000000) || "
        "'\"')::json, "
        "('\"' || repeat('x', 9000000) || '\"')::jsonb)");
  };
  insert(1);
  Transcript backfilled = capture({{.name = "t"}});
  insert(2);
  Transcript replicated = capture({{.name = "t"}});
  for (const Transcript* t : {&backfilled, &replicated}) {
    ASSERT_EQ(t->documents.size(), 1u);
    const std::string& json = t->documents[0].json;
    EXPECT_EQ(at(json, "/t").size(), 8'388'608u + 2);
    EXPECT_EQ(at(json, "/b").size(), (8'388'608u + 2) / 3 * 4 + 2);
    EXPECT_EQ(at(json, "/j"), R"({"flow_truncated":true,"original_size":9000002})");
    EXPECT_EQ(at(json, "/jb"), R"({"flow_truncated":true,"original_size":9000002})");
  }
}

// ---- scan keys ----

struct KeyCase {
  const char* name;
  const char* type;
  std::vector<const char*> literals;  // ascending
  const char* mode;                   // that the automatic choice enters
};

class ScanKeys : public Source, public ::testing::WithParamInterface<KeyCase> {};

TEST_P(ScanKeys, EveryRowIsAPlaceToGoOn) {
  const KeyCase& c = GetParam();
  if (std::string(c.type).starts_with("test.")) sql(types_sql);
  sql(std::string("CREATE TABLE test.t (k ") + c.type + " PRIMARY KEY, n int)");
  for (std::size_t i = 0; i < c.literals.size(); ++i)
    sql(std::string("INSERT INTO test.t VALUES (") + c.literals[i] + ", " + std::to_string(i) + ")");
  Transcript all = capture({{.name = "t", .key = {"k"}}}, {{"backfill_chunk_size", "1"}});
  ASSERT_EQ(all.documents.size(), c.literals.size());
  for (std::size_t i = 0; i < all.documents.size(); ++i)
    EXPECT_EQ(at(all.documents[i].json, "/n"), std::to_string(i));
  bool entered = false;
  for (const std::string& state : all.states)
    entered = entered || at(state, "/bindingStateV1/test%2Ft/mode") == "\"" + std::string(c.mode) + "\"";
  EXPECT_TRUE(entered) << c.mode;
}

TEST_F(Source, TimesOfTheServersZoneServeAsScanKeys) {
  sql("CREATE TABLE test.t (k timestamptz PRIMARY KEY, n int); INSERT INTO test.t VALUES ('2024-11-03 00:30 "
      "America/Los_Angeles', 0), ('2024-11-03 01:30-07', 1), ('2024-11-03 01:30-08', 2), ('2024-11-03 "
      "02:30-08', 3)");
  Members zone{{"backfill_chunk_size", "1"}, {"feature_flags", "\"server_timezone\""}};
  Table table{.name = "t", .key = {"k"}};
  Transcript all = capture({table}, zone);
  std::string order;
  for (const Document& document : all.documents) order += at(document.json, "/n");
  EXPECT_EQ(order, "0123");
  EXPECT_EQ(at(all.documents.at(1).json, "/k"), "\"2024-11-03T01:30:00-07:00\"");
  state_.clear();
  table.resource = R"("mode":"Precise")";
  EXPECT_NE(capture_failure({table}, zone).find("mode \"Precise\" is not possible"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Types, ScanKeys,
    ::testing::Values(
        KeyCase{"Bool", "bool", {"'f'", "'t'"}, "Backfill"},
        KeyCase{"SmallInt", "int2", {"-32768", "-1", "0", "1", "32767"}, "Backfill"},
        KeyCase{"Integer", "int4", {"-2147483648", "-300", "0", "255", "256", "2147483647"}, "Backfill"},
        KeyCase{"BigInt", "int8", {"-9223372036854775808", "0", "9223372036854775807"}, "Backfill"},
        KeyCase{"Oid", "oid", {"0", "7", "4294967295"}, "Backfill"},
        KeyCase{
            "Real", "float4", {"'-Infinity'", "-1.1", "0", "0.1", "3e38", "'Infinity'", "'NaN'"}, "Backfill"},
        KeyCase{"Double",
                "float8",
                {"'-Infinity'", "-1e300", "-0.0", "5e-324", "0.1", "1e22", "'NaN'"},
                "Backfill"},
        KeyCase{"Numeric",
                "numeric",
                {"'-Infinity'", "-1e100", "-9.99", "-1", "-0.001", "0", "0.0041", "0.1", "1", "3.14", "10",
                 "1e100", "'Infinity'", "'NaN'"},
                "Backfill"},
        KeyCase{"Uuid",
                "uuid",
                {"'00000000-0000-0000-0000-000000000001'", "'ffffffff-0000-0000-0000-000000000000'"},
                "Backfill"},
        KeyCase{"Mac",
                "macaddr",
                {"'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'", "'ff:00:00:00:00:00'"},
                "Backfill"},
        KeyCase{"Mac8", "macaddr8", {"'08:00:2b:01:02:03:04:05'", "'08:00:2b:01:02:03:04:06'"}, "Backfill"},
        KeyCase{"Bytea", "bytea", {"''", "'\\x00'", "'\\x0000'", "'\\x00ff'", "'\\xff'"}, "Backfill"},
        KeyCase{"Date",
                "date",
                {"'-infinity'", "'4000-01-01 BC'", "'0044-03-15 BC'", "'0001-01-01'", "'2024-02-29'",
                 "'9999-12-31'", "'12024-01-01'", "'infinity'"},
                "Backfill"},
        KeyCase{"Timestamp",
                "timestamp",
                {"'-infinity'", "'0044-03-15 10:00 BC'", "'1970-01-01'", "'2024-03-10 01:30:00.000001'",
                 "'2024-03-10 01:30:00.1'", "'20000-01-01 12:00'", "'infinity'"},
                "Backfill"},
        KeyCase{"Timestamptz",
                "timestamptz",
                {"'2024-11-03 00:30 America/Los_Angeles'", "'2024-11-03 01:30-07'", "'2024-11-03 01:30-08'",
                 "'2024-11-03 02:30-08'"},
                "Backfill"},
        KeyCase{
            "Text", "text COLLATE \"C\"", {"''", "'A'", "'B'", "'a'", "'a b'", "'é'"}, "UnfilteredBackfill"},
        KeyCase{"VarChar", "varchar(10) COLLATE \"C\"", {"'A'", "'a''b'", "'a\\b'"}, "UnfilteredBackfill"},
        KeyCase{"Char", "char(4) COLLATE \"C\"", {"'A'", "'AB'", "'B'"}, "UnfilteredBackfill"},
        KeyCase{"Enum", "test.mood", {"'sad'", "'happy'"}, "UnfilteredBackfill"},
        KeyCase{"CiText", "test.citext", {"'a'", "'B'", "'c'"}, "UnfilteredBackfill"},
        KeyCase{"Domain", "test.nested", {"1", "2", "300"}, "Backfill"},
        KeyCase{"Time", "time", {"'00:00'", "'01:02:03.5'", "'24:00'"}, "UnfilteredBackfill"},
        KeyCase{"Timetz", "timetz", {"'00:00+02'", "'01:02:03+00'", "'12:00-05'"}, "UnfilteredBackfill"},
        KeyCase{
            "Inet", "inet", {"'10.0.0.2/8'", "'10.0.0.1'", "'192.168.0.1'", "'::1'"}, "UnfilteredBackfill"},
        KeyCase{"Interval",
                "interval",
                {"'-1 day'", "'0'", "'1 mon'", "'1 year 2 mons 3 days 04:05:06.7'"},
                "UnfilteredBackfill"},
        KeyCase{"Bit", "bit(3)", {"'001'", "'010'", "'111'"}, "UnfilteredBackfill"},
        KeyCase{"Jsonb",
                "jsonb",
                {"'null'", "'\"a\"'", "'1'", "'[1, 2, 3]'", "'{\"a\": 1}'"},
                "UnfilteredBackfill"},
        KeyCase{"Range", "int4range", {"'empty'", "'[1,3)'", "'[2,3)'"}, "UnfilteredBackfill"},
        KeyCase{"Array", "int4[]", {"'{}'", "'{1}'", "'{1,2}'", "'{2}'"}, "UnfilteredBackfill"},
        KeyCase{"Composite", "test.pair", {"'(1,a)'", "'(1,b)'", "'(2,a)'"}, "UnfilteredBackfill"}),
    [](const auto& key) { return std::string(key.param.name); });

}  // namespace
}  // namespace sluice::source_test
