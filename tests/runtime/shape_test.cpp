#include "sluice/runtime/shape.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::runtime {
namespace {

Shape infer(std::string_view schema) { return Shape::infer(Schema::compile(schema)); }

std::string_view name(protocol::Exists exists) {
  constexpr std::string_view names[] = {"invalid", "must", "may", "implicit", "cannot"};
  return names[static_cast<std::size_t>(exists)];
}

// "types exists" of a location.
std::string at(const Shape& shape, std::string_view pointer) {
  Shape::Located located = shape.locate(json::Pointer(pointer));
  return fmt::format("{} {}", text::join(types::names(located.shape->types), ","), name(located.exists));
}

TEST(Shape, types_and_existence) {
  Shape s = infer(R"({"type":"object","required":["a","o"],"properties":{
      "a":{"type":"integer"},"b":{"type":["string","null"]},"n":{"type":["number","integer"]},"f":false,"any":{},
      "o":{"type":["object","null"],"required":["x"],"properties":{"x":{"type":"boolean"}}},
      "must":{"type":"object","required":["x"],"properties":{"x":{}}}},
      "patternProperties":{"^p_":{"type":"string"}}})");
  EXPECT_EQ(at(s, ""), "object must");
  EXPECT_EQ(at(s, "/a"), "integer must");
  EXPECT_EQ(at(s, "/b"), "null,string may");
  EXPECT_EQ(at(s, "/n"), "number may");
  EXPECT_EQ(at(s, "/f"), " cannot");
  EXPECT_EQ(at(s, "/any"), "array,boolean,null,number,object,string may");
  EXPECT_EQ(at(s, "/o/x"), "boolean may") << "its parent may be null";
  EXPECT_EQ(at(s, "/must/x"), "array,boolean,null,number,object,string may") << "its parent may be absent";
  EXPECT_EQ(at(s, "/p_1"), "string implicit");
  EXPECT_EQ(at(s, "/zzz"), "array,boolean,null,number,object,string implicit");
  EXPECT_EQ(at(s, "/a/b"), "array,boolean,null,number,object,string cannot");
  EXPECT_EQ(at(infer(R"({"type":"object","additionalProperties":false})"), "/x"), " cannot");
  EXPECT_EQ(at(infer(R"({"type":"object","additionalProperties":{"type":"string"}})"), "/x"),
            "string implicit");
}

TEST(Shape, tuples_and_items) {
  Shape s = infer(
      R"({"type":"array","minItems":1,"items":[{"type":"integer"},{"type":"string"}],"additionalItems":{"type":"null"}})");
  EXPECT_EQ(at(s, "/0"), "integer must");
  EXPECT_EQ(at(s, "/1"), "string may");
  EXPECT_EQ(at(s, "/2"), "null implicit");
  Shape loc = infer(R"({"type":"array","minItems":3,"maxItems":3,"items":{"type":"integer"}})");
  EXPECT_EQ(at(loc, "/2"), "integer must");
  EXPECT_EQ(at(loc, "/3"), "array,boolean,null,number,object,string cannot");
  EXPECT_EQ(at(loc, "/01"), "array,boolean,null,number,object,string cannot");
}

TEST(Shape, all_of_intersects) {
  Shape s = infer(R"({"type":"object","allOf":[
      {"required":["a"],"properties":{"a":{"type":["integer","string"],"minimum":1,"title":"first"},"e":{"enum":[1,2,"x"]}}},
      {"required":["b"],"properties":{"a":{"type":["integer","null"],"maximum":9,"title":"second"},"e":{"enum":["x",2,3],"type":["string","integer"]}}}]})");
  EXPECT_EQ(at(s, "/a"), "integer must");
  EXPECT_EQ(at(s, "/b"), "array,boolean,null,number,object,string must");
  const Shape& a = *s.locate(json::Pointer("/a")).shape;
  EXPECT_EQ(a.title, "first");
  protocol::Inference i = a.inference(protocol::Exists::must);
  EXPECT_TRUE(i.numeric->has_minimum && i.numeric->minimum == 1 && i.numeric->has_maximum &&
              i.numeric->maximum == 9);
  const Shape& e = *s.locate(json::Pointer("/e")).shape;
  EXPECT_EQ(*e.enumeration, (std::vector<std::string>{"2", "\"x\""}));
  EXPECT_EQ(at(infer(R"({"type":"string","allOf":[{"type":"integer"}]})"), ""), " cannot");
  EXPECT_EQ(
      at(infer(
             R"({"allOf":[{"properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{"type":"string"}}}]})"),
         "/b"),
      " cannot");
}

