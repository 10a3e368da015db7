#include "sluice/sql/types.hpp"

#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "sluice/base/error.hpp"
#include "sluice/sql/values.hpp"

namespace sluice::sql {
namespace {

using protocol::Exists;
using protocol::Projection;

Projection formatted(std::vector<std::string> types, std::string format) {
  Projection p = field("f", std::move(types));
  p.inference->string.emplace();
  p.inference->string->format = std::move(format);
  return p;
}

TEST(FlatType, EveryRowOfTheTable) {
  struct {
    std::vector<std::string> types;
    FlatType flat;
  } rows[] = {
      {{"string"}, FlatType::string},
      {{"integer", "null"}, FlatType::integer},
      {{"number"}, FlatType::number},
      {{"fractional"}, FlatType::number},
      {{"fractional", "integer"}, FlatType::number},
      {{"integer", "number"}, FlatType::number},
      {{"boolean"}, FlatType::boolean},
      {{"object"}, FlatType::object},
      {{"array", "null"}, FlatType::array},
      {{"integer", "string"}, FlatType::multiple},
      {{"null"}, FlatType::never},
      {{}, FlatType::never},
  };
  for (const auto& row : rows)
    EXPECT_EQ(flat_type(field("f", row.types), false), row.flat) << row.types.size();
}

TEST(FlatType, NumericFormatsOfValues) {
  for (const char* format : {"integer", "int32", "int64", "uint32", "uint64"}) {
    EXPECT_EQ(flat_type(formatted({"string"}, format), false), FlatType::string_integer) << format;
    EXPECT_EQ(flat_type(formatted({"integer", "null", "string"}, format), false), FlatType::string_integer);
    EXPECT_EQ(flat_type(formatted({"number", "string"}, format), false), FlatType::multiple);
  }
  EXPECT_EQ(flat_type(formatted({"string"}, "number"), false), FlatType::string_number);
  EXPECT_EQ(flat_type(formatted({"integer", "string"}, "number"), false), FlatType::string_number);
  EXPECT_EQ(flat_type(formatted({"null", "number", "string"}, "number"), false), FlatType::string_number);
  EXPECT_EQ(flat_type(formatted({"boolean", "string"}, "number"), false), FlatType::multiple);
  EXPECT_EQ(flat_type(formatted({"string"}, "date-time"), false), FlatType::string);
}

TEST(FlatType, KeysKeepTheirText) {
  EXPECT_EQ(flat_type(formatted({"string"}, "integer"), true), FlatType::string);
  EXPECT_EQ(flat_type(formatted({"string"}, "number"), true), FlatType::string);
  EXPECT_EQ(flat_type(formatted({"integer", "string"}, "integer"), true), FlatType::multiple);
}

TEST(FlatType, Base64) {
  Projection p = formatted({"string"}, "");
  p.inference->string->content_encoding = "base64";
  EXPECT_EQ(flat_type(p, false), FlatType::binary);
  EXPECT_EQ(flat_type(p, true), FlatType::binary);
  p.inference->string->content_type = "application/octet-stream";
  EXPECT_EQ(flat_type(p, false), FlatType::binary);
  p.inference->string->content_type = "image/png";
  EXPECT_EQ(flat_type(p, false), FlatType::string);
}

TEST(FlatType, UnknownTypesAreNamed) { EXPECT_THROW(flat_type(field("f", {"tuple"}), false), Error); }

TEST(Existence, MustBeThereAndNotNull) {
  EXPECT_TRUE(must_exist(field("f", {"string"}, Exists::must)));
  EXPECT_FALSE(must_exist(field("f", {"null", "string"}, Exists::must)));
  EXPECT_FALSE(must_exist(field("f", {"string"}, Exists::may)));
  EXPECT_FALSE(must_exist(field("f", {"string"}, Exists::implicit)));
  EXPECT_FALSE(must_exist(Projection()));
}

TEST(SchemaText, NamesWhatIsSet) {
  EXPECT_EQ(schema_text(field("f", {"integer", "null"})), "{ type: [integer, null] }");
  Projection p = formatted({"string"}, "uri");
  p.inference->string->content_type = "a/b";
  p.inference->string->content_encoding = "base64";
  p.inference->string->max_length = 9;
  EXPECT_EQ(schema_text(p),
            "{ type: [string], format: uri, content-type: a/b, content-encoding: base64, maxLength: 9 }");
}

TEST(FieldConfig, IsStrictForUsersAndLenientForBuiltSpecifications) {
  EXPECT_TRUE(FieldConfig::parse(R"({"castToString":true})", "f").cast_to_string);
  EXPECT_TRUE(FieldConfig::parse(R"({"ignoreStringFormat":true})", "f").cast_to_string);
  EXPECT_EQ(FieldConfig::parse(R"({"DDL":"JSONB"})", "f").ddl, "JSONB");
  EXPECT_FALSE(FieldConfig::parse("", "f").cast_to_string);
  EXPECT_EQ(FieldConfig::parse_lenient(R"({"DDL":"X","other":1})", "f").ddl, "X");
  try {
    FieldConfig::parse(R"({"other":1})", "price");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    EXPECT_NE(e.message().find("field 'price'"), std::string::npos) << e.what();
    EXPECT_NE(e.message().find("other"), std::string::npos) << e.what();
  }
}

std::string as_text(const data::Element& element) {
  std::string out;
  write_text(out, element);
  return out;
}
std::string as_json(const data::Element& element) {
  std::string out;
  write_json(out, element);
  return out;
}

TEST(Values, TextOfCastToString) {
  EXPECT_EQ(as_text({}), "");
  EXPECT_EQ(as_text(true), "true");
  EXPECT_EQ(as_text(std::int64_t{-5}), "-5");
  EXPECT_EQ(as_text(std::uint64_t{18446744073709551615u}), "18446744073709551615");
  EXPECT_EQ(as_text(1e21), "1000000000000000000000");
  EXPECT_EQ(as_text(-0.1), "-0.1");
  EXPECT_EQ(as_text(5e-7), "0.0000005");
  EXPECT_EQ(as_text(1.7976931348623157e308).size(), 309u);
  EXPECT_EQ(as_text(std::string_view("a\"b")), "a\"b");
  EXPECT_EQ(as_text(data::Json{R"({"a":1})"}), R"({"a":1})");
}

TEST(Values, JsonOfMixedTypes) {
  EXPECT_EQ(as_json({}), "null");
  EXPECT_EQ(as_json(false), "false");
  EXPECT_EQ(as_json(std::int64_t{7}), "7");
  EXPECT_EQ(as_json(1.5), "1.5");
  EXPECT_EQ(as_json(std::string_view("a\"b")), R"("a\"b")");
  EXPECT_EQ(as_json(data::Json{"[1]"}), "[1]");
}

}  // namespace
}  // namespace sluice::sql
