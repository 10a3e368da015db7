#include "sluice/runtime/schema.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

// Evaluates `document` in both ways, which must agree.
bool holds(Validator& validator, std::string_view document) {
  json::Tree tree;
  tree.parse(document);
  bool valid = validator.validate(tree).valid();
  std::string errors = validator.explain(tree);
  EXPECT_EQ(errors == "[]", valid) << errors;
  return valid;
}
bool holds(std::string_view schema, std::string_view document) {
  Validator validator(Schema::compile(schema));
  return holds(validator, document);
}

// tests/runtime/schema_cases.json: schemas with documents they accept and others that they must not.
class SchemaCases : public testing::Test {
 protected:
  SchemaCases() {
    std::ifstream in(SLUICE_RUNTIME_TESTS "/schema_cases.json");
    text_.assign(std::istreambuf_iterator<char>(in), {});
    cases_.parse(text_);
  }
  void check(const json::Node& example, const std::string& schema) {
    SCOPED_TRACE(schema);
    Validator validator(Schema::compile(schema));
    for (const json::Node& good : cases_.children(*cases_.find(example, "valid")))
      EXPECT_TRUE(holds(validator, good.raw)) << good.raw;
    for (const json::Node& bad : cases_.children(*cases_.find(example, "invalid")))
      EXPECT_FALSE(holds(validator, bad.raw)) << bad.raw;
    check_in_any_order(example, Schema::compile(schema));
  }
  // What a validator met before does not matter.
  void check_in_any_order(const json::Node& example, const Schema& schema) {
    std::vector<std::pair<std::string_view, bool>> documents;
    for (const char* kind : {"valid", "invalid"})
      for (const json::Node& document : cases_.children(*cases_.find(example, kind)))
        documents.emplace_back(document.raw, kind == std::string_view("valid"));
    Validator validator(schema);
    json::Tree tree;
    for (int i = 0; i < 200; ++i) {
      const auto& [document, valid] = documents[random_() % documents.size()];
      tree.parse(document);
      ASSERT_EQ(validator.validate(tree).valid(), valid) << document;
    }
  }

  std::string text_;
  json::Tree cases_;
  std::mt19937 random_{7};
};

TEST_F(SchemaCases, keywords) {
  for (const json::Node& example : cases_.children(*cases_.find(cases_.root(), "keywords")))
    check(example, std::string(cases_.find(example, "schema")->raw));
}

TEST_F(SchemaCases, formats) {
  for (const json::Node& example : cases_.children(*cases_.find(cases_.root(), "formats"))) {
    std::string schema = fmt::format(R"({{"format":{}}})", cases_.find(example, "format")->raw);
    check(example, schema);
    EXPECT_TRUE(holds(schema, "1"));
  }
}

TEST(Schema, objects_with_many_properties) {
  std::string properties, required, document;
  for (int i = 0; i < 200; ++i) {
    std::string name = fmt::format("\"column_{}\"", i);
    properties += (i ? "," : "") + name + R"(:{"type":"integer"})";
    required += (i ? "," : "") + name;
    document = name + fmt::format(":{}{}", i, i ? "," : "") + document;
  }
  std::string schema = fmt::format(R"({{"properties":{{{}}},"required":[{}]}})", properties, required);
  std::string good = "{" + document + "}", wrong = good, missing = good;
  wrong.replace(wrong.find(":77,"), 4, ":\"\",");
  missing.replace(missing.find("column_150"), 10, "column_xxx");
  EXPECT_TRUE(holds(schema, good));
  EXPECT_FALSE(holds(schema, wrong));
  EXPECT_FALSE(holds(schema, missing));
}