TEST(Shape, one_of_unites) {
  Shape s = infer(R"({"type":"object","oneOf":[
      {"required":["k","x"],"properties":{"k":{"const":"a"},"x":{"type":"integer","minimum":0,"maximum":5,"description":"d"}},"additionalProperties":false},
      {"required":["k"],"properties":{"k":{"const":"b"},"x":{"type":"string","maxLength":3,"description":"d"},"y":{"type":"null"}},"additionalProperties":false}]})");
  EXPECT_EQ(at(s, "/k"), "string must");
  EXPECT_EQ(*s.locate(json::Pointer("/k")).shape->enumeration, (std::vector<std::string>{"\"a\"", "\"b\""}));
  EXPECT_EQ(at(s, "/x"), "integer,string may");
  EXPECT_EQ(at(s, "/y"), "null may");
  EXPECT_EQ(at(s, "/z"), " cannot");
  protocol::Inference x = s.locate(json::Pointer("/x")).shape->inference(protocol::Exists::may);
  EXPECT_EQ(x.description, "d");
  EXPECT_EQ(x.string->max_length, 3u);
  EXPECT_EQ(x.numeric->maximum, 5);
  // A property that only one branch names has any type in an open other one, and no matter in one without
  // objects.
  EXPECT_EQ(at(infer(R"({"anyOf":[{"properties":{"x":{"type":"integer"}}},{"required":["y"]}]})"), "/x"),
            "array,boolean,null,number,object,string may");
  EXPECT_EQ(at(infer(R"({"anyOf":[{"properties":{"x":{"type":"integer"}}},{"type":"null"}]})"), "/x"),
            "integer may");
}

TEST(Shape, branches_of_if_unite) {
  Shape both = infer(R"({"if":{"type":"null"},"then":{"type":["null","string"]},"else":{"type":"integer"}})");
  EXPECT_EQ(at(both, ""), "integer,null,string must");
  EXPECT_EQ(at(infer(R"({"if":{},"then":{"type":"null"}})"), ""),
            "array,boolean,null,number,object,string must");
  EXPECT_EQ(at(infer(R"({"not":{"type":"null"}})"), ""), "array,boolean,null,number,object,string must");
}

TEST(Shape, recursive_schemas_end) {
  Shape s = infer(R"({"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#"}}})");
  EXPECT_EQ(at(s, "/v"), "integer may");
  EXPECT_EQ(at(s, "/next/v"), "array,boolean,null,number,object,string implicit");
}

TEST(Shape, annotations_reach_the_inference) {
  Shape s = infer(
      R"({"type":["string","array"],"format":"datetime","contentEncoding":"base64","contentMediaType":"text/x","secret":true,
      "title":"T","description":"D","default":{"b":1,"a":2},"maxLength":7,"minItems":1,"maxItems":4,"items":{"type":["integer","string"]},
      "reduce":{"strategy":"set"},"redact":{"strategy":"block"},"x-foo":[1]})");
  protocol::Inference i = s.inference(protocol::Exists::may);
  EXPECT_EQ(i.types, (std::vector<std::string>{"array", "string"}));
  EXPECT_EQ(i.string->format, "date-time");
  EXPECT_EQ(i.string->content_encoding, "base64");
  EXPECT_EQ(i.string->content_type, "text/x");
  EXPECT_EQ(i.content_media_type, "text/x");
  EXPECT_EQ(i.string->max_length, 7u);
  EXPECT_FALSE(i.numeric);
  EXPECT_EQ(i.array->min_items, 1u);
  EXPECT_TRUE(i.array->has_max_items);
  EXPECT_EQ(i.array->item_types, (std::vector<std::string>{"integer", "string"}));
  EXPECT_TRUE(i.secret);
  EXPECT_EQ(i.default_json, R"({"a":2,"b":1})");
  EXPECT_EQ(i.reduce, protocol::Reduce::set);
  EXPECT_EQ(i.redact, protocol::Redact::block);
  EXPECT_EQ(s.extensions.at("x-foo"), "[1]");
  EXPECT_EQ(infer(R"({"anyOf":[{"reduce":{"strategy":"sum"}},{"reduce":{"strategy":"set"}}]})").reduce,
            protocol::Reduce::multiple);
  EXPECT_EQ(infer(R"({"reduce":{"strategy":"sum"},"allOf":[{"reduce":{"strategy":"set"}}]})").reduce,
            protocol::Reduce::set);
  EXPECT_EQ(infer(R"({"redact":{"strategy":"block"},"allOf":[{"redact":{"strategy":"sha256"}}]})").redact,
            protocol::Redact::multiple);
}

