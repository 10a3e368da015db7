#include "sluice/runtime/inference.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "sluice/json/write.hpp"
#include "sluice/runtime/combine.hpp"

namespace sluice::runtime {
namespace {

std::string closed(std::string_view schema) { return to_schema(closed_shape(Schema::compile(schema))); }

// As discovery of a table with these columns gives it, and what its source says.
std::string discovered(const std::string& columns) {
  return R"({"$defs":{"T":{"$anchor":"T","type":"object","required":["id"],"properties":{)" + columns +
         R"(}}},"allOf":[{"if":{"properties":{"_meta":{"properties":{"op":{"const":"d"}}}}},
      "then":{"reduce":{"strategy":"merge","delete":true}},"else":{"reduce":{"strategy":"merge"}},
      "required":["_meta"],"properties":{"_meta":{"type":"object","required":["op"],"properties":{
        "op":{"enum":["c","d","u"]},"before":{"$ref":"#T","reduce":{"strategy":"firstWriteWins"}}}}}},
      {"$ref":"#T"}],"x-infer-schema":true})";
}
std::string sourced(const std::string& columns) {
  return R"({"$defs":{"T":{"$anchor":"T","type":"object","required":["id"],"properties":{)" + columns +
         R"(}}},"allOf":[{"required":["_meta"],"properties":{"_meta":{"type":"object","required":["op"],
      "additionalProperties":false,"properties":{"op":{"enum":["c","d","u"]},
      "before":{"$ref":"#T","unevaluatedProperties":false}}}}},{"$ref":"#T"}],
      "unevaluatedProperties":false,"x-infer-schema":true})";
}
const std::string id_and_note =
    R"json("id":{"type":"integer"},"note":{"type":["string","null"],"description":"(source type: text)"})json";

// Does the schema admit the document?
bool admits(const std::string& schema, std::string_view document) {
  Validator validator(Schema::compile(schema));
  json::Tree tree;
  tree.parse(document);
  return validator.validate(tree).valid();
}

struct Known {
  explicit Known(std::string_view schema)
      : check(std::make_shared<const Names>(closed_shape(Schema::compile(schema)))) {}
  bool operator()(std::string_view document) {
    tree.parse(document);
    return check.knows(tree);
  }
  json::Tree tree;
  NameCheck check;
};

TEST(ClosedShape, objects_that_name_properties_have_no_others) {
  EXPECT_EQ(
      closed(R"({"type":"object","properties":{"_meta":{},"a":{"type":"object","properties":{"b":{}}}}})"),
      R"({"type":"object","properties":{"_meta":true,"a":{"type":"object","properties":{"b":true},"additionalProperties":false}},"additionalProperties":false})");
  EXPECT_EQ(
      closed(
          R"({"properties":{"_meta":{},"l":{"items":{"properties":{"b":{}},"additionalProperties":true}}}})"),
      R"({"properties":{"_meta":true,"l":{"items":{"properties":{"b":true},"additionalProperties":false}}},"additionalProperties":false})");
}

TEST(ClosedShape, what_is_said_of_others_stays) {
  for (std::string_view schema :
       {"true", R"({"type":"object"})",
        R"({"type":"object","properties":{"_meta":true},"additionalProperties":{"type":"null"}})",
        R"({"type":"object","properties":{"_meta":true},"additionalProperties":false})"})
    EXPECT_EQ(closed(schema), schema);
}

TEST(ClosedShape, the_runtime_adds_to_meta) {
  std::string schema = discovered(id_and_note);
  for (const std::string& of : {schema, std::string(R"({"type":"object","properties":{"id":true}})")}) {
    std::string shape = closed(of);
    EXPECT_TRUE(admits(shape, R"({"id":1,"_meta":{"op":"c","uuid":"x"}})")) << shape;
    EXPECT_FALSE(admits(shape, R"({"id":1,"_meta":{"op":"c","uuid":"x"},"x":1})")) << shape;
    for (const Shape::Location& at : closed_shape(Schema::compile(of)).locations())
      EXPECT_TRUE(at.pattern || !at.pointer.ends_with("uuid")) << "becomes a field";
  }
}

TEST(NameCheck, knows_names_in_any_order) {
  Known known(R"({"properties":{"a":true,"b":true,"c":{"properties":{"x":true,"y":true}}}})");
  for (int i = 0; i < 2; ++i)
    for (std::string_view document :
         {R"({"a":1,"b":2,"c":{"x":1,"y":2}})", R"({"c":{"y":1,"x":2},"b":2,"a":1})", R"({"a":1,"c":{}})",
          R"({"b":1,"_meta":{"uuid":"x","whatever":{"a":1}}})", "{}", "[1]", "null", R"({"c":[1]})"})
      EXPECT_TRUE(known(document)) << document;
  for (std::string_view document : {R"({"a":1,"d":2})", R"({"":1})", R"({"a":1,"c":{"x":1,"z":2}})"})
    EXPECT_FALSE(known(document)) << document;
}