TEST(Schema, references_through_the_resolver) {
  Schema::Resolver resolver = [](std::string_view url) -> std::optional<std::string> {
    if (url == "flow://write-schema")
      return R"({"$defs":{"i":{"$anchor":"I","type":"integer"}},"properties":{"a":{"$ref":"#I"}}})";
    if (url == "file:///dir/other.json") return R"({"$ref":"third.json#/$defs/s"})";
    if (url == "file:///dir/third.json") return R"({"$defs":{"s":{"type":"string"}}})";
    return {};
  };
  json::Tree tree;
  Validator write(Schema::compile(R"({"$ref":"flow://write-schema"})", resolver));
  tree.parse(R"({"a":"x"})");
  EXPECT_FALSE(write.validate(tree).valid());
  Validator files(Schema::compile(R"({"$id":"file:///dir/main.json","$ref":"other.json"})", resolver));
  tree.parse("\"x\"");
  EXPECT_TRUE(files.validate(tree).valid());
  tree.parse("1");
  EXPECT_FALSE(files.validate(tree).valid());
}

std::string build_error(std::string_view schema) {
  try {
    Schema::compile(schema);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    return e.message();
  }
  return "";
}

TEST(Schema, build_errors_name_place_and_value) {
  EXPECT_EQ(build_error(R"({"properties":{"a":{"minLength":"x"}}})"),
            "schema at #/properties/a: minLength must be a non-negative integer, not \"x\"");
  EXPECT_EQ(
      build_error(R"({"type":"strin"})"),
      "schema at #: type must be of null, boolean, integer, number, string, array and object, not \"strin\"");
  EXPECT_EQ(build_error(R"({"allOf":[{"$ref":"#/$defs/none"}]})"),
            "schema at #/allOf/0: $ref '#/$defs/none' leads to a place that does not exist");
  EXPECT_EQ(build_error(R"({"$ref":"#Nope"})"),
            "schema at #: $ref '#Nope' names an anchor that does not exist");
  EXPECT_EQ(build_error(R"({"$ref":"http://x.y/z"})"),
            "schema at #: $ref leads to 'http://x.y/z', which is not available");
  EXPECT_EQ(build_error(R"({"$ref":"#"})"),
            "schema at #: the schema refers back to itself without descending into the document");
  EXPECT_EQ(build_error(R"({"properties":{"a":1}})"),
            "schema at #/properties/a: a schema must be an object or a boolean, not 1");
  for (std::string_view schema :
       {R"({"reduce":{"strategy":"nope"}})",
        R"({"reduce":{"strategy":"sum","key":["/a"]}})",
        R"({"reduce":"sum"})",
        R"({"reduce":{"strategy":"merge","delete":1}})",
        R"({"redact":{"strategy":"md5"}})",
        R"({"redact":{"strategy":"block","x":1}})",
        R"({"pattern":"("})",
        R"({"pattern":"(?=a)b"})",
        R"({"required":"a"})",
        R"({"enum":1})",
        R"({"multipleOf":0})",
        R"({"items":1})",
        R"({"items":[{}],"prefixItems":[{}]})",
        R"({"anyOf":[]})",
        R"({"exclusiveMinimum":true})",
        R"({"type":[]})",
        "1",
        "{",
        R"({"format":1})",
        R"({"patternProperties":{"[":{}}})",
        R"({"dependentRequired":{"a":1}})",
        R"({"$defs":[]})",
        R"({"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}})"})
    EXPECT_NE(build_error(schema), "") << schema;
}

TEST(Schema, unknown_keywords_warn_once) {
  Schema schema = Schema::compile(
      R"({"x-anything":1,"frob":1,"properties":{"a":{"frob":2,"format":"currency"}},"$comment":"","examples":[]})");
  ASSERT_EQ(schema.warnings().size(), 2u);
  EXPECT_EQ(schema.warnings()[0], "unknown keyword 'frob' at # is ignored");
  EXPECT_EQ(schema.warnings()[1], "unknown format 'currency' at #/properties/a is not checked");
}

// The strategies in effect, as "property:strategy" for every annotated value in preorder.
std::string reductions(std::string_view schema, std::string_view document) {
  Validator validator(Schema::compile(schema));
  json::Tree tree;
  tree.parse(document);
  const Outcome& outcome = validator.validate(tree);
  EXPECT_TRUE(outcome.valid()) << validator.explain(tree);
  std::string out;
  for (std::uint32_t i = 0; i < tree.size(); ++i)
    if (const Reduction* r = outcome.reduction(i))
      out +=
          fmt::format("{}{}:{}{}", out.empty() ? "" : " ", tree[i].key, name(r->strategy), r->del ? "!" : "");
  return out;
}

TEST(Schema, annotations_of_failing_subschemas_do_not_count) {
  constexpr std::string_view schema = R"({"reduce":{"strategy":"merge"},"properties":{"a":{"oneOf":[
      {"type":"integer","reduce":{"strategy":"sum"}},{"type":"string","reduce":{"strategy":"append"}},{"type":"null"}]}}})";
  EXPECT_EQ(reductions(schema, R"({"a":1})"), ":merge a:sum");
  EXPECT_EQ(reductions(schema, R"({"a":""})"), ":merge a:append");
  EXPECT_EQ(reductions(schema, R"({"a":null})"), ":merge");
  // A branch that annotated a child before it failed leaves nothing behind.
  EXPECT_EQ(
      reductions(R"({"anyOf":[{"properties":{"a":{"reduce":{"strategy":"sum"}},"b":{"type":"null"}}},{}]})",
                 R"({"a":1,"b":2})"),
      "");
  EXPECT_EQ(reductions(R"({"not":{"properties":{"a":{"reduce":{"strategy":"sum"}},"b":{"type":"null"}}}})",
                       R"({"a":1,"b":2})"),
            "");
}

TEST(Schema, in_place_subschemas_override_and_later_ones_win) {
  constexpr std::string_view schema =
      R"({"allOf":[{"reduce":{"strategy":"sum"}},{"reduce":{"strategy":"set"}}],
      "$ref":"#/$defs/r","reduce":{"strategy":"merge"},"$defs":{"r":{"reduce":{"strategy":"append"}}}})";
  EXPECT_EQ(reductions(schema, "1"), ":set");
  EXPECT_EQ(
      reductions(
          R"({"$ref":"#/$defs/r","reduce":{"strategy":"merge"},"$defs":{"r":{"reduce":{"strategy":"append"}}}})",
          "1"),
      ":append");
  EXPECT_EQ(reductions(R"({"anyOf":[{"reduce":{"strategy":"sum"}},{"reduce":{"strategy":"set"}}]})", "1"),
            ":set");
  EXPECT_EQ(
      reductions(
          R"({"if":true,"then":{"reduce":{"strategy":"sum"}},"allOf":[{"reduce":{"strategy":"set"}}]})", "1"),
      ":sum");
  EXPECT_EQ(
      reductions(
          R"({"properties":{"a":{"reduce":{"strategy":"sum"}}},"allOf":[{"properties":{"a":{"reduce":{"strategy":"set"}}}}]})",
          R"({"a":1})"),
      "a:set");
}

// As capture-postgres.md §2.6 discovers a table.
constexpr std::string_view discovered = R"json({"$defs": {"PublicOrders": {
  "type": "object", "required": ["id"], "$anchor": "PublicOrders", "properties": {
    "id":   {"type": "integer", "description": "(source type: non-nullable int4)"},
    "note": {"type": ["string","null"], "maxLength": 40, "description": "Free text. (source type: varchar)"}}}},
 "allOf": [
  {"if":   {"properties": {"_meta": {"properties": {"op": {"const": "d"}}}}},
   "then": {"reduce": {"strategy": "merge", "delete": true}},
   "else": {"reduce": {"strategy": "merge"}},
   "required": ["_meta"],
   "properties": {"_meta": {"type": "object", "required": ["op","source"], "reduce": {"strategy": "merge"},
     "properties": {
      "op":     {"enum": ["c","d","u"], "description": "..."},
      "source": {"type": "object", "required": ["schema","table","loc"], "properties": {
        "loc": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3}}},
      "before": {"$ref": "#PublicOrders", "description": "...", "reduce": {"strategy": "firstWriteWins"}}}}}},
  {"$ref": "#PublicOrders"}],
 "x-infer-schema": true})json";