TEST(Shape, locations_in_order) {
  Shape s = infer(
      R"({"type":"object","required":["t"],"properties":{"a/b":{},"t":{"type":"array","minItems":1,"items":[{"type":"null"}],"additionalItems":{}}},
      "patternProperties":{"^x":{"properties":{"y":{}}}}})");
  std::vector<std::string> seen;
  for (const Shape::Location& l : s.locations())
    seen.push_back(fmt::format("{}{} {}", l.pointer, l.pattern ? "!" : "", name(l.exists)));
  EXPECT_EQ(seen, (std::vector<std::string>{" must", "/^x! implicit", "/^x/y! implicit", "/a~1b may",
                                            "/t must", "/t/*! implicit", "/t/0 must"}));
}

TEST(Shape, survives_the_way_to_a_schema_and_back) {
  for (
      std::string_view schema :
      {R"({"type":"integer"})", R"({"type":["null","number"]})",
       R"({"type":"string","format":"date","maxLength":3})",
       R"({"type":"number","minimum":-5,"maximum":10.5})",
       R"({"type":"string","enum":["a","b"],"title":"t","description":"d","default":1,"secret":true})",
       R"({"type":"array","minItems":1,"maxItems":4,"items":[true,false],"additionalItems":{"type":"null"}})",
       R"({"type":"object","properties":{"a":{"type":"null"}},"required":["a"],"patternProperties":{"^p":{"type":"string"}},"additionalProperties":false})",
       R"({"type":"string","contentEncoding":"base64","contentMediaType":"x/y","minLength":2,"x-a":{"b":1}})"}) {
    EXPECT_EQ(to_schema(infer(schema)), schema);
  }
  EXPECT_EQ(to_schema(Shape()), "true");
  EXPECT_EQ(to_schema(Shape::nothing()), "false");
}

TEST(Shape, unite_schemas_accepts_what_either_accepts) {
  EXPECT_EQ(unite_schemas(R"({"type":"string","maxLength":3})", R"({"type":"string","maxLength":5})"),
            R"({"type":"string","maxLength":5})");
  EXPECT_EQ(
      unite_schemas(
          R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false})",
          R"({"type":"object","properties":{"b":{"type":"string"}},"required":["b"],"additionalProperties":false})"),
      R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"additionalProperties":false})");
  EXPECT_EQ(
      unite_schemas(R"({"type":"string","format":"integer"})", R"({"type":"string","format":"number"})"),
      R"({"type":"string","format":"number"})");
  EXPECT_EQ(unite_schemas("{}", R"({"type":"string"})"), "{}");
  EXPECT_THROW(unite_schemas("1", "{}"), Error);
}

// The schema after widening by documents one after the other.
std::string widened(std::vector<std::string_view> documents, std::string_view start = "false") {
  Shape shape = infer(start);
  json::Tree tree;
  for (std::string_view document : documents) {
    std::string text = json::canonical(document);
    tree.parse(text);
    bool changed = widen(shape, tree, tree.root());
    EXPECT_FALSE(widen(shape, tree, tree.root())) << "a second time changes nothing: " << text;
    Validator validator(Schema::compile(to_schema(shape)));
    EXPECT_TRUE(validator.validate(tree).valid()) << validator.explain(tree) << to_schema(shape);
    EXPECT_TRUE(changed || &document != &documents[0]);
  }
  return to_schema(shape);
}

