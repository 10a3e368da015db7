#include "sluice/runtime/discover.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/collection.hpp"

namespace sluice::runtime {
namespace {

Catalog load(const std::string& text, const std::string& path = "flow.yaml") {
  LoadOptions options;
  options.read = [&](const std::string&) { return text; };
  return load_catalog(path, options);
}

Endpoint local(std::string command, std::string config = "{}") {
  Endpoint endpoint;
  endpoint.command = {std::move(command)};
  endpoint.config_json = std::move(config);
  return endpoint;
}

protocol::capture::DiscoveredBinding table(const std::string& schema, const std::string& name) {
  protocol::capture::DiscoveredBinding b;
  b.recommended_name = schema + "/" + name;
  b.resource_config_json = fmt::format(R"({{"namespace":"{}","stream":"{}"}})", schema, name);
  b.document_schema_json =
      R"json({"$defs":{"T":{"type":"object","required":["id"],"$anchor":"T","properties":{"id":{"type":"integer","description":"key: \"it\" (source type: non-nullable int4)"}}}},"allOf":[{"$ref":"#T"}],"x-infer-schema":true})json";
  b.key = {"/id"};
  b.resource_path = {schema, name};
  return b;
}

DiscoverInput input() {
  DiscoverInput in;
  in.capture = "acme/shop/source";
  in.endpoint =
      local("source-postgres", R"({"address":"a:5432","password":"p: #x","n":1.50,"yes":"yes","s":"007"})");
  in.endpoint.protobuf = true;
  in.endpoint.env["LOG"] = "debug";
  in.discovered.bindings = {table("public", "orders"), table("shop", "items")};
  return in;
}

TEST(Discover, output_loads_unchanged) {
  DiscoverInput in = input();
  in.sink = DiscoverSink{"acme/sink", local("materialize-sqlite", R"({"path":"out.db"})")};
  in.discovered.bindings.push_back(table("public", "off"));
  in.discovered.bindings.back().disable = true;
  in.discovered.bindings.push_back(table("public", "keyless"));
  in.discovered.bindings.back().key = {};
  std::string yaml = discover_yaml(in);
  Catalog c = load(yaml);
  const CaptureDef& capture = c.captures.at("acme/shop/source");
  EXPECT_EQ(capture.endpoint.config_json, in.endpoint.config_json) << yaml;
  EXPECT_EQ(capture.endpoint.command, in.endpoint.command);
  EXPECT_TRUE(capture.endpoint.protobuf);
  EXPECT_EQ(capture.endpoint.env.at("LOG"), "debug");
  ASSERT_EQ(capture.bindings.size(), 4u);
  EXPECT_EQ(capture.bindings[0].target, "acme/shop/public/orders");
  EXPECT_EQ(capture.bindings[1].resource_json, in.discovered.bindings[1].resource_config_json);
  EXPECT_FALSE(capture.bindings[1].disable);
  EXPECT_TRUE(capture.bindings[2].disable);
  EXPECT_TRUE(capture.bindings[3].disable);
  const CollectionDef& orders = c.collections.at("acme/shop/public/orders");
  EXPECT_EQ(orders.write_schema_json, in.discovered.bindings[0].document_schema_json);
  EXPECT_EQ(orders.read_schema_json, default_read_schema());
  EXPECT_EQ(orders.key, std::vector<std::string>{"/id"});
  EXPECT_TRUE(c.collections.at("acme/shop/public/keyless").key.empty());
  const MaterializationDef& sink = c.materializations.at("acme/sink");
  ASSERT_EQ(sink.bindings.size(), 2u);
  EXPECT_EQ(sink.bindings[0].resource_json, R"({"table":"orders"})");
  EXPECT_EQ(sink.bindings[1].source, "acme/shop/shop/items");
  EXPECT_EQ(sink.bindings[1].resource_json, R"({"table":"shop_items"})");
  EXPECT_EQ(sink.bindings[1].fields.recommended.levels, 1u);
  EXPECT_EQ(load(bundle_json(c), "flow.json").captures.size(), 1u);
}

TEST(Discover, names) {
  DiscoverInput in = input();
  in.capture = "one";
  in.discovered.bindings = {table("a b", "/c"), table("a_b", "c")};
  Catalog c = load(discover_yaml(in));
  EXPECT_TRUE(c.collections.count("a_b_c"));
  EXPECT_TRUE(c.collections.count("a_b/c"));
  in.discovered.bindings = {table("x", "y"), table("x", "y")};
  in.discovered.bindings[1].resource_path = {"x", "z"};
  c = load(discover_yaml(in));
  EXPECT_TRUE(c.collections.count("x/y") && c.collections.count("x/y_2"));
  in.discovered.bindings[0].recommended_name = "//";
  EXPECT_THROW(discover_yaml(in), Error);
}

TEST(Discover, merges_into_a_catalog) {
  DiscoverInput in = input();
  in.existing = load(R"(
captures:
  acme/shop/source:
    interval: 7m
    endpoint: {local: {command: [mine], config: {kept: true}}}
    bindings:
      - {resource: {namespace: public, stream: orders, mode: Odd}, target: acme/renamed, disable: true, backfill: 3}
      - {resource: {namespace: public, stream: gone}, target: acme/gone}
collections:
  acme/renamed:
    schema: {type: object, required: [id], properties: {id: {type: string}}}
    key: [/id]
    projections: {mine: /id}
  acme/gone:
    schema: {type: object, required: [id], properties: {id: {type: string}}}
    key: [/id]
)");
  Catalog c = load(discover_yaml(in));
  const CaptureDef& capture = c.captures.at("acme/shop/source");
  EXPECT_EQ(capture.endpoint.command, std::vector<std::string>{"mine"});
  EXPECT_EQ(capture.interval, std::chrono::minutes(7));
  ASSERT_EQ(capture.bindings.size(), 2u);
  EXPECT_EQ(capture.bindings[0].target, "acme/renamed");
  EXPECT_TRUE(capture.bindings[0].disable);
  EXPECT_EQ(capture.bindings[0].backfill, 3u);
  EXPECT_EQ(capture.bindings[0].resource_json, R"({"namespace":"public","stream":"orders","mode":"Odd"})");
  EXPECT_EQ(capture.bindings[1].target, "acme/shop/shop/items");
  EXPECT_TRUE(c.collections.count("acme/gone")) << "the collection stays";
  const CollectionDef& renamed = c.collections.at("acme/renamed");
  EXPECT_EQ(renamed.write_schema_json, in.discovered.bindings[0].document_schema_json);
  EXPECT_EQ(renamed.read_schema_json, default_read_schema());
  EXPECT_EQ(renamed.projections.at(0).field, "mine");

  in.automatic = true;
  EXPECT_EQ(load(discover_yaml(in)).captures.at("acme/shop/source").bindings.size(), 1u) << "none are added";
}

TEST(Discover, repeated_discovery_changes_nothing) {
  DiscoverInput in = input();
  in.sink = DiscoverSink{"acme/sink", local("materialize-sqlite")};
  std::string first = discover_yaml(in);
  in.existing = load(first);
  EXPECT_EQ(discover_yaml(in), first);
}

TEST(Discover, keys_change_only_if_collections_may_evolve) {
  DiscoverInput in = input();
  in.sink = DiscoverSink{"acme/sink", local("materialize-sqlite")};
  std::string first = discover_yaml(in);
  in.existing = load(first);
  in.discovered.bindings[0].document_schema_json =
      R"({"type":"object","required":["k"],"properties":{"k":{"type":"integer"},"id":{"type":"integer"}}})";
  in.discovered.bindings[0].key = {"/k"};
  EXPECT_THROW(discover_yaml(in), Error);
  in.existing =
      load("captures:\n  acme/shop/source:\n    autoDiscover: {evolveIncompatibleCollections: true}\n" +
           first.substr(first.find("    endpoint:")));
  Catalog c = load(discover_yaml(in));
  EXPECT_EQ(c.collections.at("acme/shop/public/orders").key, std::vector<std::string>{"/k"});
  EXPECT_EQ(c.captures.at("acme/shop/source").bindings[0].backfill, 1u);
  EXPECT_EQ(c.captures.at("acme/shop/source").bindings[1].backfill, 0u);
  EXPECT_EQ(c.materializations.at("acme/sink").bindings[0].backfill, 1u);
  // A fallback key does not replace one that is there.
  in.existing = load(first);
  in.discovered.bindings[0] = table("public", "orders");
  in.discovered.bindings[0].key = {"/_meta/source/loc/0"};
  in.discovered.bindings[0].is_fallback_key = true;
  EXPECT_EQ(load(discover_yaml(in)).collections.at("acme/shop/public/orders").key,
            std::vector<std::string>{"/id"});
}

TEST(Discover, a_materialization_of_a_source_alone_gets_no_bindings) {
  DiscoverInput in = input();
  std::string first = discover_yaml(in);
  in.existing = load(first +
                     "\nmaterializations:\n  acme/sink:\n    source: acme/shop/source\n"
                     "    endpoint: {local: {command: [x], config: {}}}\n");
  std::string again = discover_yaml(in);
  EXPECT_EQ(again.find("bindings:", again.find("materializations:")), std::string::npos) << again;
  EXPECT_TRUE(load(again).materializations.at("acme/sink").source);
}

TEST(Discover, target_names) {
  auto name = [](std::string_view collection, TargetNaming naming) {
    TargetName t = target_name(collection, naming);
    return t.schema + "." + t.table;
  };
  using enum TargetNaming;
  EXPECT_EQ(name("a/public/x", prefix_non_default_schema), ".x");
  EXPECT_EQ(name("a/dbo/x", prefix_non_default_schema), ".x");
  EXPECT_EQ(name("a/shop/x", prefix_non_default_schema), ".shop_x");
  EXPECT_EQ(name("shop/x", prefix_non_default_schema), ".shop_x");
  EXPECT_EQ(name("x", prefix_non_default_schema), ".x");
  EXPECT_EQ(name("a/public/x", prefix_schema), ".public_x");
  EXPECT_EQ(name("a/shop/x", no_schema), ".x");
  EXPECT_EQ(name("a/shop/x", with_schema), "shop.x");
}

TEST(Discover, binds_the_collections_of_a_source_capture) {
  DiscoverInput in = input();
  in.discovered.bindings.push_back(table("public", "off"));
  in.discovered.bindings.back().disable = true;
  Catalog c = load(discover_yaml(in));
  MaterializationDef task;
  task.name = "m";
  task.bindings.emplace_back().source = "acme/shop/public/orders";
  SourceDef& source = task.source.emplace();
  source.naming = TargetNaming::with_schema;
  source.delta_updates = true;
  source.recommended = {2};
  constexpr std::string_view schema = R"({"type":"object","properties":{"t":{"type":"object","properties":{
      "name":{"type":"string","x-collection-name":true}}},"schema":{"type":"string","x-schema-name":true},
      "delta":{"type":"boolean","x-delta-updates":true}}})";
  bind_source(task, c.captures.at("acme/shop/source"), schema);
  ASSERT_EQ(task.bindings.size(), 2u) << "one is bound already, one is disabled";
  EXPECT_EQ(task.bindings[1].source, "acme/shop/shop/items");
  EXPECT_EQ(task.bindings[1].resource_json, R"({"t":{"name":"items"},"schema":"shop","delta":true})");
  EXPECT_EQ(task.bindings[1].fields.recommended.levels, 2u);
  EXPECT_THROW(bind_source(task, c.captures.at("acme/shop/source"), "{}"), Error);
}

