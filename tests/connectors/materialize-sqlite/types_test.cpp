// What each type of field becomes in its column (materialize-sql.md §5.5).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "support.hpp"

namespace sluice::testing {
namespace {

using Lines = std::vector<std::string>;
using protocol::Exists;
using protocol::Projection;

// A table of a string key `k` and one field `v`, in a file of its own.
struct OneField {
  TempFolder folder;
  std::string file = folder.file("out.db");
  protocol::CollectionSpec collection;
  std::string field_config;
  Bench bench;

  explicit OneField(std::vector<std::string> types) {
    collection.name = "acme/types";
    collection.key = {"/k"};
    collection.projections = {projection("flow_document", "", {"object"}, Exists::must),
                              projection("k", "/k", {"string"}, Exists::must),
                              projection("v", "/v", std::move(types))};
    collection.projections[1].is_primary_key = true;
  }
  protocol::InferenceString& string() {
    auto& s = collection.projections[2].inference->string;
    return s ? *s : s.emplace();
  }
  protocol::MaterializationSpec task() const {
    BindingOptions options("t", {"v"});
    options.keys = {"k"};
    auto b = binding(collection, options);
    if (!field_config.empty()) b.field_selection->field_config_json_map["v"] = field_config;
    return spec(config_of(file), {b});
  }
  // The column's type, then "storage class value" of each value, which are JSON.
  Lines store(std::vector<std::string> values) {
    protocol::MaterializationSpec s = task();
    bench.apply(s);
    std::vector<Stored> documents;
    for (std::size_t i = 0; i < values.size(); ++i)
      documents.push_back(Stored(fmt::format("[\"{:03}\"]", i), "[" + values[i] + "]", "{}"));
    bench.transact(s, std::move(documents));
    Lines out = rows(file, "SELECT type FROM pragma_table_info('t') WHERE name = 'v'");
    for (std::string& line : rows(file, "SELECT typeof(v), v FROM t ORDER BY k")) {
      line[line.find('|')] = ' ';
      out.push_back(line == "null NULL" ? "null" : std::move(line));
    }
    return out;
  }
  std::string failure(std::string value) {
    try {
      store({std::move(value)});
    } catch (const Error& e) {
      return e.what();
    }
    return {};
  }
};

TEST(Types, Integer) {
  OneField f({"integer", "null"});
  EXPECT_EQ(f.store({"1", "-1", "null", "9223372036854775807", "-9223372036854775808", "42.0", "1e3"}),
            (Lines{"INTEGER", "integer 1", "integer -1", "null", "integer 9223372036854775807",
                   "integer -9223372036854775808", "integer 42", "integer 1000"}));
}

TEST(Types, IntegerBeyond64BitsIsKeptAsText) {
  OneField f({"integer"});
  EXPECT_EQ(f.store({"1", "18446744073709551615", "2", "1e20", "42.0"}),
            (Lines{"", "integer 1", "text 18446744073709551615", "integer 2", "text 100000000000000000000",
                   "integer 42"}));
  EXPECT_TRUE(f.bench.logged("an integer beyond 64 bits has come"));
  // What was stored stays, and applying again changes nothing.
  protocol::MaterializationSpec s = f.task();
  EXPECT_EQ(f.bench.apply(s, &s).action_description, "");
}

TEST(Types, IntegerOfWideBoundsHasNoDeclaredType) {
  OneField f({"integer"});
  auto& numeric = f.collection.projections[2].inference->numeric.emplace();
  numeric.has_maximum = true;
  numeric.maximum = 1e20;
  EXPECT_EQ(f.store({"1", "18446744073709551615"}), (Lines{"", "integer 1", "text 18446744073709551615"}));
  EXPECT_FALSE(f.bench.logged("an integer beyond 64 bits has come"));
}

TEST(Types, NumericStringsOfIntegers) {
  OneField f({"integer", "null", "string"});
  f.string().format = "integer";
  EXPECT_EQ(f.store({R"("5")", "6", R"("-7")", R"("3.00")", R"("3.5")", R"("NaN")", R"("")", R"("007")"}),
            (Lines{"INTEGER", "integer 5", "integer 6", "integer -7", "integer 3", "real 3.5", "text NaN",
                   "text ", "integer 7"}));
}

TEST(Types, NumericStringsOfIntegersBeyond64Bits) {
  OneField f({"string"});
  f.string().format = "uint64";
  EXPECT_EQ(f.store({R"("5")", R"("18446744073709551615")", R"("9223372036854775807")",
                     R"("-9223372036854775809")", R"("3.00")"}),
            (Lines{"", "integer 5", "text 18446744073709551615", "integer 9223372036854775807",
                   "text -9223372036854775809", "integer 3"}));
}

TEST(Types, Number) {
  OneField f({"number"});
  EXPECT_EQ(f.store({"1.5", "2", "18446744073709551615", "-0.0", "1e300", "null"}),
            (Lines{"REAL", "real 1.5", "real 2.0", "real 1.84467440737096e+19", "real 0.0", "real 1.0e+300",
                   "null"}));
}

TEST(Types, NumericStringsOfNumbers) {
  OneField f({"number", "string"});
  f.string().format = "number";
  EXPECT_EQ(f.store({R"("1.25")", "7", R"("NaN")", R"("Infinity")", R"("-Infinity")"}),
            (Lines{"REAL", "real 1.25", "real 7.0", "text NaN", "text Infinity", "text -Infinity"}));
}

TEST(Types, Boolean) {
  OneField f({"boolean", "null"});
  EXPECT_EQ(f.store({"true", "false", "null"}), (Lines{"BOOLEAN", "integer 1", "integer 0", "null"}));
}

TEST(Types, StringsOfEveryFormat) {
  for (const char* format :
       {"", "date", "date-time", "time", "duration", "uuid", "ipv4", "ipv6", "macaddr", "email"}) {
    OneField f({"string"});
    f.string().format = format;
    EXPECT_EQ(f.store({R"("2024-01-02T03:04:05Z")", R"("12")", R"("")", R"("é\"\\")"}),
              (Lines{"TEXT", "text 2024-01-02T03:04:05Z", "text 12", "text ", "text é\"\\"}))
        << format;
  }
}

TEST(Types, StringsKeepZeroCharacters) {
  OneField f({"string"});
  EXPECT_EQ(f.store({R"("a\u0000b")"}), (Lines{"TEXT", std::string("text a\0b", 8)}));
}

TEST(Types, ObjectsAndArraysAreText) {
  OneField object({"null", "object"});
  EXPECT_EQ(object.store({R"({"a":[1,"x"]})", "null"}), (Lines{"TEXT", R"(text {"a":[1,"x"]})", "null"}));
  EXPECT_EQ(rows(object.file, "SELECT json_extract(v, '$.a[1]') FROM t WHERE v IS NOT NULL"), Lines{"x"});
  OneField array({"array"});
  EXPECT_EQ(array.store({R"([1,{"a":null}])"}), (Lines{"TEXT", R"(text [1,{"a":null}])"}));
}

TEST(Types, MultipleIsJson) {
  OneField f({"array", "boolean", "integer", "null", "number", "object", "string"});
  EXPECT_EQ(f.store({R"("x\"y")", "5", "1.5", "true", "null", R"([1])", R"({"a":1})", R"("5")"}),
            (Lines{"TEXT", R"(text "x\"y")", "text 5", "text 1.5", "text true", "null", "text [1]",
                   R"(text {"a":1})", R"(text "5")"}));
}

TEST(Types, Base64IsBytes) {
  OneField f({"string"});
  f.string().content_encoding = "base64";
  EXPECT_EQ(f.store({R"("aGVsbG8=")", R"("-_8")", R"("")"}),
            (Lines{"BLOB", "blob x'68656c6c6f'", "blob x'fbff'", "blob x''"}));
  OneField bad({"string"});
  bad.string().content_encoding = "base64";
  EXPECT_NE(bad.failure(R"("n o")")
                .find("storing key [\"000\"] of table 't': value 'n o' of column 'v' is not base64"),
            std::string::npos);
}

TEST(Types, CastToString) {
  OneField f({"integer", "number", "object", "boolean"});
  f.field_config = R"({"castToString":true})";
  EXPECT_EQ(f.store({"18446744073709551615", "1e21", "true", R"({"a":1})", "null"}),
            (Lines{"TEXT", "text 18446744073709551615", "text 1000000000000000000000", "text true",
                   R"(text {"a":1})", "null"}));
}

TEST(Types, CastToStringKeepsAllDigits) {
  OneField f({"string", "null"});
  f.string().format = "number";
  f.field_config = R"({"castToString":true})";
  EXPECT_EQ(f.store({R"("12345678901234567890.123456789")", "null"}),
            (Lines{"TEXT", "text 12345678901234567890.123456789", "null"}));
}

TEST(Types, UserDdl) {
  OneField f({"integer"});
  f.field_config = R"J({"DDL":"VARCHAR(30)"})J";
  EXPECT_EQ(f.store({"5", "18446744073709551615"}),
            (Lines{"VARCHAR(30)", "text 5", "text 18446744073709551615"}));
}

TEST(Types, ManyConvertedValuesOfOneRow) {
  TempFolder folder;
  std::string file = folder.file("out.db");
  protocol::CollectionSpec c;
  c.name = "acme/wide";
  c.key = {"/k"};
  c.projections.push_back(projection("k", "/k", {"integer"}, Exists::must));
  c.projections[0].is_primary_key = true;
  BindingOptions options("t", {});
  options.keys = {"k"};
  options.document.clear();
  std::string values = "[";
  for (int i = 0; i < 500; ++i) {
    std::string name = fmt::format("f{:03}", i);
    c.projections.push_back(projection(name, "/" + name, {"boolean", "string"}));
    options.values.push_back(name);
    values += fmt::format(R"({}"value {}")", i ? "," : "", i);
  }
  auto s = spec(config_of(file), {binding(c, options)});
  Bench bench;
  bench.apply(s);
  bench.transact(s, {Stored("[1]", values + "]", "")});
  EXPECT_EQ(rows(file, "SELECT f000, f250, f499 FROM t"), Lines{R"("value 0"|"value 250"|"value 499")"});
}

}  // namespace
}  // namespace sluice::testing
