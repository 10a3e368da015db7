#include "sluice/runtime/catalog.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "sluice/base/error.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/collection.hpp"
#include "sluice/runtime/schema.hpp"

namespace sluice::runtime {
namespace {

using namespace std::chrono_literals;
using Files = std::map<std::string, std::string>;

LoadOptions options(const Files& files) {
  LoadOptions out;
  out.read = [files](const std::string& path) {
    auto found = files.find(path);
    if (found == files.end()) throw Error(Error::Kind::config, "cannot read " + path);
    return found->second;
  };
  return out;
}
Catalog load(const Files& files) { return load_catalog("flow.yaml", options(files)); }
Catalog load(const std::string& text) { return load(Files{{"flow.yaml", text}}); }

std::string error_of(const Files& files) {
  try {
    load(files);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    return e.message();
  }
  return "no error";
}
std::string error_of(const std::string& text) { return error_of(Files{{"flow.yaml", text}}); }

constexpr const char* example = R"(
import: [more/more.flow.yaml]
collections:
  acme/orders:
    schema: orders.schema.yaml
    key: [/id]
    projections:
      region: {location: /addr/region, partition: true}
      total: /amounts/total
captures:
  acme/source:
    endpoint:
      local: {command: [source-postgres, --flag], config: source.config.yaml, protobuf: true, env: {A: b}}
    interval: 1m 30s
    autoDiscover: {addNewBindings: true}
    redactSalt: c2FsdA==
    shards: {minTxnDuration: 100ms, logLevel: debug}
    bindings:
      - {resource: {namespace: public, stream: orders}, target: acme/orders, backfill: 2}
materializations:
  acme/sink:
    endpoint:
      connector: {image: "example/materialize-sqlite:v1", config: {path: /data/out.db}}
    onIncompatibleSchemaChange: abort
    bindings:
      - source:
          name: acme/orders
          partitions: {include: {region: [EU, 1]}, exclude: {region: [~]}}
          notBefore: 2024-01-01T00:00:00Z
        resource: {table: orders}
        priority: 3
        fields: {recommended: 1, groupBy: [id], require: {region: {}}, exclude: [flow_published_at]}
)";
constexpr const char* orders = R"(
type: object
required: [id, addr]
properties:
  id: {type: integer}
  addr: {type: object, required: [region], properties: {region: {type: string}}}
  amounts: {type: object, properties: {total: {type: string, format: number}}}
)";

Files example_files() {
  return {{"flow.yaml", example},
          {"orders.schema.yaml", orders},
          {"source.config.yaml", "address: localhost:5432\npassword: 0123\nflag: yes\n"},
          {"more/more.flow.yaml", R"(
import: [../flow.yaml]
collections:
  acme/events:
    writeSchema: {$ref: "events.schema.json#/$defs/event"}
    readSchema: {allOf: [{$ref: flow://write-schema}]}
    key: [/a, /b~1c]
)"},
          {"more/events.schema.json", R"({"$defs":{"event":{"type":"object","required":["a","b/c"],
             "properties":{"a":{"$ref":"types.schema.yaml"},"b/c":{"$ref":"#/$defs/flag"}}},"flag":{"type":"boolean"}}})"},
          {"more/types.schema.yaml", "type: string\n"}};
}