TEST(Schema, discovered_postgres_schema) {
  EXPECT_EQ(
      reductions(
          discovered,
          R"({"_meta":{"op":"d","source":{"schema":"s","table":"t","loc":[1,2,3]},"before":{"id":1}},"id":1})"),
      ":merge! _meta:merge before:firstWriteWins");
  EXPECT_EQ(
      reductions(
          discovered,
          R"({"_meta":{"op":"u","source":{"schema":"s","table":"t","loc":[1,2,3]}},"id":1,"note":null})"),
      ":merge _meta:merge");
  for (std::string_view document :
       {R"({"id":1})", R"({"_meta":{"op":"x","source":{"schema":"s","table":"t","loc":[1,2,3]}},"id":1})",
        R"({"_meta":{"op":"c","source":{"schema":"s","table":"t","loc":[1,2]}},"id":1})",
        R"({"_meta":{"op":"c","source":{"schema":"s","table":"t","loc":[1,2,3]}},"id":"x"})"})
    EXPECT_FALSE(holds(discovered, document)) << document;
}

TEST(Schema, redactions_apply_per_value_and_must_agree) {
  Validator validator(Schema::compile(
      R"({"properties":{"a":{"redact":{"strategy":"sha256"}},"b":{"anyOf":[{"type":"null","redact":{"strategy":"block"}},{}]}}})"));
  json::Tree tree;
  tree.parse(R"({"a":1,"b":null,"c":2})");
  const Outcome& outcome = validator.validate(tree);
  EXPECT_TRUE(outcome.redacts());
  EXPECT_EQ(outcome.redact(1), Redaction::sha256);
  EXPECT_EQ(outcome.redact(2), Redaction::block);
  EXPECT_EQ(outcome.redact(3), Redaction::none);
  tree.parse(R"({"b":1})");
  EXPECT_FALSE(validator.validate(tree).redacts());
  EXPECT_FALSE(holds(R"({"redact":{"strategy":"sha256"},"allOf":[{"redact":{"strategy":"block"}}]})", "1"));
  EXPECT_TRUE(holds(R"({"redact":{"strategy":"sha256"},"allOf":[{"redact":{"strategy":"sha256"}}]})", "1"));
}

