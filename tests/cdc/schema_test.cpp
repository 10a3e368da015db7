#include <gtest/gtest.h>

#include "sluice/cdc/schema.hpp"
#include "sluice/json/tree.hpp"

namespace {

using namespace sluice;

cdc::TableSchema orders() {
  return {{"public", "orders"},
          {{"note", R"({"type":["string","null"],"maxLength":40})", "Free text. (source type: varchar)"},
           {"id", R"({"type":"integer"})", "(source type: non-nullable int4)"},
           {"any", "{}", "odd"}},
          {"id"}};
}

cdc::SchemaOptions options() {
  cdc::SchemaOptions o;
  o.source = {{"loc", R"({"type":"array","items":{"type":"integer"},"minItems":3,"maxItems":3})", "Where."},
              {"txid", R"({"type":"integer"})", "Who."}};
  o.source_required = {"schema", "table", "loc"};
  return o;
}

const json::Node* at(const json::Tree& tree, std::initializer_list<const char*> path) {
  const json::Node* node = &tree.root();
  for (const char* name : path)
    if (node != nullptr) node = tree.find(*node, name);
  return node;
}

TEST(Schema, OfWritesReducesByMergeAndRequiresTheKey) {
  std::string text = cdc::write_schema(orders(), options());
  const std::string expected =
      R"j({"$defs":{"PublicOrders":{"type":"object","required":["id"],"$anchor":"PublicOrders","properties":{)j"
      R"j("any":{"description":"odd"},)j"
      R"j("id":{"type":"integer","description":"(source type: non-nullable int4)"},)j"
      R"j("note":{"type":["string","null"],"maxLength":40,)j"
      R"j("description":"Free text. (source type: varchar)"}}}},)j"
      R"j("allOf":[{"if":{"properties":{"_meta":{"properties":{"op":{"const":"d"}}}}},)j"
      R"j("then":{"reduce":{"strategy":"merge","delete":true}},"else":{"reduce":{"strategy":"merge"}},)j"
      R"j("required":["_meta"],"properties":{"_meta":{"type":"object","required":["op","source"],)j"
      R"j("reduce":{"strategy":"merge"},"properties":{"op":{"enum":["c","d","u"],)j"
      R"j("description":"Change operation type: 'c' Create/Insert, 'u' Update, 'd' Delete."},)j";
  EXPECT_EQ(text.substr(0, expected.size()), expected);
  EXPECT_NE(text.find(R"j("before":{"$ref":"#PublicOrders",)j"), std::string::npos);
  EXPECT_TRUE(text.ends_with(
      R"j("reduce":{"strategy":"firstWriteWins"}}}}}},{"$ref":"#PublicOrders"}],"x-infer-schema":true})j"))
      << text;
}

TEST(Schema, FollowsTheOptions) {
  cdc::SchemaOptions o = options();
  o.infer = false;
  o.history_mode = true;
  o.with_tag = true;
  cdc::TableSchema keyless = orders();
  keyless.key.clear();
  json::Tree tree;
  std::string text = cdc::write_schema(keyless, o);
  tree.parse(text);
  EXPECT_EQ(at(tree, {"x-infer-schema"}), nullptr);
  EXPECT_EQ(at(tree, {"$defs", "PublicOrders", "required"}), nullptr);
  EXPECT_NE(text.find(R"("reduce":{"strategy":"lastWriteWins","associative":false})"), std::string::npos);
  EXPECT_NE(text.find(R"("tag":{"type":"string")"), std::string::npos);
}

TEST(Schema, OfSourcesIsClosedAndRequiresEveryColumn) {
  std::string text = cdc::sourced_schema(orders(), options());
  json::Tree tree;
  tree.parse(text);
  EXPECT_EQ(at(tree, {"$defs", "PublicOrders", "required"})->raw, R"(["any","id","note"])");
  EXPECT_EQ(at(tree, {"unevaluatedProperties"})->raw, "false");
  EXPECT_EQ(at(tree, {"x-infer-schema"})->raw, "true");
  for (const char* absent : {"\"reduce\"", "\"if\"", "\"then\"", "\"else\""})
    EXPECT_EQ(text.find(absent), std::string::npos) << absent;
  const json::Node& envelope = *tree.children(*at(tree, {"allOf"})).begin();
  const json::Node* meta = tree.find(*tree.find(envelope, "properties"), "_meta");
  EXPECT_EQ(tree.find(*meta, "additionalProperties")->raw, "false");
  const json::Node* members = tree.find(*meta, "properties");
  EXPECT_EQ(tree.find(*tree.find(*members, "source"), "additionalProperties")->raw, "false");
  EXPECT_EQ(tree.find(*tree.find(*members, "before"), "unevaluatedProperties")->raw, "false");
}

}  // namespace