TEST(Catalog, example) {
  Catalog c = load(example_files());
  const CaptureDef& capture = c.captures.at("acme/source");
  EXPECT_EQ(capture.endpoint.command, (std::vector<std::string>{"source-postgres", "--flag"}));
  EXPECT_EQ(capture.endpoint.config_json, R"({"address":"localhost:5432","password":123,"flag":"yes"})")
      << "numbers are numbers, and yes is a string";
  EXPECT_EQ(
      capture.endpoint.wrapper_json(),
      R"({"command":["source-postgres","--flag"],"config":{"address":"localhost:5432","password":123,"flag":"yes"},"env":{"A":"b"},"protobuf":true})");
  EXPECT_EQ(capture.interval, 90s);
  EXPECT_TRUE(capture.auto_discover->add_new_bindings);
  EXPECT_FALSE(capture.auto_discover->evolve_incompatible_collections);
  EXPECT_EQ(capture.redact_salt, "salt");
  EXPECT_EQ(capture.shards.min_txn_duration, 100ms);
  EXPECT_EQ(capture.shards.max_txn_duration, 1s);
  EXPECT_EQ(capture.shards.log_level, "debug");
  EXPECT_EQ(capture.bindings.at(0).resource_json, R"({"namespace":"public","stream":"orders"})");
  EXPECT_EQ(capture.bindings.at(0).backfill, 2u);
  EXPECT_EQ(capture.bindings.at(0).place.text(), "flow.yaml:19");

  const CollectionDef& collection = c.collections.at("acme/orders");
  EXPECT_EQ(collection.key, std::vector<std::string>{"/id"});
  EXPECT_TRUE(collection.projections.at(0).partition);
  EXPECT_EQ(collection.projections.at(1).pointer, "/amounts/total");
  EXPECT_EQ(collection.read_schema_json, "");

  const MaterializationDef& sink = c.materializations.at("acme/sink");
  EXPECT_EQ(sink.endpoint.image, "example/materialize-sqlite:v1");
  EXPECT_EQ(sink.endpoint.wrapper_json(),
            R"({"image":"example/materialize-sqlite:v1","config":{"path":"/data/out.db"}})");
  EXPECT_EQ(sink.on_incompatible, OnIncompatible::abort);
  EXPECT_EQ(sink.shards.max_txn_duration, 20min);
  const MaterializationBindingDef& binding = sink.bindings.at(0);
  EXPECT_EQ(binding.source, "acme/orders");
  EXPECT_EQ(binding.include.at("region"), (std::vector<std::string>{"\"EU\"", "1"}));
  EXPECT_EQ(binding.exclude.at("region"), std::vector<std::string>{"null"});
  EXPECT_EQ(binding.not_before->seconds, 1704067200);
  EXPECT_FALSE(binding.not_after);
  EXPECT_EQ(binding.priority, 3u);
  EXPECT_EQ(binding.fields.recommended.levels, 1u);
  EXPECT_EQ(binding.fields.group_by, std::vector<std::string>{"id"});
  EXPECT_EQ(binding.fields.require.at("region"), "{}");
  EXPECT_EQ(binding.fields.exclude, std::vector<std::string>{"flow_published_at"});
}

TEST(Catalog, schemas_of_other_files_are_bundled) {
  CollectionDef events = load(example_files()).collections.at("acme/events");
  protocol::CollectionSpec spec = build_collection(events, nullptr, MissingInference::placeholder);
  Validator validator(Schema::compile(spec.write_schema_json));
  json::Tree tree;
  tree.parse(R"({"a":"x","b/c":true})");
  EXPECT_TRUE(validator.validate(tree).valid()) << validator.explain(tree);
  tree.parse(R"({"a":1,"b/c":true})");
  EXPECT_FALSE(validator.validate(tree).valid());
  EXPECT_EQ(find_projection(spec, "b~1c")->inference->types, std::vector<std::string>{"boolean"});
}

TEST(Catalog, the_json_schema_of_the_format_admits_what_loads) {
  Schema format = Schema::compile(catalog_json_schema());
  EXPECT_TRUE(format.warnings().empty());
  Validator validator(format);
  json::Tree tree;
  std::string bundle = bundle_json(load(example_files()));
  tree.parse(bundle);
  EXPECT_TRUE(validator.validate(tree).valid()) << validator.explain(tree);
  EXPECT_EQ(load_catalog("flow.json", options({{"flow.json", bundle}})).collections.size(), 2u);
  for (std::string_view bad :
       {R"({"frob":1})", R"({"captures":{"c":{"bindings":[]}}})", R"({"captures":{"a b":{}}})",
        R"({"collections":{"c":{"key":["k"],"schema":{}}}})", R"({"collections":{"c":{"key":["/k"]}}})",
        R"({"materializations":{"m":{"endpoint":{"dekaf":{}}}}})", R"({"tests":{"t":[]}})"}) {
    tree.parse(bad);
    EXPECT_FALSE(validator.validate(tree).valid()) << bad;
  }
}

