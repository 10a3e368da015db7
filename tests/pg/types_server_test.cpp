// Every type against a real server, by COPY and by replication.
#include <gtest/gtest.h>

#include "conform.hpp"
#include "sluice/async/loop.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/pg/pgoutput.hpp"
#include "sluice/pg/types.hpp"
#include "sluice/testing/postgres.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::pg {
namespace {

using testing::Database;
using testing::PostgresServer;
using testing::require;

struct Value {
  const char* sql;   // an expression
  const char* json;  // null: only that both paths agree and the schema holds
};
struct Case {
  const char* type;
  std::vector<Value> values;
};

const char* const setup = R"(
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
CREATE SCHEMA ext; CREATE TYPE mood AS ENUM ('sad', 'ok', 'very "happy"');
CREATE TYPE pair AS (a int, b int, c text);
CREATE DOMAIN age AS int CHECK (VALUE >= 0); CREATE DOMAIN old_age AS age;
CREATE DOMAIN mood_domain AS mood; CREATE DOMAIN ages AS age[]; CREATE DOMAIN doc AS jsonb;
CREATE DOMAIN word AS varchar(5);
CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE textrange AS RANGE (subtype = text);
CREATE TYPE timerange AS RANGE (subtype = time);
)";

std::vector<Case> cases() {
  return {
      {"bool", {{"true", "true"}, {"false", "false"}}},
      {"int2", {{"-32768", "-32768"}, {"32767", "32767"}}},
      {"int4", {{"-2147483648", "-2147483648"}, {"0", "0"}}},
      {"int8",
       {{"-9223372036854775808", "-9223372036854775808"}, {"9223372036854775807", "9223372036854775807"}}},
      {"oid", {{"4294967295::oid", "4294967295"}}},
      {"numeric",
       {{"'NaN'", R"("NaN")"},
        {"'Infinity'", R"("Infinity")"},
        {"'-Infinity'", R"("-Infinity")"},
        {"0", R"("0")"},
        {"-0.00041", R"("-0.00041")"},
        {"1e30", R"("1000000000000000000000000000000")"},
        {"123456789012345678901234567890.123456789", R"("123456789012345678901234567890.123456789")"}}},
      {"numeric(12,4)", {{"123456.789", R"("123456.7890")"}}},
      {"float4",
       {{"1.1", "1.1"},
        {"'NaN'", R"("NaN")"},
        {"'Infinity'", R"("Infinity")"},
        {"'-Infinity'", R"("-Infinity")"},
        {"3.4028235e38", "3.4028235e+38"},
        {"1e-45", "1e-45"},
        {"'-0'", "-0"}}},
      {"float8",
       {{"1.1", "1.1"},
        {"0.1 + 0.2::float8", "0.30000000000000004"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"5e-324", "5e-324"},
        {"'NaN'", R"("NaN")"},
        {"-123456.789", "-123456.789"}}},
      {"text",
       {{"''", R"("")"},
        {"E'a\\tb\\nc\\\\d\"e\\x01\\u00fc\\U0001F600'", "\"a\\tb\\nc\\\\d\\\"e\\u0001ü😀\""},
        {"'\\N'", R"("\\N")"},
        {"'NULL'", R"("NULL")"},
        {"E'\\b\\f\\r\\x0b'", R"("\b\f\r\u000b")"},
        {"repeat('ü\"', 100000)", nullptr}}},
      {"varchar(5)", {{"'ab'", R"("ab")"}, {"'üüüüü'", R"("üüüüü")"}}},
      {"char(4)", {{"'ab'", R"("ab  ")"}, {"'€'", R"("€   ")"}}},
      {"\"char\"", {{"'x'", R"("x")"}, {"''", R"("")"}}},
      {"name", {{"'pg_class'", R"("pg_class")"}}},
      {"citext", {{"'AbC'", R"("AbC")"}}},
      {"bytea",
       {{"'\\x'", R"("")"},
        {"'\\x00ff10'", R"("AP8Q")"},
        {"'\\xdeadbeef'", R"("3q2+7w==")"},
        {"decode(repeat('00ff5c0a', 20000), 'hex')", nullptr}}},
      {"bit(4)", {{"B'0101'", R"("0101")"}}},
      {"varbit", {{"B''", R"("")"}, {"B'01011'", R"("01011")"}}},
      {"xml", {{"'<a b=\"c\">d</a>'", R"("<a b=\"c\">d</a>")"}}},
      {"json",
       {{"'null'", "null"},
        {"E'{ \"b\" : 1.50,\\n\\t\"a\" : [ ] , \"a\":\"x y\" }'", R"({"b":1.50,"a":[],"a":"x y"})"},
        {"'\"\\ud800 \\\\ud800 \\ud83d\\ude00\"'", R"("\uFFFD \\ud800 \ud83d\ude00")"},
        {"'123456789012345678901234567890.10'", "123456789012345678901234567890.10"},
        {"E'\"a\\\\\\\\b\\\\nc\"'", R"("a\\b\nc")"}}},
      {"jsonb",
       {{"'null'", "null"},
        {"'{ \"b\":1.50, \"aa\" : [1,2], \"c\": \"\\u00fc\\n\" }'",
         R"({"b": 1.50, "c": "ü\n", "aa": [1, 2]})"}}},
      {"date",
       {{"'2024-02-29'", R"("2024-02-29")"},
        {"'infinity'", R"("9999-12-31")"},
        {"'-infinity'", R"("0000-01-01")"},
        {"'5874897-12-31'", R"("0000-01-01")"},
        {"'4714-11-24 BC'", R"("0000-01-01")"},
        {"'0001-02-29 BC'", R"("0000-02-29")"},
        {"'0001-01-01'", R"("0001-01-01")"}}},
      {"timestamp",
       {{"'2024-02-29 12:34:56.78'", R"("2024-02-29T12:34:56.78Z")"},
        {"'1970-01-01'", R"("1970-01-01T00:00:00Z")"},
        {"'infinity'", R"("9999-12-31T23:59:59Z")"},
        {"'-infinity'", R"("0000-01-01T00:00:00Z")"},
        {"'20240-01-01'", R"("0000-01-01T00:00:00Z")"},
        {"'0001-06-01 00:00:00 BC'", R"("0000-06-01T00:00:00Z")"},
        {"'4713-06-01 00:00:00 BC'", R"("0000-01-01T00:00:00Z")"}}},
      {"timestamptz",
       {{"'2024-07-01 12:00:00.000001-07'", R"("2024-07-01T19:00:00.000001Z")"},
        {"'1883-01-01 00:00:00 America/Los_Angeles'", R"("1883-01-01T07:52:58Z")"},
        {"'infinity'", R"("9999-12-31T23:59:59Z")"},
        {"'-infinity'", R"("0000-01-01T00:00:00Z")"},
        {"'0001-06-01 00:00:00+00 BC'", R"("0000-06-01T00:00:00Z")"},
        {"'294276-01-01 00:00:00+00'", R"("0000-01-01T00:00:00Z")"}}},
      {"time",
       {{"'12:34:56.5'", R"("12:34:56.5Z")"},
        {"'24:00:00'", R"("00:00:00Z")"},
        {"'00:00'", R"("00:00:00Z")"}}},
      {"timetz",
       {{"'12:34:56-08'", R"("12:34:56-08:00")"},
        {"'12:34:56+00'", R"("12:34:56Z")"},
        {"'12:34:56.25+05:30'", R"("12:34:56.25+05:30")"},
        {"'12:34:56-07:52:58'", R"("20:27:54Z")"},
        {"'24:00:00+01'", R"("00:00:00+01:00")"},
        {"'12:34:56+15:59:59'", R"("20:34:57Z")"}}},
      {"interval",
       {{"'1 year 2 months 3 days'", R"("14 mon 3 day")"},
        {"'5:30'", R"("05:30:00")"},
        {"'0'", R"("00:00:00")"},
        {"'-1 year 3 days -04:05:06.7'", R"("-12 mon 3 day -04:05:06.700000")"},
        {"'1 mon -1 day 00:00:01'", R"("1 mon -1 day 00:00:01")"},
        {"'-178000000 years'", R"("-2136000000 mon")"},
        {"'2147483647 days 2562047788:00:54.775807'", R"("2147483647 day 2562047788:00:54.775807")"}}},
      {"point", {{"'(1,2.5)'", R"_("(1,2.5)")_"}}},
      {"line", {{"'{1,2,3}'", R"("{1,2,3}")"}}},
      {"lseg", {{"'[(1,2),(3,4)]'", R"("[(1,2),(3,4)]")"}}},
      {"box", {{"'(1,2),(3,4)'", R"_("(3,4),(1,2)")_"}}},
      {"path", {{"'[(1,2),(3,4)]'", R"("[(1,2),(3,4)]")"}, {"'((1,2),(3,4))'", R"_("((1,2),(3,4))")_"}}},
      {"polygon", {{"'((1,2),(3,4),(5,6))'", R"_("((1,2),(3,4),(5,6))")_"}}},
      {"circle", {{"'<(1,2),3>'", R"("<(1,2),3>")"}}},
      {"inet",
       {{"'192.168.1.1'", R"("192.168.1.1/32")"},
        {"'10.0.0.1/8'", R"("10.0.0.1/8")"},
        {"'2001:4f8:3:ba::1'", R"("2001:4f8:3:ba::1/128")"},
        {"'2001:4f8:3:ba::/64'", R"("2001:4f8:3:ba::/64")"}}},
      {"cidr", {{"'10.0.0.0/8'", R"("10.0.0.0/8")"}, {"'192.168.1.1'", R"("192.168.1.1/32")"}}},
      {"macaddr", {{"'08:00:2B:01:02:03'", R"("08:00:2b:01:02:03")"}}},
      {"macaddr8", {{"'08:00:2B:01:02:03:04:05'", R"("08:00:2b:01:02:03:04:05")"}}},
      {"tsvector", {{"to_tsvector('english', 'a fat cat''s')", R"("'cat':3 'fat':2")"}}},
      {"tsquery", {{"'fat & !cat'", R"("'fat' & !'cat'")"}}},
      {"money", {{"-999.99", R"("-$999.99")"}}},
      {"jsonpath", {{"'$.name'", R"("$.\"name\"")"}}},
      {"uuid", {{"'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", R"("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")"}}},
      {"pg_lsn", {{"'16/B374D848'", R"("16/B374D848")"}}},
      {"xid8", {{"'18446744073709551615'", R"("18446744073709551615")"}}},
      {"xid", {{"'4294967295'", R"("4294967295")"}}},
      {"cid", {{"'1'", R"("1")"}}},
      {"tid", {{"'(1,2)'", R"_("(1,2)")_"}}},
      {"regclass", {{"'pg_class'", R"("pg_class")"}}},
      {"hstore", {{"'a=>1, b=>NULL'", R"("\"a\"=>\"1\", \"b\"=>NULL")"}}},
      {"ltree", {{"'a.b.c'", R"("a.b.c")"}}},
      {"int2vector", {{"'1 2 3'", R"("1 2 3")"}}},
      {"mood", {{"'very \"happy\"'", R"("very \"happy\"")"}}},
      {"pair", {{"ROW(1, NULL, 'a \"b\"')", R"_("(1,,\"a \"\"b\"\"\")")_"}}},
      {"age", {{"7", "7"}}},
      {"old_age", {{"8", "8"}}},
      {"mood_domain", {{"'ok'", R"("ok")"}}},
      {"ages", {{"'{1,NULL}'", "[1,null]"}}},
      {"doc", {{"'{\"a\":[1]}'", R"({"a": [1]})"}}},
      {"word", {{"'abcde'", R"("abcde")"}}},
      {"int4range", {{"'[1,5]'", R"_("[1,6)")_"}, {"'empty'", R"("empty")"}, {"'(,)'", R"_("(,)")_"}}},
      {"int8range", {{"'[1,)'", R"_("[1,)")_"}}},
      {"numrange", {{"'[1.50,2]'", R"("[1.50,2]")"}}},
      {"daterange",
       {{"'[2024-01-01,2024-02-01]'", R"_("[2024-01-01,2024-02-02)")_"},
        {"'[-infinity,infinity]'", R"("[0000-01-01,9999-12-31]")"}}},
      {"tsrange",
       {{"'[2024-01-01 00:00,2024-02-01 12:00:00.5)'",
         R"_("[2024-01-01T00:00:00Z,2024-02-01T12:00:00.5Z)")_"}}},
      {"tstzrange",
       {{"'[2024-01-01 00:00-08,infinity]'", R"("[2024-01-01T08:00:00Z,9999-12-31T23:59:59Z]")"}}},
      {"floatrange", {{"'[1.5,1e20)'", R"_("[1.5,1e+20)")_"}}},
      {"textrange", {{"'[a,\"b,c\"]'", R"("[a,\"b,c\"]")"}, {"'[\"\",\"(\\\\\"]'", nullptr}}},
      {"timerange", {{"'[10:00,24:00)'", R"_("[10:00:00Z,00:00:00Z)")_"}}},
      {"int4multirange", {{"'{[1,5),[7,9)}'", R"("{[1,5),[7,9)}")"}, {"'{}'", R"("{}")"}}},
      {"tstzmultirange",
       {{"'{[2024-01-01 00:00+00,2024-02-01 00:00+00),[2025-01-01 00:00+00,)}'",
         R"("{[2024-01-01T00:00:00Z,2024-02-01T00:00:00Z),[2025-01-01T00:00:00Z,)}")"}}},
      {"datemultirange", {{"'{[2024-01-01,2024-01-31]}'", R"("{[2024-01-01,2024-02-01)}")"}}},
      {"int4[]",
       {{"'{}'", "[]"}, {"'{1,NULL,-3}'", "[1,null,-3]"}, {"'[0:1][2:3]={{1,2},{3,4}}'", "[1,2,3,4]"}}},
      {"text[]",
       {{"ARRAY['a', '', NULL, 'NULL', 'q\"uo\\te', '{x}', 'a,b', E'tab\\t']",
         R"(["a","",null,"NULL","q\"uo\\te","{x}","a,b","tab\t"])"}}},
      {"bool[]", {{"'{t,f,NULL}'", "[true,false,null]"}}},
      {"float8[]", {{"'{1.5,NaN,Infinity}'", R"([1.5,"NaN","Infinity"])"}}},
      {"numeric[]", {{"'{1.50,NaN}'", R"(["1.50","NaN"])"}}},
      {"bytea[]", {{"ARRAY['\\xff'::bytea, '\\x']", R"(["/w==",""])"}}},
      {"varchar(3)[]", {{"'{abc,NULL}'", R"(["abc",null])"}}},
      {"char(2)[]", {{"'{a}'", R"(["a "])"}}},
      {"json[]", {{"ARRAY['{\"a\": 1.50}'::json, 'null', '\"\\ud800\"']", R"([{"a":1.50},null,"\uFFFD"])"}}},
      {"jsonb[]", {{"ARRAY['{\"a\":\"x\\\\y\"}'::jsonb]", R"([{"a": "x\\y"}])"}}},
      {"date[]", {{"'{2024-01-01,infinity}'", R"(["2024-01-01","9999-12-31"])"}}},
      {"timestamp[]", {{"'{2024-01-01 12:00}'", R"(["2024-01-01T12:00:00Z"])"}}},
      {"timestamptz[]", {{"'{2024-07-01 12:00-07}'", R"(["2024-07-01T19:00:00Z"])"}}},
      {"time[]", {{"'{12:00}'", R"(["12:00:00Z"])"}}},
      {"timetz[]", {{"'{12:00-08}'", R"(["12:00:00-08:00"])"}}},
      {"interval[]", {{"'{1 day,NULL}'", R"(["1 day",null])"}}},
      {"box[]", {{"'{(1,2),(3,4);(5,6),(7,8)}'", R"_(["(3,4),(1,2)","(7,8),(5,6)"])_"}}},
      {"point[]", {{"ARRAY['(1,2)'::point]", R"_(["(1,2)"])_"}}},
      {"inet[]", {{"'{1.2.3.4}'", R"(["1.2.3.4/32"])"}}},
      {"money[]", {{"'{1,-2}'", R"(["$1.00","-$2.00"])"}}},
      {"xml[]", {{"ARRAY['<a/>'::xml]", R"(["<a/>"])"}}},
      {"macaddr8[]", {{"'{08:00:2b:01:02:03:04:05}'", R"(["08:00:2b:01:02:03:04:05"])"}}},
      {"tsvector[]", {{"ARRAY['a b'::tsvector]", R"(["'a' 'b'"])"}}},
      {"tsquery[]", {{"ARRAY['a & b'::tsquery]", R"(["'a' & 'b'"])"}}},
      {"uuid[]",
       {{"'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", R"(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"])"}}},
      {"citext[]", {{"'{A,b}'", R"(["A","b"])"}}},
      {"mood[]", {{"ARRAY['sad', 'very \"happy\"']::mood[]", R"(["sad","very \"happy\""])"}}},
      {"pair[]", {{"ARRAY[ROW(1, 2, 'x')::pair]", R"_(["(1,2,x)"])_"}}},
      {"int4range[]", {{"ARRAY['[1,5)'::int4range]", R"_(["[1,5)"])_"}}},
      {"tsrange[]",
       {{"ARRAY['[2024-01-01,2024-01-02)'::tsrange]",
         R"_(["[2024-01-01T00:00:00Z,2024-01-02T00:00:00Z)"])_"}}},
      {"int4multirange[]", {{"ARRAY['{[1,5)}'::int4multirange]", R"_(["{[1,5)}"])_"}}},
      {"ages[]", {{"'{\"{1,2}\",NULL}'", "[[1,2],null]"}}},
      {"old_age[]", {{"'{1,2}'", "[1,2]"}}},
      {"hstore[]", {{"ARRAY['a=>1'::hstore]", R"(["\"a\"=>\"1\""])"}}},
  };
}

// What both paths gave, by table.
struct Seen {
  std::vector<std::vector<std::string>> copied,
      replicated;                    // [case][row]
  std::vector<std::string> schemas;  // of the value column
};

std::string table(std::size_t i) { return "t" + std::to_string(i); }

std::string fill_sql(const std::vector<Case>& all) {
  std::string sql;
  for (std::size_t i = 0; i < all.size(); ++i) {
    sql += fmt::format("CREATE TABLE {} (id serial PRIMARY KEY, v {});", table(i), all[i].type);
    sql += fmt::format("INSERT INTO {} (v) VALUES (NULL);", table(i));
    for (const Value& value : all[i].values)
      sql += fmt::format("INSERT INTO {} (v) VALUES ({});", table(i), value.sql);
  }
  return sql;
}

Task<std::vector<std::string>> copy_rows(Connection& db, std::string name, const RowWriter& writer) {
  std::vector<std::string> documents;
  co_await db.start_copy_out("COPY (SELECT id, v FROM " + name + " ORDER BY id) TO STDOUT");
  while (auto row = co_await db.next_copy()) {
    Field fields[2];
    std::span<char> line = db.copy_bytes();
    require(split_copy_line(line.data(), line.size(), fields, 2) == 2);
    std::string out;
    writer.append(out, fields, 2, {});
    documents.push_back(std::move(out));
  }
  co_return documents;
}

RowWriter writer_of(const TypeCatalog& types, const pgoutput::Relation& relation, const ValueOptions& options,
                    bool key) {
  std::vector<RowColumn> columns;
  for (const auto& column : relation.columns) columns.push_back({column.name, column.type, key});
  return RowWriter(types, std::move(columns), options);
}

// Reads the stream from the slot's start to the commit of everything
// `rows` rows are in.
Task<> stream_rows(Connection& stream, const TypeCatalog& types, const ValueOptions& options, bool key,
                   std::size_t rows, Seen& seen, std::map<std::size_t, pgoutput::Relation>& relations) {
  co_await stream.start_replication(
      "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"proto_version\" '1', "
      "\"publication_names\" '\"p\"')");
  std::map<Oid, std::pair<std::size_t, RowWriter>> writers;
  pgoutput::Decoder decoder;
  while (rows > 0) {
    auto bytes = co_await stream.next_copy();
    require(bytes.has_value());
    auto frame = decode_frame(*bytes);
    auto* data = std::get_if<XLogData>(&frame);
    if (!data) continue;
    auto message = decoder.decode(data->payload);
    if (auto* relation = std::get_if<pgoutput::Relation>(&message)) {
      std::size_t i = std::stoul(relation->table.substr(1));
      writers.insert_or_assign(relation->oid, std::pair(i, writer_of(types, *relation, options, key)));
      relations[i] = *relation;
    }
    auto* insert = std::get_if<pgoutput::Insert>(&message);
    if (!insert) continue;
    auto& [i, writer] = writers.at(insert->relation);
    std::string out;
    writer.append(out, insert->row.fields, insert->row.count, {});
    seen.replicated[i].push_back(std::move(out));
    --rows;
  }
}

// All cases through both paths under `options`.
Seen see(const ValueOptions& options, bool key) {
  std::vector<Case> all = cases();
  Database database = PostgresServer::shared().fresh_database();
  database.execute(setup);
  database.execute("CREATE PUBLICATION p FOR ALL TABLES");
  Seen seen;
  seen.copied.resize(all.size());
  seen.replicated.resize(all.size());
  seen.schemas.resize(all.size());
  std::size_t rows = 0;
  for (const Case& c : all) rows += 1 + c.values.size();
  CpuPool pool(1);
  SteadyClock clock;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    ConnectOptions connect = database.options();
    connect.settings = pinned_settings();
    auto db = co_await Connection::connect(context, connect);
    connect.replication = true;
    auto stream = co_await Connection::connect(context, connect);
    co_await stream->run(
        "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput "
        "NOEXPORT_SNAPSHOT");
    co_await db->run(fill_sql(all));
    TypeCatalog types = co_await TypeCatalog::load(*db);
    std::map<std::size_t, pgoutput::Relation> relations;
    co_await stream_rows(*stream, types, options, key, rows, seen, relations);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const pgoutput::RelationColumn& column = relations.at(i).columns.at(1);
      seen.schemas[i] = column_schema(types, column.type, column.typmod, true, key, options);
      RowWriter writer = writer_of(types, relations.at(i), options, key);
      seen.copied[i] = co_await copy_rows(*db, table(i), writer);
    }
  });
  return seen;
}

// The value of property v, as written.
std::string value_of(const std::string& document) {
  json::Tree tree;
  tree.parse(document);
  const json::Node* node = tree.find(tree.root(), "v");
  return node ? std::string(node->raw) : "<missing>";
}

void expect_agreement(const Seen& seen) {
  std::vector<Case> all = cases();
  for (std::size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(all[i].type);
    ASSERT_EQ(seen.copied[i].size(), all[i].values.size() + 1);
    EXPECT_EQ(seen.copied[i], seen.replicated[i]);
    for (const std::string& document : seen.copied[i])
      EXPECT_EQ(offence(seen.schemas[i], value_of(document)), "");
  }
}

TEST(Types, BothPathsGiveTheSameExpectedBytes) {
  Seen seen = see({}, false);
  expect_agreement(seen);
  std::vector<Case> all = cases();
  for (std::size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(all[i].type);
    ASSERT_EQ(seen.copied[i].size(), all[i].values.size() + 1);
    EXPECT_EQ(value_of(seen.copied[i][0]), "null");
    for (std::size_t j = 0; j < all[i].values.size(); ++j) {
      if (!all[i].values[j].json) continue;
      EXPECT_EQ(value_of(seen.copied[i][j + 1]), all[i].values[j].json);
    }
  }
}

TEST(Types, BothPathsAgreeUnderEveryFlag) {
  ValueOptions options;
  options.flatten_arrays = options.date_as_date = options.time_as_time = false;
  expect_agreement(see(options, false));
  options.multidimensional_arrays = true;
  expect_agreement(see(options, true));
}

TEST(Types, OversizeIsTheSameByBothPaths) {
  Database database = PostgresServer::shared().fresh_database();
  database.execute("CREATE PUBLICATION p FOR ALL TABLES");
  Seen seen;
  seen.copied.resize(1);
  seen.replicated.resize(1);
  CpuPool pool(1);
  SteadyClock clock;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    ConnectOptions connect = database.options();
    connect.settings = pinned_settings();
    auto db = co_await Connection::connect(context, connect);
    connect.replication = true;
    auto stream = co_await Connection::connect(context, connect);
    co_await stream->run(
        "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput "
        "NOEXPORT_SNAPSHOT");
    co_await db->run(
        "CREATE TABLE t0 (id int PRIMARY KEY, a text, b bytea, c json, d "
        "jsonb, e text[]);"
        "INSERT INTO t0 SELECT 1, repeat('€', 3000000), "
        "decode(repeat('00ff', 4500000), 'hex'), "
        "to_json(repeat('x', 9000000)), to_jsonb(repeat('y', 9000000)), "
        "ARRAY[repeat('z', 9000000), 'end']");
    TypeCatalog types = co_await TypeCatalog::load(*db);
    std::map<std::size_t, pgoutput::Relation> relations;
    co_await stream_rows(*stream, types, {}, false, 1, seen, relations);
    RowWriter writer = writer_of(types, relations.at(0), {}, false);
    co_await db->start_copy_out("COPY t0 TO STDOUT");
    auto row = co_await db->next_copy();
    require(row.has_value());
    Field fields[6];
    std::span<char> line = db->copy_bytes();
    require(split_copy_line(line.data(), line.size(), fields, 6) == 6);
    std::string out;
    writer.append(out, fields, 6, {});
    seen.copied[0].push_back(std::move(out));
    auto end = co_await db->next_copy();
    require(!end);
  });
  ASSERT_EQ(seen.replicated[0].size(), 1u);
  EXPECT_TRUE(seen.copied == seen.replicated);
  json::Tree tree;
  tree.parse(seen.copied[0][0]);
  constexpr std::size_t limit = std::size_t{8} << 20;
  EXPECT_EQ(tree.find(tree.root(), "a")->text.size(), limit - limit % 3);
  EXPECT_EQ(tree.find(tree.root(), "b")->text.size(), (limit + 2) / 3 * 4);
  EXPECT_EQ(tree.find(tree.root(), "c")->raw, R"({"flow_truncated":true,"original_size":9000002})");
  EXPECT_EQ(tree.find(tree.root(), "d")->raw, R"({"flow_truncated":true,"original_size":9000002})");
  const json::Node* array = tree.find(tree.root(), "e");
  EXPECT_EQ(array->count, 2u);
  EXPECT_EQ(array->raw.size(), limit + 10);
}

TEST(Types, BytesOfASqlAsciiDatabaseAreRepaired) {
  Database admin = PostgresServer::shared().fresh_database();
  admin.execute(
      "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' "
      "LC_CTYPE 'C' TEMPLATE template0");
  RepairCount repaired = 0;
  ValueOptions options;
  options.repaired = &repaired;
  CpuPool pool(1);
  SteadyClock clock;
  std::vector<std::string> documents;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    ConnectOptions connect = admin.options();
    connect.database = "ascii";
    connect.settings = pinned_settings();
    auto db = co_await Connection::connect(context, connect);
    co_await db->run(
        "CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, "
        "E'a\\377b'), (2, E'\\303\\274')");
    TypeCatalog types = co_await TypeCatalog::load(*db);
    RowWriter writer(types, {{"id", 23}, {"v", 25}}, options);
    documents = co_await copy_rows(*db, "t", writer);
  });
  EXPECT_EQ(documents, (std::vector<std::string>{"{\"id\":1,\"v\":\"a\uFFFDb\"}", "{\"id\":2,\"v\":\"ü\"}"}));
  EXPECT_EQ(repaired, 1u);
}

TEST(Types, TheCatalogResolvesDomainsAndLabels) {
  Database database = PostgresServer::shared().fresh_database();
  database.execute(setup);
  CpuPool pool(1);
  SteadyClock clock;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    auto db = co_await Connection::connect(context, database.options());
    TypeCatalog types = co_await TypeCatalog::load(*db);
    Rows oids = co_await db->query(
        "SELECT 'mood_domain'::regtype::oid, 'word'::regtype::oid, "
        "'ages'::regtype::oid");
    auto oid = [&](std::size_t i) { return static_cast<Oid>(std::stoul(oids.text(0, i))); };
    const Type* mood = types.resolve(oid(0));
    require(mood != nullptr);
    EXPECT_EQ(mood->name, "mood");
    EXPECT_EQ(mood->kind, 'e');
    EXPECT_EQ(mood->labels, (std::vector<std::string>{"sad", "ok", "very \"happy\""}));
    EXPECT_EQ(types.find(oid(1))->base_typmod, 9);
    const Type* ages = types.resolve(oid(2));
    require(ages != nullptr);
    EXPECT_NE(ages->element, 0u);
    EXPECT_EQ(types.find(ages->element)->name, "age");
    EXPECT_EQ(types.find(22)->element, 0u);  // int2vector prints no array
    EXPECT_EQ(types.find(4242424), nullptr);
  });
}

}  // namespace
}  // namespace sluice::pg
