#include "sluice/runtime/catalog.hpp"

namespace sluice::runtime {
namespace {

// For editors: what the loader takes, key by key, in the order of runtime.md §2.
constexpr std::string_view format = R"json({
"$schema":"https://json-schema.org/draft/2019-09/schema",
"title":"Catalog","type":"object","additionalProperties":false,
"properties":{
  "$schema":{"type":"string"},
  "import":{"description":"Other catalog files, relative to this one.","type":"array","items":{"type":"string"}},
  "collections":{"type":"object","propertyNames":{"$ref":"#/$defs/name"},"additionalProperties":{"$ref":"#/$defs/collection"}},
  "captures":{"type":"object","propertyNames":{"$ref":"#/$defs/name"},"additionalProperties":{"$ref":"#/$defs/capture"}},
  "materializations":{"type":"object","propertyNames":{"$ref":"#/$defs/name"},"additionalProperties":{"$ref":"#/$defs/materialization"}},
  "storageMappings":{"description":"Of Estuary Flow; ignored."},
  "tests":{"description":"Of Estuary Flow; must be empty.","type":"object","maxProperties":0}
},
"$defs":{
  "name":{"type":"string","pattern":"^[\\p{L}\\p{N}\\-_.]+(/[\\p{L}\\p{N}\\-_.]+)*$"},
  "pointer":{"type":"string","format":"json-pointer"},
  "duration":{"type":"string","examples":["30s","5m","1h 30m"]},
  "count":{"type":"integer","minimum":0,"maximum":4294967295},
  "depth":{"description":"How deep below the root fields are selected; true for all.","anyOf":[{"type":"boolean"},{"$ref":"#/$defs/count"}]},
  "objectOrFile":{"description":"Inline, or the path of a file.","type":["object","string"]},
  "schema":{"description":"A JSON schema, inline or the path of a file.","type":["object","string","boolean"]},
  "endpoint":{"type":"object","additionalProperties":false,"minProperties":1,"maxProperties":1,"properties":{
    "connector":{"type":"object","additionalProperties":false,"required":["image","config"],"properties":{
      "image":{"type":"string"},"config":{"$ref":"#/$defs/objectOrFile"}}},
    "local":{"type":"object","additionalProperties":false,"required":["command","config"],"properties":{
      "command":{"type":"array","minItems":1,"items":{"type":"string"}},"config":{"$ref":"#/$defs/objectOrFile"},
      "env":{"type":"object","additionalProperties":{"type":"string"}},
      "protobuf":{"description":"Speaks protobuf, not JSON.","type":"boolean","default":false}}}}},
  "shards":{"type":"object","additionalProperties":false,"properties":{
    "disable":{"type":"boolean"},"minTxnDuration":{"$ref":"#/$defs/duration"},"maxTxnDuration":{"$ref":"#/$defs/duration"},
    "hotStandbys":{"$ref":"#/$defs/count"},"ringBufferSize":{"$ref":"#/$defs/count"},"readChannelSize":{"$ref":"#/$defs/count"},
    "logLevel":{"type":"string"}}},
  "collection":{"type":"object","additionalProperties":false,"required":["key"],
    "oneOf":[{"required":["schema"]},{"required":["writeSchema","readSchema"]}],
    "properties":{
      "schema":{"$ref":"#/$defs/schema"},"writeSchema":{"$ref":"#/$defs/schema"},"readSchema":{"$ref":"#/$defs/schema"},
      "key":{"description":"Where the values lie that tell documents apart.","type":"array","items":{"$ref":"#/$defs/pointer"},"uniqueItems":true},
      "projections":{"type":"object","additionalProperties":{"anyOf":[{"$ref":"#/$defs/pointer"},
        {"type":"object","additionalProperties":false,"required":["location"],"properties":{
          "location":{"$ref":"#/$defs/pointer"},"partition":{"type":"boolean","default":false}}}]}},
      "journals":true,"expectPubId":true,"delete":true,"reset":true}},
  "capture":{"type":"object","additionalProperties":false,"required":["endpoint","bindings"],"properties":{
    "endpoint":{"$ref":"#/$defs/endpoint"},
    "bindings":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["resource","target"],"properties":{
      "resource":{"$ref":"#/$defs/objectOrFile"},"target":{"$ref":"#/$defs/name"},
      "disable":{"type":"boolean","default":false},
      "backfill":{"description":"Raise it to capture everything again.","$ref":"#/$defs/count"}}}},
    "interval":{"$ref":"#/$defs/duration","default":"5m"},
    "autoDiscover":{"type":"object","additionalProperties":false,"properties":{
      "addNewBindings":{"type":"boolean","default":false},"evolveIncompatibleCollections":{"type":"boolean","default":false}}},
    "redactSalt":{"type":"string","contentEncoding":"base64"},
    "shards":{"$ref":"#/$defs/shards"},"expectPubId":true,"delete":true}},
  "materialization":{"type":"object","additionalProperties":false,"required":["endpoint"],"properties":{
    "endpoint":{"$ref":"#/$defs/endpoint"},
    "source":{"$ref":"#/$defs/source"},"sourceCapture":{"$ref":"#/$defs/source"},
    "onIncompatibleSchemaChange":{"$ref":"#/$defs/onIncompatible"},
    "bindings":{"type":"array","items":{"$ref":"#/$defs/materializationBinding"}},
    "shards":{"$ref":"#/$defs/shards"},"expectPubId":true,"delete":true,"triggers":true}},
  "onIncompatible":{"enum":["backfill","disableBinding","disableTask","abort"]},
  "source":{"description":"A capture all of whose collections are materialized.","anyOf":[{"$ref":"#/$defs/name"},
    {"type":"object","additionalProperties":false,"required":["capture"],"properties":{
      "capture":{"$ref":"#/$defs/name"},"targetNaming":{"$ref":"#/$defs/targetNaming"},"targetSchema":{"$ref":"#/$defs/targetNaming"},
      "deltaUpdates":{"type":"boolean"},"fieldsRecommended":{"$ref":"#/$defs/depth"}}}]},
  "targetNaming":{"enum":["prefixNonDefaultSchema","noSchema","leaveEmpty","withSchema","fromSourceName","prefixSchema"]},
  "partitions":{"type":"object","additionalProperties":{"type":"array","items":{"type":["null","boolean","integer","number","string"]}}},
  "materializationBinding":{"type":"object","additionalProperties":false,"required":["source","resource"],"properties":{
    "source":{"anyOf":[{"$ref":"#/$defs/name"},{"type":"object","additionalProperties":false,"required":["name"],"properties":{
      "name":{"$ref":"#/$defs/name"},
      "partitions":{"type":"object","additionalProperties":false,"properties":{"include":{"$ref":"#/$defs/partitions"},"exclude":{"$ref":"#/$defs/partitions"}}},
      "notBefore":{"type":"string","format":"date-time"},"notAfter":{"type":"string","format":"date-time"}}}]},
    "resource":{"$ref":"#/$defs/objectOrFile"},
    "disable":{"type":"boolean","default":false},
    "backfill":{"description":"Raise it to build the resource again from all documents.","$ref":"#/$defs/count"},
    "priority":{"description":"Higher is read first.","$ref":"#/$defs/count"},
    "onIncompatibleSchemaChange":{"$ref":"#/$defs/onIncompatible"},
    "fields":{"type":"object","additionalProperties":false,"properties":{
      "groupBy":{"type":"array","items":{"type":"string"}},
      "require":{"type":"object","additionalProperties":{"type":"object"}},
      "include":{"type":"object","additionalProperties":{"type":"object"}},
      "exclude":{"type":"array","items":{"type":"string"}},
      "recommended":{"$ref":"#/$defs/depth"}}}}}
}})json";

}  // namespace

std::string catalog_json_schema() { return std::string(format); }

}  // namespace sluice::runtime