TEST(Catalog, aliases_of_keys_and_anchors) {
  Catalog c = load(R"(
$schema: any
storageMappings: {x: {}}
tests: {}
import: []
collections:
  a: &c {schema: {type: object, required: [k], properties: {k: {type: string}}}, key: [/k]}
  b: *c
captures:
  c: {bindings: [], endpoint: {local: {command: [x], config: {}}}, expectPubId: "1", delete: false}
materializations:
  m:
    source: {capture: c, targetSchema: leaveEmpty, deltaUpdates: true, fieldsRecommended: 2}
    endpoint: {local: {command: [x], config: {}}}
    bindings:
      - {source: b, resource: {}, fields: {include: {k: {a: 1}}, recommended: false}, disable: true}
  n:
    sourceCapture: c
    endpoint: {local: {command: [x], config: {}}}
)");
  EXPECT_EQ(c.collections.at("b").key, c.collections.at("a").key);
  const MaterializationDef& m = c.materializations.at("m");
  EXPECT_EQ(m.source->naming, TargetNaming::no_schema);
  EXPECT_TRUE(m.source->delta_updates);
  EXPECT_EQ(m.source->recommended.levels, 2u);
  EXPECT_EQ(m.bindings.at(0).fields.require.at("k"), R"({"a":1})");
  EXPECT_EQ(m.bindings.at(0).fields.recommended.levels, 0u);
  EXPECT_TRUE(m.bindings.at(0).disable);
  EXPECT_EQ(c.materializations.at("n").source->capture, "c");
  EXPECT_EQ(c.materializations.at("n").source->recommended.levels, Depth::unlimited);
}

TEST(Catalog, yaml_scalars_of_the_core_schema) {
  auto config = [](const std::string& scalar) {
    Catalog c =
        load("captures: {c: {bindings: [], endpoint: {local: {command: [x], config: {v: " + scalar + "}}}}}");
    std::string json = c.captures.at("c").endpoint.config_json;
    return json.substr(5, json.size() - 6);
  };
  const std::pair<const char*, const char*> rows[] = {
      {"yes", "\"yes\""},
      {"no", "\"no\""},
      {"on", "\"on\""},
      {"True", "true"},
      {"FALSE", "false"},
      {"tRUE", "\"tRUE\""},
      {"~", "null"},
      {"Null", "null"},
      {"\"null\"", "\"null\""},
      {"'1'", "\"1\""},
      {"12", "12"},
      {"1.50", "1.50"},
      {"+7", "7"},
      {"007", "7"},
      {"-0", "-0"},
      {".5", "0.5"},
      {"5.", "5.0"},
      {"1e3", "1e3"},
      {"12E+03", "12E+03"},
      {"0x1F", "31"},
      {"0o17", "15"},
      {"0b1", "\"0b1\""},
      {"1_000", "\"1_000\""},
      {"2024-01-01", "\"2024-01-01\""},
      {"1:30", "\"1:30\""},
      {"!!str 12", "\"12\""},
      {"!!int '12'", "12"},
      {"18446744073709551616", "18446744073709551616"},
      {"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"},
      {"\"a\\u00e4\\t\\\"\"", "\"a\xc3\xa4\\t\\\"\""}};
  for (auto& [scalar, json] : rows) EXPECT_EQ(config(scalar), json) << scalar;
}

TEST(Catalog, json_files_have_lines_too) {
  Files files{{"flow.json",
               "{\"captures\": {\n \"c\": {\n  \"endpoint\": {\"local\": {\"command\": [\"x\"], \"config\": "
               "{\"a\": 1.0, \"b\": \"\\ud83d\\ude00\"}}},\n"
               "  \"bindings\": [],\n  \"frob\": 1}}}"}};
  try {
    load_catalog("flow.json", options(files));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "flow.json:5: captures.c.frob is an unknown key");
    EXPECT_EQ(
        e.hint(),
        "Known here: autoDiscover, bindings, delete, endpoint, expectPubId, interval, redactSalt, shards.");
  }
  files["flow.json"].replace(files["flow.json"].find(",\n  \"frob\": 1"), 13, "");
  EXPECT_EQ(load_catalog("flow.json", options(files)).captures.at("c").endpoint.config_json,
            "{\"a\":1.0,\"b\":\"\xF0\x9F\x98\x80\"}");
}

TEST(Catalog, a_missing_key_is_said_with_those_that_there_are) {
  std::map<std::string, std::string> files{
      {"flow.yaml", "captures:\n  c:\n    bindigns: []\n    endpoint: {local: {command: [x], config: {}}}\n"}};
  try {
    load_catalog("flow.yaml", options(files));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "flow.yaml:2: captures.c has no 'bindings'");
    EXPECT_EQ(e.hint(), "It has: bindigns, endpoint.");
  }
}