TEST(NameCheck, looks_into_what_is_closed_only) {
  Known known(R"json({"properties":{"any":true,"open":{"type":"object"},
      "list":{"items":{"properties":{"a":true}}},"tuple":{"items":[true,{"properties":{"a":true}}]},
      "map":{"type":"object","additionalProperties":{"properties":{"a":true}}},
      "some":{"patternProperties":{"^p":{"properties":{"a":true}}},"properties":{"n":true}}}})json");
  for (std::string_view document : {R"({"any":{"x":1},"open":{"x":{"y":1}}})", R"({"list":[{"a":1},{},3]})",
                                    R"({"tuple":[{"x":1},{"a":1}]})", R"({"map":{"x":{"a":1},"y":{}}})",
                                    R"({"some":{"n":1,"p1":{"a":1}}})"})
    EXPECT_TRUE(known(document)) << document;
  for (std::string_view document :
       {R"({"list":[{"a":1},{"b":1}]})", R"({"tuple":[{},{"b":1}]})", R"({"map":{"x":{"b":1}}})",
        R"({"some":{"m":1}})", R"({"some":{"p1":{"b":1}}})"})
    EXPECT_FALSE(known(document)) << document;
  EXPECT_TRUE(Known(R"({"type":"object"})")(R"({"x":{"y":1}})"));
}

TEST(Inference, says_nothing_while_the_write_schema_says_it_all) {
  Inference inference(Schema::compile(discovered(id_and_note)), "");
  inference.source(Schema::compile(sourced(R"("id":{"type":"integer"},"note":{"type":"string"})")));
  inference.former(Schema::compile(discovered(id_and_note)));
  inference.former(Schema::compile(discovered(R"("id":{"type":"integer"})")));
  EXPECT_FALSE(inference.take_change());
  EXPECT_EQ(inference.schema(), "");
}

TEST(Inference, a_sourced_column_is_added) {
  std::string write = discovered(id_and_note);
  Inference inference(Schema::compile(write), "");
  Schema more = Schema::compile(
      sourced(R"("id":{"type":"integer"},"note":{"type":"integer"},"n":{"type":"number","maximum":5})"));
  inference.source(more);
  auto schema = inference.take_change();
  ASSERT_TRUE(schema);
  Shape shape = Shape::infer(Schema::compile(*schema));
  EXPECT_EQ(shape.locate(json::Pointer("/n")).shape->types, types::number);
  EXPECT_EQ(shape.locate(json::Pointer("/_meta/before/n")).shape->types, types::number);
  EXPECT_EQ(shape.locate(json::Pointer("/note")).shape->types, types::string | types::null)
      << "the write schema does not admit another type";
  EXPECT_TRUE(admits(*schema, R"({"_meta":{"op":"c","uuid":"x"},"id":1,"note":null})"));
  inference.source(more);
  EXPECT_FALSE(inference.take_change());
  // Another session continues from what is stored.
  Inference again(Schema::compile(write), *schema);
  again.source(more);
  again.source(Schema::compile(sourced(R"("id":{"type":"integer"})")));
  EXPECT_FALSE(again.take_change());
  EXPECT_EQ(again.schema(), *schema) << "nothing is taken back";
}

TEST(Inference, a_closed_write_schema_admits_no_column) {
  std::string write =
      R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"}},"additionalProperties":false})";
  Inference inference(Schema::compile(write), "");
  inference.source(Schema::compile(R"({"properties":{"id":{"type":"integer"},"n":{"type":"integer"}}})"));
  EXPECT_FALSE(inference.take_change());
}

TEST(Inference, documents_widen_it) {
  std::string write = discovered(id_and_note + R"(,"any":{})");
  json::Tree tree;
  std::string stored;
  for (std::string_view document :
       {R"({"_meta":{"op":"c","before":{"id":1,"m":true}},"id":1})", R"({"_meta":{"op":"c"},"id":1,"n":1})",
        R"({"_meta":{"op":"c"},"id":1,"n":null,"any":{"x":{"y":1}}})",
        R"({"_meta":{"op":"c"},"id":1,"n":{"a":1}})", R"({"_meta":{"op":"c"},"id":1,"n":{"b":[1]}})"}) {
    Inference inference(Schema::compile(write), stored);
    NameCheck names(inference.names());
    tree.parse(document);
    EXPECT_FALSE(names.knows(tree));
    inference.widen(tree);
    auto changed = inference.take_change();
    ASSERT_TRUE(changed) << document;
    EXPECT_TRUE(admits(*changed, document)) << *changed;
    inference.widen(tree);
    EXPECT_FALSE(inference.take_change());
    stored = inference.schema();
    EXPECT_EQ(stored, *changed);
    EXPECT_FALSE(admits(stored, R"({"_meta":{"op":"c"},"id":1,"unseen":1})"));
    EXPECT_TRUE(admits(stored, R"({"_meta":{"op":"c"},"id":1,"any":{"unseen":1}})"));
  }
}