TEST(Widen, number_bounds) {
  auto integer = [](std::string_view low, std::string_view high) {
    return fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", low, high);
  };
  EXPECT_EQ(widened({"5"}), integer("1", "10"));
  EXPECT_EQ(widened({"10"}), integer("10", "100"));
  EXPECT_EQ(widened({"0"}), integer("0", "0"));
  EXPECT_EQ(widened({"-5"}), integer("-10", "-1"));
  EXPECT_EQ(widened({"5", "-12"}), integer("-100", "10"));
  EXPECT_EQ(widened({"18446744073709551615"}), integer("10000000000000000000", "18446744073709551615"));
  EXPECT_EQ(widened({"-9223372036854775808"}), integer("-9223372036854775808", "-1000000000000000000"));
  EXPECT_EQ(widened({"3.0"}), integer("1", "10"));
  auto number = [](std::string_view low, std::string_view high) {
    return fmt::format(R"({{"type":"number","minimum":{},"maximum":{}}})", low, high);
  };
  EXPECT_EQ(widened({"0.5"}), number("0.0", "1.0"));
  EXPECT_EQ(widened({"-0.5"}), number("-1.0", "0.0"));
  EXPECT_EQ(widened({"12.5"}), number("10.0", "100.0"));
  EXPECT_EQ(widened({"1e20"}), number("1e+20", "1e+21"));
  EXPECT_EQ(widened({"1000.5"}), number("1000.0", "10000.0"));
  EXPECT_EQ(widened({"5", "5.5"}), number("1", "10"));
  EXPECT_EQ(widened({"5.5", "200"}), number("1.0", "1000"));
}

TEST(Widen, string_bounds_and_formats) {
  EXPECT_EQ(widened({"\"\""}), R"({"type":"string","maxLength":0})");
  EXPECT_EQ(widened({"\"a\""}), R"({"type":"string","maxLength":1})");
  EXPECT_EQ(widened({"\"abcde\""}), R"({"type":"string","minLength":4,"maxLength":8})");
  EXPECT_EQ(widened({"\"abcdefgh\""}), R"({"type":"string","minLength":4,"maxLength":8})");
  EXPECT_EQ(widened({"\"äöüäö\""}), R"({"type":"string","minLength":4,"maxLength":8})");
  EXPECT_EQ(widened({"\"abcde\"", "\"ab\"", "\"abcdefghi\""}),
            R"({"type":"string","minLength":1,"maxLength":16})");
  EXPECT_EQ(widened({"\"12\""}), R"({"type":"string","format":"integer","minLength":1,"maxLength":2})");
  EXPECT_EQ(widened({"\"12\"", "\"1.5\""}),
            R"({"type":"string","format":"number","minLength":1,"maxLength":4})");
  EXPECT_EQ(widened({"\"1.5\"", "\"12\""}),
            R"({"type":"string","format":"number","minLength":2,"maxLength":4})");
  EXPECT_EQ(widened({"\"12\"", "\"x\"", "\"12\""}), R"({"type":"string","minLength":1,"maxLength":2})")
      << "lost for good";
  EXPECT_EQ(widened({"\"2024-01-01\""}), R"({"type":"string","format":"date","minLength":8,"maxLength":16})");
  EXPECT_EQ(widened({"\"2024-01-01T00:00:00Z\""}),
            R"({"type":"string","format":"date-time","minLength":16,"maxLength":32})");
  EXPECT_EQ(widened({"\"66285dbc-543d-11ef-8001-69ef5bf77016\""}),
            R"({"type":"string","format":"uuid","minLength":32,"maxLength":64})");
  EXPECT_EQ(widened({"null", "true", "\"\""}), R"({"type":["boolean","null","string"],"maxLength":0})");
}

TEST(Widen, arrays) {
  EXPECT_EQ(widened({"[]"}), R"({"type":"array","maxItems":0,"items":false})");
  EXPECT_EQ(widened({"[]", "[1]"}),
            R"({"type":"array","maxItems":1,"items":{"type":"integer","minimum":1,"maximum":10}})");
  EXPECT_EQ(
      widened({"[1,\"a\",1]"}),
      R"({"type":"array","minItems":2,"maxItems":4,"items":{"type":["integer","string"],"maxLength":1,"minimum":1,"maximum":10}})");
  EXPECT_EQ(
      widened({"[1,\"a\"]"}, R"({"type":"array","items":[{"type":"null"}],"additionalItems":false})"),
      R"({"type":"array","items":[{"type":["integer","null"],"minimum":1,"maximum":10}],"additionalItems":{"type":"string","maxLength":1}})");
}