TEST(Catalog, errors_have_file_and_line) {
  const std::string task = "endpoint: {local: {command: [x], config: {}}}";
  const std::string schema =
      "{type: object, required: [k], properties: {k: {type: string}, f: {type: number}, n: {type: 'null'}, "
      "o: {type: string}, d: {type: [string, 'null'], default: x}, r: {type: string, redact: {strategy: "
      "block}}}}";
  auto collection = [&](const std::string& rest) {
    return "collections:\n  a:\n    schema: " + schema + "\n" + rest;
  };
  const std::pair<std::string, std::string> rows[] = {
      {"frob: 1\n", "flow.yaml:1: frob is an unknown key"},
      {"captures:\n  c:\n    bindings: []\n    frob: 1\n    " + task,
       "flow.yaml:4: captures.c.frob is an unknown key"},
      {"captures:\n  c:\n    " + task, "flow.yaml:2: captures.c has no 'bindings'"},
      {"captures:\n  c:\n    bindings: []\n    endpoint: {}\n",
       "flow.yaml:4: captures.c.endpoint must have one of 'connector' and 'local'"},
      {"captures:\n  c:\n    bindings: []\n    endpoint:\n      local: {command: [], config: {}}\n",
       "flow.yaml:5: captures.c.endpoint.local.command is empty"},
      {"captures:\n  c:\n    bindings: []\n    endpoint:\n      local: {command: [x, 1], config: {}}\n",
       "flow.yaml:5: captures.c.endpoint.local.command[1] must be a string, not a number"},
      {"captures:\n  c:\n    bindings:\n      - target: x\n        resource: {}\n    " + task,
       "flow.yaml:4: the target 'x' is not a collection of this catalog"},
      {"captures:\n  c:\n    bindings: []\n    interval: 5\n    " + task,
       "flow.yaml:4: captures.c.interval must be a duration"},
      {"captures:\n  c:\n    bindings: []\n    shards: {minTxnDuration: 5s}\n    " + task,
       "flow.yaml:4: captures.c.shards has a minTxnDuration of 5s, above its maxTxnDuration of 1s"},
      {"captures:\n  c:\n    bindings: []\n    shards: {logLevel: loud}\n    " + task,
       "flow.yaml:4: captures.c.shards.logLevel is not a level"},
      {"captures:\n  c d:\n    bindings: []\n    " + task, "flow.yaml:2: 'c d' is not a valid name"},
      {"captures:\n  c:\n    bindings: []\n    endpoint: {local: {command: [x], config: missing.yaml}}",
       "flow.yaml:4: cannot read missing.yaml"},
      {"captures:\n  c:\n    bindings: []\n    redactSalt: '***'\n    " + task,
       "flow.yaml:4: captures.c.redactSalt must be base64"},
      {"import: [nope.yaml]\n", "flow.yaml:1: cannot read nope.yaml"},
      {"materializations:\n  m:\n    endpoint: {dekaf: {}}\n",
       "flow.yaml:3: materializations.m.endpoint.dekaf is not supported: it needs Estuary Flow"},
      {"materializations:\n  m:\n    " + task + "\n    bindings: [{source: x, resource: {}}]",
       "flow.yaml:4: the source 'x' is not a collection of this catalog"},
      {"materializations:\n  m:\n    " + task + "\n    source: x\n",
       "flow.yaml:4: 'x' is not a capture of this catalog"},
      {"materializations:\n  m:\n    " + task + "\n    source: x\n    sourceCapture: x\n",
       "flow.yaml:5: materializations.m.sourceCapture and 'source' mean the same: give one"},
      {"materializations:\n  m:\n    " + task + "\n    onIncompatibleSchemaChange: never\n",
       "flow.yaml:4: materializations.m.onIncompatibleSchemaChange must not be 'never'"},
      {"materializations:\n  m:\n    " + task +
           "\n    bindings:\n      - source: {name: x, notBefore: yesterday}\n        resource: {}",
       "flow.yaml:5: materializations.m.bindings[0].source.notBefore must be a time in RFC 3339"},
      {"tests:\n  t:\n    - ingest: {}\n",
       "flow.yaml:2: tests.t cannot be run: tests of catalogs are not supported"},
      {"collections:\n  a:\n    derive: {}\n    schema: {}\n    key: [/k]\n",
       "flow.yaml:3: collections.a.derive cannot be run: derivations are not supported"},
      {collection("    writeSchema: {}\n    key: [/k]"),
       "flow.yaml:2: collections.a has 'schema' and also 'writeSchema' or 'readSchema'"},
      {"collections:\n  a:\n    writeSchema: {}\n    key: [/k]",
       "flow.yaml:2: collections.a must have 'schema', or both 'writeSchema' and 'readSchema'"},
      {collection("    key: [k]"),
       "flow.yaml:4: collections.a.key[0] must start with '/', which 'k' does not"},
      {collection("    key: [/k, /k]"), "flow.yaml:4: collections.a.key[1] repeats '/k'"},
      {collection("    key: [/f]"),
       "flow.yaml:2: /f cannot be a key of collection a: by its write schema it may be number"},
      {collection("    key: [/n]"),
       "flow.yaml:2: /n cannot be a key of collection a: by its write schema it may be null"},
      {collection("    key: [/o]"),
       "flow.yaml:2: /o cannot be a key of collection a: by its write schema it may be missing"},
      {collection("    key: [/r]"),
       "flow.yaml:2: /r cannot be a key of collection a: by its write schema it is removed by redaction"},
      {collection("    key: [/z]"),
       "flow.yaml:2: /z cannot be a key of collection a: by its write schema it is not known"},
      {collection("    key: [/k/x]"),
       "flow.yaml:2: /k/x cannot be a key of collection a: by its write schema it is forbidden"},
      {collection("    key: [/d]"), "no error"},
      {collection("    key: [/k]\n    projections: {k: /o}"),
       "flow.yaml:2: the field 'k' of collection a would stand for both /o and /k"},
      {collection("    key: [/k]\n    projections:\n      p: /zz"),
       "flow.yaml:6: the projection 'p' is of /zz, which the schema of collection a does not know"},
      {collection("    key: [/k]\n    projections:\n      p: {location: /f, partition: true}"),
       "flow.yaml:6: the projection 'p' cannot be a partition: /f may be number"},
      {collection("    key: [/k]\n    projections:\n      'p q': {location: /k, partition: true}"),
       "flow.yaml:6: collections.a.projections.p q is a partition, whose name may hold letters, digits, '_', "
       "'-' and '/' only"},
      {collection("    key: [/k]\n    projections:\n      '': /k"),
       "flow.yaml:6: collections.a.projections. has an empty field name"},
      {collection("    key: [/k]\n  a/b:\n    schema: " + schema + "\n    key: [/k]"),
       "flow.yaml:5: the name of collection a/b lies below that of collection a"},
      {"collections:\n  a:\n    schema: {type: [object, string]}\n    key: [/k]",
       "flow.yaml:2: the write schema of collection a must be of type object, but allows object or string"},
      {"collections:\n  a:\n    schema: {properties: {k: {minLength: x}}}\n    key: [/k]",
       "flow.yaml:2: write schema of collection a: schema at #/properties/k: minLength must be a "
       "non-negative integer, not \"x\""},
      {"collections:\n  a:\n    key: []\n    schema: {type: object}\ncaptures:\n  c:\n    bindings: "
       "[{target: a, resource: {}}]\n    " +
           task,
       "flow.yaml:2: collection a has an empty key"},
      {"collections:\n  a:\n    key: []\n    schema: {type: object}\ncaptures:\n  c:\n    bindings: "
       "[{target: a, resource: {}, disable: true}]\n    " +
           task,
       "no error"},
      {"a: b: c\n", "flow.yaml:1: not valid YAML: illegal map value"},
      {"captures: {}\ncaptures: {}\n", "flow.yaml:2: the key 'captures' occurs twice"},
      {"captures: {}\n---\ncaptures: {}\n", "flow.yaml:3: a file must hold one YAML document, not several"},
      {"- a\n", "flow.yaml:1: a catalog must be an object"},
      {"captures:\n  c:\n    bindings: []\n    endpoint: {local: {command: [x], config: {a: .inf}}}",
       "flow.yaml:4: the number .inf has no form in JSON"},
      {"x: !foo y\n", "flow.yaml:1: the tag '!foo' is not known"},
  };
  for (auto& [text, message] : rows) EXPECT_EQ(error_of(text).substr(0, message.size()), message) << text;
}