TEST(Discover, every_string_survives_yaml) {
  const std::vector<std::string> strings = {"",
                                            " ",
                                            "a: b",
                                            "a #b",
                                            "- x",
                                            "? x",
                                            "!tag",
                                            "&a",
                                            "*a",
                                            "%x",
                                            "@x",
                                            "`x`",
                                            "'q'",
                                            "\"q\"",
                                            "{a}",
                                            "[a]",
                                            "a,b",
                                            "null",
                                            "~",
                                            "true",
                                            "No",
                                            "1",
                                            "1.0",
                                            "0x1",
                                            "1e3",
                                            ".5",
                                            "-",
                                            "--- ",
                                            "...",
                                            "a\nb",
                                            "a\n",
                                            "\ta",
                                            "a ",
                                            " a",
                                            "a\\b",
                                            "\x01\x7f",
                                            "ü: ö",
                                            "\xE2\x80\xA8",
                                            "\xC2\x85",
                                            "<<",
                                            "=",
                                            "|",
                                            ">",
                                            "a  b",
                                            "key:",
                                            ":",
                                            "a:b",
                                            "/p/q",
                                            "$ref",
                                            "\xEF\xBB\xBF"
                                            "bom",
                                            ".inf"};
  DiscoverInput in = input();
  std::string config;
  json::Writer writer(config);
  writer.begin_object();
  for (const std::string& s : strings) writer.key("k" + s).string(s);
  writer.key("list").begin_array();
  for (const std::string& s : strings) writer.string(s);
  writer.end_array()
      .key("nested")
      .raw(R"([[],[[1,[2]],{}],{"a":[{"b":{"c":[]}}]},[{"x":1,"y":{"z":2}}]])")
      .end_object();
  in.endpoint.config_json = config;
  std::string yaml = discover_yaml(in);
  EXPECT_EQ(load(yaml).captures.at("acme/shop/source").endpoint.config_json, config) << yaml;
}

}  // namespace
}  // namespace sluice::runtime