TEST(Widen, objects) {
  EXPECT_EQ(widened({"{}"}), R"({"type":"object","additionalProperties":false})");
  EXPECT_EQ(
      widened({R"({"b":null,"a":true})"}),
      R"({"type":"object","properties":{"a":{"type":"boolean"},"b":{"type":"null"}},"required":["a","b"],"additionalProperties":false})");
  EXPECT_EQ(
      widened({R"({"a":true,"b":null})", R"({"b":null,"c":null})"}),
      R"({"type":"object","properties":{"a":{"type":"boolean"},"b":{"type":"null"},"c":{"type":"null"}},"required":["b"],"additionalProperties":false})");
  EXPECT_EQ(
      widened({R"({"x":1})"}, R"({"type":"object","additionalProperties":{"type":"null"}})"),
      R"({"type":"object","additionalProperties":{"type":["integer","null"],"minimum":1,"maximum":10}})");
  EXPECT_EQ(
      widened({R"({"p1":true,"q":true})"},
              R"({"type":"object","patternProperties":{"^p":{"type":"null"}},"additionalProperties":false})"),
      R"({"type":"object","properties":{"q":{"type":"boolean"}},"patternProperties":{"^p":{"type":["boolean","null"]}},"additionalProperties":false})");
  EXPECT_EQ(
      widened({"null", R"({"a":{"b":[{"c":null}]}})"}),
      R"({"type":["null","object"],"properties":{"a":{"type":"object","properties":{"b":{"type":"array","maxItems":1,"items":{"type":"object","properties":{"c":{"type":"null"}},"required":["c"],"additionalProperties":false}}},"required":["b"],"additionalProperties":false}},"required":["a"],"additionalProperties":false})");
}

TEST(Widen, properties_out_of_order) {
  Shape shape = infer(
      R"({"type":"object","required":["a","b","c"],"properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}},"additionalProperties":false})");
  json::Tree tree;
  tree.parse(R"({"c":true,"a":null,"d":1,"b":null})");
  EXPECT_TRUE(widen(shape, tree, tree.root()));
  EXPECT_EQ(at(shape, "/c"), "boolean,null must");
  EXPECT_EQ(at(shape, "/a"), "null must");
  EXPECT_EQ(at(shape, "/d"), "integer may");
  tree.parse(R"({"c":true,"a":null,"a":null})");
  EXPECT_TRUE(widen(shape, tree, tree.root()));
  EXPECT_EQ(at(shape, "/b"), "null may");
}

TEST(Widen, enumerations) {
  constexpr std::string_view start = R"({"type":"string","enum":["a","b"]})";
  EXPECT_EQ(widened({"\"b\"", "\"c\\\"\""}, start), R"({"type":"string","enum":["a","b","c\""]})");
  EXPECT_EQ(widened({"null", "\"zzz\""}, start), R"({"type":["null","string"]})");
}

TEST(Squash, folds_deepest_and_last_first) {
  Shape s = infer(
      R"({"type":"object","properties":{"a":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"string"}},"additionalProperties":false},
      "b":{"type":"null"}},"additionalProperties":false})");
  EXPECT_FALSE(squash(s, 4));
  EXPECT_TRUE(squash(s, 3));
  EXPECT_EQ(
      to_schema(s),
      R"({"type":"object","properties":{"a":{"type":"object","properties":{"x":{"type":"integer"}},"additionalProperties":{"type":"string"}},"b":{"type":"null"}},"additionalProperties":false})");
  EXPECT_TRUE(squash(s, 1));
  EXPECT_EQ(
      to_schema(s),
      R"({"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":["integer","string"]}}},"additionalProperties":{"type":"null"}})");
  EXPECT_TRUE(squash(s, 0));
  EXPECT_EQ(to_schema(s), R"({"type":"object","additionalProperties":{"type":["null","object"]}})")
      << "what was nested is unconstrained";
}

TEST(Squash, tuples_patterns_and_depth) {
  Shape t = infer(
      R"({"type":"array","items":[{"type":"integer"},{"type":"string"}],"additionalItems":{"type":"null"}})");
  EXPECT_TRUE(squash(t, 1));
  EXPECT_EQ(to_schema(t),
            R"({"type":"array","items":[{"type":"integer"}],"additionalItems":{"type":["null","string"]}})");
  Shape p = infer(
      R"({"type":"object","properties":{"pa":{"type":"integer"}},"patternProperties":{"^p":{"type":["null","integer"]}},"additionalProperties":false})");
  EXPECT_TRUE(squash(p, 0));
  EXPECT_EQ(
      to_schema(p),
      R"({"type":"object","patternProperties":{"^p":{"type":["integer","null"]}},"additionalProperties":false})");
  Shape d = infer(
      R"({"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"null"}},"additionalProperties":false}},"additionalProperties":false})");
  EXPECT_TRUE(squash(d, 100, 1));
  EXPECT_EQ(
      to_schema(d),
      R"({"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":"null"}}},"additionalProperties":false})");
}

}  // namespace
}  // namespace sluice::runtime