TEST(Catalog, aliases_cannot_unfold_without_bound) {
  std::string text = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n";
  for (int i = 1; i < 12; ++i) {
    text += fmt::format("x{0}: &x{0} [", i);
    for (int j = 0; j < 10; ++j) text += fmt::format("{}*x{}", j ? ", " : "", i - 1);
    text += "]\n";
  }
  EXPECT_NE(error_of(text).find("unfold to too many values"), std::string::npos);
}

TEST(Catalog, a_definition_stands_in_one_file) {
  Files files{{"flow.yaml",
               "import: [b.yaml]\ncollections:\n  a: {schema: {type: object, required: [k], properties: {k: "
               "{type: string}}}, key: [/k]}\n"}};
  files["b.yaml"] = files["flow.yaml"].substr(17);
  EXPECT_EQ(error_of(files), "b.yaml:2: collections.a is defined already, at flow.yaml:3");
}

TEST(Catalog, sops) {
  Files files{
      {"flow.yaml", "captures: {c: {bindings: [], endpoint: {local: {command: [x], config: c.yaml}}}}"},
      {"c.yaml", "user: u\npassword_sops: ENC[x]\nsops: {mac: x}\n"}};
  EXPECT_EQ(error_of(files),
            "flow.yaml:1: captures.c.endpoint.local.config is encrypted with sops, in c.yaml");
  LoadOptions with = options(files);
  with.decrypt = [](std::string_view text, const std::string& path) {
    EXPECT_EQ(path, "c.yaml");
    EXPECT_EQ(text, R"({"user":"u","password_sops":"ENC[x]","sops":{"mac":"x"}})");
    return std::string(R"({"user":"u","password_sops":"p","n":[{"k_encrypted":1}],"sops":{"mac":"x"}})");
  };
  Catalog catalog = load_catalog("flow.yaml", with);
  const Endpoint& endpoint = catalog.captures.at("c").endpoint;
  EXPECT_EQ(endpoint.config_json, R"({"user":"u","password":"p","n":[{"k":1}]})");
  std::string held = endpoint.wrapper_json();
  EXPECT_NE(held.find(R"("password_sops":"ENC[x]")"), std::string::npos) << held;
  EXPECT_EQ(held.find(R"("p")"), std::string::npos) << held;
}