TEST(Schema, explains_failures_as_basic_output) {
  Validator validator(Schema::compile(
      R"({"$defs":{"i":{"type":"integer"}},"properties":{"a/b":{"$ref":"#/$defs/i"},"l":{"items":{"anyOf":[{"type":"null"},{"minimum":3}]}}},"required":["z"]})"));
  json::Tree tree;
  tree.parse(R"({"a/b":"x","l":[null,5,1]})");
  EXPECT_EQ(
      validator.explain(tree),
      R"([{"keywordLocation":"/properties/a~1b/$ref/type","instanceLocation":"/a~1b","error":"expected integer, found string"},)"
      R"({"keywordLocation":"/properties/l/items/anyOf/0/type","instanceLocation":"/l/2","error":"expected null, found 1"},)"
      R"({"keywordLocation":"/properties/l/items/anyOf/1/minimum","instanceLocation":"/l/2","error":"1 is beyond the limit 3"},)"
      R"({"keywordLocation":"/properties/l/items/anyOf","instanceLocation":"/l/2","error":"1 matches none of the alternatives"},)"
      R"({"keywordLocation":"/required","instanceLocation":"","error":"property 'z' is missing"}])");
  // Explaining leaves the validator as it was.
  EXPECT_FALSE(validator.validate(tree).valid());
  tree.parse(R"({"z":1})");
  EXPECT_TRUE(validator.validate(tree).valid());
}

// Documents of one structure whose values decide which annotations hold, and whether they are valid.
TEST(Validator, FindsTheSameWhateverItMetBefore) {
  Schema schema = Schema::compile(R"({"type":"object","required":["id"],
      "properties":{
        "id":{"type":"integer","minimum":0},
        "op":{"enum":["c","u","d"]},
        "at":{"type":["string","null"],"format":"date"},
        "list":{"uniqueItems":true,"contains":{"const":1},"reduce":{"strategy":"append"}},
        "who":{"type":["string","object"],"maxLength":3,"redact":{"strategy":"block"}}},
      "if":{"properties":{"op":{"const":"d"}},"required":["op"]},
      "then":{"reduce":{"strategy":"merge","delete":true}},
      "else":{"reduce":{"strategy":"merge"},"properties":{"id":{"maximum":5}}},
      "anyOf":[{"properties":{"n":{"type":"integer","reduce":{"strategy":"sum"}}}},
               {"properties":{"n":{"multipleOf":0.5,"reduce":{"strategy":"maximize"}}}}],
      "patternProperties":{"^x":{"not":{"const":0}}},
      "propertyNames":{"minLength":1}})");
  std::mt19937 random(11);
  auto one_of = [&](std::vector<std::string> texts) { return texts[random() % texts.size()]; };
  auto document = [&] {
    std::string out = R"({"id":)" + one_of({"1", "2", "9", "-1", "1.5", "3.0", "\"1\""});
    auto maybe = [&](std::string member, std::vector<std::string> values) {
      if (random() % 4) out += ",\"" + member + "\":" + one_of(std::move(values));
    };
    maybe("at", {"null", R"("2020-01-02")", R"("2020-13-02")"});
    maybe("list", {"[1]", "[2]", "[1,2]", "[1,1]", "[2,1]"});
    maybe("n", {"1", "1.5", "2.25", "4"});
    maybe("op", {R"("c")", R"("u")", R"("d")", R"("x")"});
    maybe("who", {R"("me")", R"("them")", "{}"});
    maybe("x", {"0", "1"});
    return out + "}";
  };
  Validator seasoned(schema);
  json::Tree tree;
  int valid = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = document();
    tree.parse(text);
    const Outcome& outcome = seasoned.validate(tree);
    Validator fresh(schema);
    const Outcome& expected = fresh.validate(tree);
    ASSERT_EQ(outcome.valid(), expected.valid()) << text;
    if (!expected.valid()) continue;
    ++valid;
    ASSERT_EQ(outcome.redacts(), expected.redacts()) << text;
    for (std::uint32_t node = 0; node < tree.size(); ++node) {
      ASSERT_EQ(outcome.reduction(node), expected.reduction(node)) << text;
      ASSERT_EQ(outcome.redact(node), expected.redact(node)) << text;
    }
  }
  EXPECT_GT(valid, 1'000);
}

TEST(Validator, TellsDocumentsOfOneStructureByOneNumber) {
  Validator validator(Schema::compile(R"({"properties":{"n":{"type":"integer"}}})"));
  json::Tree tree;
  auto structure = [&](std::string_view text) {
    tree.parse(text);
    return validator.validate(tree).structure();
  };
  std::uint64_t first = structure(R"({"n":1,"s":"a"})");
  EXPECT_NE(first, 0u);
  EXPECT_EQ(structure(R"({"n":2,"s":"bcd"})"), first);
  for (std::string_view other : {R"({"n":2,"t":"a"})", R"({"n":2,"s":null})", R"({"n":2,"s":"a","t":1})",
                                 R"({"n":2,"s":["a"]})", R"({"ns":2,"":"a"})"})
    EXPECT_NE(structure(other), first) << other;
  EXPECT_EQ(structure(R"({"n":1.5,"s":"a"})"), 0u);  // not valid
}

// They would cost more memory than they save time.
TEST(Validator, RemembersNoLargeDocuments) {
  Validator validator(Schema::compile(R"({"items":{"type":"integer"}})"));
  auto of = [](std::size_t items, std::string_view last) {
    std::string out = "[";
    for (std::size_t i = 1; i < items; ++i) out += "1,";
    return out.append(last) + "]";
  };
  json::Tree tree;
  for (std::size_t items : {999u, 1000u, 5000u})
    for (std::string_view last : {"1", "1.5", "2", "true", "3"}) {
      std::string text = of(items, last);
      tree.parse(text);
      const Outcome& outcome = validator.validate(tree);
      EXPECT_EQ(outcome.valid(), last.size() == 1);
      EXPECT_EQ(outcome.structure() != 0, outcome.valid() && items < 1000);
    }
}

}  // namespace
}  // namespace sluice::runtime