TEST(Inference, a_changed_type_keeps_documents_of_the_former) {
  std::string before =
      discovered(R"("id":{"type":"integer"},"v":{"type":["integer","null"]},"gone":{"type":"null"})");
  std::string after = discovered(
      R"("id":{"type":"integer"},"v":{"type":["string","null"],"format":"date"},"new":{"type":"null"})");
  Inference inference(Schema::compile(after), "");
  inference.former(Schema::compile(before));
  auto schema = inference.take_change();
  ASSERT_TRUE(schema);
  for (std::string_view columns :
       {R"("v":1)", R"("v":null)", R"("v":"2024-01-01","new":null)", R"("gone":null)"})
    EXPECT_TRUE(admits(*schema, fmt::format(R"({{"_meta":{{"op":"c"}},"id":1,{}}})", columns))) << columns;
  // What was stored before may say less than the write schema of now.
  Inference again(Schema::compile(discovered(R"("id":{"type":"integer"},"v":{"type":"boolean"})")), *schema);
  again.former(Schema::compile(after));
  schema = again.take_change();
  ASSERT_TRUE(schema);
  for (std::string_view columns : {R"("v":1)", R"("v":true)", R"("v":"2024-01-01")"})
    EXPECT_TRUE(admits(*schema, fmt::format(R"({{"_meta":{{"op":"c"}},"id":1,{}}})", columns))) << columns;
}

TEST(Inference, fields_of_a_source_without_a_schema) {
  std::string write =
      R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"}},"x-infer-schema":true})";
  Inference inference(Schema::compile(write), "");
  CombineBinding binding{"acme/things", {json::Pointer("/id")}, {}, Schema::compile(write), Mode::partial};
  binding.placeholder = true;
  binding.inference = &inference;
  Combiner combiner({binding}, 1 << 20);
  combiner.add(0, R"({"id":1})");
  EXPECT_FALSE(inference.take_change());
  combiner.add(0, R"({"id":2,"name":"x","at":{"x":1}})");
  auto schema = inference.take_change();
  ASSERT_TRUE(schema);
  EXPECT_TRUE(admits(*schema, R"({"_meta":{"uuid":"x"},"id":1})"));
  std::vector<std::string> fields;
  for (const Shape::Location& at : Shape::infer(Schema::compile(*schema)).locations())
    if (!at.pattern) fields.push_back(at.pointer);
  EXPECT_EQ(fields, (std::vector<std::string>{"", "/at", "/at/x", "/id", "/name"}));
}

TEST(Inference, names_of_schemas_are_never_folded) {
  std::string columns;
  for (int i = 0; i < 1'100; ++i) columns += fmt::format(R"("c{}":{{"type":"integer"}},)", i);
  std::string former = discovered(columns + R"("id":{"type":"string"})");
  Inference inference(Schema::compile(discovered(columns + R"("id":{"type":"integer"})")), "");
  inference.former(Schema::compile(former));
  Inference again(Schema::compile(former), inference.schema());
  json::Tree tree;
  tree.parse(R"({"_meta":{"op":"c"},"id":1,"more":true})");
  again.widen(tree);
  Shape shape = Shape::infer(Schema::compile(again.schema()));
  EXPECT_EQ(shape.locate(json::Pointer("/id")).exists, protocol::Exists::must);
  EXPECT_EQ(shape.locate(json::Pointer("/c999")).shape->types, types::integer);
  EXPECT_TRUE(admits(again.schema(), R"({"_meta":{"op":"c"},"id":"1"})"));
}

TEST(Inference, the_room_that_a_source_gets_stays) {
  Inference inference(Schema::compile(discovered(id_and_note)), "");
  inference.source(Schema::compile(sourced(id_and_note + R"(,"more":{"type":"integer"})")));
  ASSERT_NE(inference.schema().find("x-complexity-limit"), std::string::npos);
  inference.former(Schema::compile(discovered(id_and_note + R"(,"old":{"type":"integer"})")));
  EXPECT_NE(inference.schema().find("x-complexity-limit"), std::string::npos);
  EXPECT_NE(inference.schema().find("\"old\""), std::string::npos);
}

TEST(Inference, is_bounded_for_documents_of_ever_new_properties) {
  Inference inference(Schema::compile(R"({"type":"object","properties":{"id":true}})"), "");
  json::Tree tree;
  std::string text;
  std::mt19937 random(7);
  for (int i = 0; i < 1500; ++i) {
    text = json::canonical(
        fmt::format(R"({{"k{}":{{"n{}":{}}},"id":{}}})", random() % 100000, random() % 10, i, i));
    tree.parse(text);
    inference.widen(tree);
  }
  Validator validator(Schema::compile(inference.schema()));
  EXPECT_TRUE(validator.validate(tree).valid()) << validator.explain(tree);
  std::vector<Shape::Location> locations = Shape::infer(validator.schema()).locations();
  auto named = std::count_if(locations.begin(), locations.end(), [](auto& l) { return !l.pattern; });
  EXPECT_LE(static_cast<std::size_t>(named), default_complexity_limit + 1);
}

}  // namespace
}  // namespace sluice::runtime