TEST(Catalog, lists_with_nothing_below_them_are_empty) {
  Catalog c = load(
      "captures: {a/c: {endpoint: {local: {command: [x], config: {}}}, bindings: }}\n"
      "materializations: {a/m: {endpoint: {local: {command: [x], config: {}}}, source: a/c, bindings: }}\n");
  EXPECT_TRUE(c.captures.at("a/c").bindings.empty());
  EXPECT_TRUE(c.materializations.at("a/m").bindings.empty());
}

TEST(Catalog, durations) {
  EXPECT_EQ(parse_duration("1h 30m"), 90min);
  EXPECT_EQ(parse_duration("1h30m15s"), 1h + 30min + 15s);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("2 days"), 48h);
  EXPECT_EQ(parse_duration("0s"), 0s);
  EXPECT_EQ(parse_duration("1 week"), 168h);
  for (const char* text : {"", "5", "m", "5x", "-1s", "1.5s", "999999999999w"})
    EXPECT_FALSE(parse_duration(text)) << text;
  for (auto d : {std::chrono::nanoseconds(0ns), std::chrono::nanoseconds(90min),
                 std::chrono::nanoseconds(1500ms), std::chrono::nanoseconds(400h + 1ns)})
    EXPECT_EQ(parse_duration(duration_text(d)), d);
}

TEST(Catalog, timestamps) {
  auto t = parse_timestamp("2024-02-29T12:00:00.25+01:30");
  ASSERT_TRUE(t);
  EXPECT_EQ(t->seconds, 1709202600);
  EXPECT_EQ(t->nanos, 250000000);
  EXPECT_EQ(parse_timestamp("1969-12-31T23:59:59Z")->seconds, -1);
  for (const char* text : {"", "2024-02-30T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00",
                           "2024-01-01T24:00:00Z", "2024-01-01T00:00:00Zx"})
    EXPECT_FALSE(parse_timestamp(text)) << text;
}

std::string projections(const protocol::CollectionSpec& spec) {
  std::string out;
  for (const protocol::Projection& p : spec.projections)
    out += fmt::format("{}={}{}{}{} ", p.field, p.ptr, p.is_explicit ? "!" : "", p.is_primary_key ? "*" : "",
                       p.is_partition_key ? "#" : "");
  return out;
}

TEST(Projections, list_and_flags) {
  Catalog c = load(R"(
collections:
  a:
    schema:
      type: object
      required: [id, t]
      properties:
        id: {type: integer}
        t: {type: array, minItems: 1, items: [{type: string}, {type: integer}]}
        o: {type: object, properties: {x~/y: {type: string}}, additionalProperties: {type: integer}}
        list: {type: array, items: {type: object, properties: {z: {}}}}
        never: false
    key: [/id, /t/0]
    projections:
      when: /_meta/uuid/date-time
      region: {location: /t/0, partition: true}
      id: /id
)");
  protocol::CollectionSpec spec =
      build_collection(c.collections.at("a"), nullptr, MissingInference::placeholder);
  EXPECT_EQ(projections(spec),
            "_meta/flow_truncated=/_meta/flow_truncated flow_document= flow_published_at=/_meta/uuid "
            "id=/id!* list=/list never=/never o=/o "
            "o/x~0~1y=/o/x~0~1y region=/t/0!*# t=/t t/0=/t/0* t/1=/t/1 when=/_meta/uuid! ");
  EXPECT_EQ(spec.partition_fields, std::vector<std::string>{"region"});
  const protocol::Inference& published = *find_projection(spec, "flow_published_at")->inference;
  EXPECT_EQ(published.types, std::vector<std::string>{"string"});
  EXPECT_EQ(published.string->format, "date-time");
  EXPECT_EQ(published.string->content_encoding, "uuid");
  EXPECT_EQ(published.exists, protocol::Exists::must);
  EXPECT_EQ(find_projection(spec, "never")->inference->exists, protocol::Exists::cannot);
  EXPECT_EQ(find_projection(spec, "flow_document")->inference->types, std::vector<std::string>{"object"});
  EXPECT_EQ(find_projection(spec, "when")->inference->string->content_encoding, "uuid");
  EXPECT_EQ(spec.uuid_ptr, "/_meta/uuid");
  EXPECT_EQ(spec.ack_template_json,
            R"({"_meta":{"uuid":"DocUUIDPlaceholder-329Bb50aa48EAa9ef","ack":true}})");
  EXPECT_EQ(spec.partition_template->labels->labels.size(), 3u);
}

TEST(Projections, a_projection_of_the_root_replaces_flow_document) {
  Catalog c = load(
      "collections: {a: {schema: {type: object, required: [k], properties: {k: {type: string}}}, key: [/k], "
      "projections: {doc: ''}}}");
  EXPECT_EQ(projections(build_collection(c.collections.at("a"), nullptr, MissingInference::placeholder)),
            "_meta/flow_truncated=/_meta/flow_truncated doc=! flow_published_at=/_meta/uuid k=/k* ");
}

TEST(ReadSchema, relaxes_and_bundles) {
  EXPECT_EQ(
      relax_schema(
          R"({"type":"object","required":["a"],"$defs":{"x":{"type":"null","title":"t"}},"allOf":[{"format":"date"}],
      "properties":{"type":{"type":"string","format":"date","not":{"type":"null"}},"i":{"items":[{"type":"null"}],"additionalItems":{"type":"null"}}},
      "additionalProperties":{"required":["b"]},"if":{"required":["z"]},"reduce":{"strategy":"merge"}})"),
      R"({"$defs":{"x":{"title":"t"}},"allOf":[{}],"properties":{"type":{},"i":{"items":[{}],"additionalItems":{}}},"additionalProperties":{},"if":{"required":["z"]},"reduce":{"strategy":"merge"}})");
  EXPECT_EQ(
      relax_schema(
          R"({"properties":{"c":{"type":"string","minLength":5,"maxLength":5,"enum":["abcde"],"pattern":"^a","title":"t"},"n":{"minimum":1,"multipleOf":2}},"additionalProperties":false})"),
      R"({"properties":{"c":{"title":"t"},"n":{}}})");
  CollectionDef def;
  def.name = "a";
  def.write_schema_json =
      R"({"type":"object","required":["k"],"properties":{"k":{"type":"integer"},"v":{"type":"string","reduce":{"strategy":"sum"}}}})";
  def.read_schema_json = default_read_schema();
  def.key = {"/k"};
  EXPECT_TRUE(uses_inferred_schema(def));
  auto valid = [](const std::string& schema, std::string_view document) {
    Validator validator(Schema::compile(schema));
    json::Tree tree;
    tree.parse(document);
    return validator.validate(tree).valid();
  };
  std::string missing = bundle_read_schema(def, nullptr, MissingInference::placeholder);
  EXPECT_FALSE(valid(missing, R"({"k":1,"_meta":{"uuid":"x"}})"));
  EXPECT_TRUE(valid(missing, R"({"k":1,"_meta":{"inferredSchemaIsNotAvailable":true}})"));
  EXPECT_TRUE(valid(bundle_read_schema(def, nullptr, MissingInference::write_schema), R"({"k":1})"));
  std::string inferred =
      R"({"type":"object","required":["k"],"properties":{"k":{"type":"integer"},"v":{"type":"null"},"w":{"type":"string"}},"additionalProperties":false})";
  std::string read = bundle_read_schema(def, &inferred, MissingInference::placeholder);
  EXPECT_TRUE(valid(read, R"({"k":1,"v":null})"));
  EXPECT_FALSE(valid(read, R"({"k":1,"v":"x"})"));
  EXPECT_FALSE(valid(read, R"({"k":1,"new":1})"));
  protocol::CollectionSpec spec = build_collection(def, &inferred, MissingInference::placeholder);
  EXPECT_EQ(find_projection(spec, "w")->inference->types, std::vector<std::string>{"string"});
  EXPECT_EQ(find_projection(spec, "v")->inference->reduce, protocol::Reduce::sum)
      << "annotations come from the relaxed write schema";
  EXPECT_EQ(spec.write_schema_json, def.write_schema_json);
  build_collection(def, nullptr, MissingInference::placeholder);
}

TEST(ReadSchema, AdmitsWhatWasCapturedIfItSaysNothingElse) {
  auto admits = [](std::string read_schema, const char* inferred = nullptr,
                   const char* write_schema = nullptr) {
    CollectionDef def;
    def.name = "acme/things";
    def.key = {"/k"};
    def.write_schema_json =
        write_schema ? write_schema
                     : R"({"type":"object","required":["k"],"properties":{"k":{"type":"integer"}}})";
    def.read_schema_json = std::move(read_schema);
    std::string text = inferred ? inferred : "";
    return admits_captured(build_collection(def, inferred ? &text : nullptr, MissingInference::write_schema));
  };
  constexpr const char* inferred =
      R"({"type":"object","required":["k"],"properties":{"k":{"type":"integer"},"x":{}}})";
  EXPECT_TRUE(admits(""));
  EXPECT_TRUE(admits(std::string(default_read_schema())));
  EXPECT_TRUE(admits(std::string(default_read_schema()), inferred));
  EXPECT_FALSE(
      admits(R"({"type":"object","required":["k"],"properties":{"k":{"type":"integer","maximum":3}}})"));
  EXPECT_FALSE(admits(R"({"allOf":[{"$ref":"flow://relaxed-write-schema"},{"$ref":"flow://inferred-schema"}],
      "properties":{"k":{"maximum":3}}})",
                      inferred));
  EXPECT_FALSE(admits(R"({"allOf":[{"$ref":"flow://inferred-schema"}]})", inferred));
  // Loosened, both branches hold, so that the relaxed schema rejects what the write schema admits.
  constexpr const char* choosing = R"({"type":"object","required":["k"],"properties":{"k":{"type":"integer"}},
      "oneOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{"a":{"required":["x"]},"b":{"required":["y"]}}})";
  EXPECT_FALSE(admits(std::string(default_read_schema()), inferred, choosing));
  EXPECT_TRUE(admits("", nullptr, choosing));
}

}  // namespace
}  // namespace sluice::runtime
