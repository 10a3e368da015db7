#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/catalog.hpp"

// From a collection's definition to its spec: read schemas with their built-in references (runtime.md §3),
// key checks (§2.2), projections (§4.2).
namespace sluice::runtime {

struct Shape;

// What documents placed in captured documents until they are written (§7.1).
inline constexpr std::string_view uuid_pointer = "/_meta/uuid";
inline constexpr std::string_view published_at_field = "flow_published_at";
inline constexpr std::string_view truncated_field = "_meta/flow_truncated";

// The schemas that were inferred so far, by collection; as the store holds them.
struct InferredSchemas {
  std::map<std::string, std::string> by_collection;
  const std::string* find(const std::string& collection) const {
    auto found = by_collection.find(collection);
    return found == by_collection.end() ? nullptr : &found->second;
  }
};
// What stands for flow://inferred-schema while there is none.
enum class MissingInference {
  placeholder,   // a schema that rejects every real document
  write_schema,  // the write schema: every captured document passes
};

// Does the read schema refer to flow://inferred-schema?
bool uses_inferred_schema(std::string_view read_schema);
inline bool uses_inferred_schema(const CollectionDef& def) {
  return uses_inferred_schema(def.read_schema_json);
}
// The read schema of collections whose schema is to be inferred.
std::string_view default_read_schema();
// The write schema without what only decides whether a value is valid (flow://relaxed-write-schema).
std::string relax_schema(std::string_view write_schema);
// The read schema with what its flow:// references mean bundled into $defs. `inferred` may be null.
std::string bundle_read_schema(const CollectionDef& def, const std::string* inferred,
                               MissingInference missing);

// Throws Error{config} with the place in the catalog. Keys are not checked against a placeholder.
protocol::CollectionSpec build_collection(const CollectionDef& def, const std::string* inferred,
                                          MissingInference missing);
// Checks all that build_collection() does, as far as it can be told without an inferred schema. Returns what
// the schemas hold that is ignored.
std::vector<std::string> check_collection(const CollectionDef& def);

// The schema that documents of a built collection are read with.
inline const std::string& effective_schema(const protocol::CollectionSpec& spec) {
  return spec.read_schema_json.empty() ? spec.write_schema_json : spec.read_schema_json;
}
// Is a document valid for that schema because it was for the write schema when it was captured? So it is if
// both are one, and if the schema is inferred of what is captured.
bool admits_captured(const protocol::CollectionSpec& spec);
const protocol::Projection* find_projection(const protocol::CollectionSpec& spec, std::string_view field);

// Why values of the shape cannot be part of a key; empty if they can.
std::string not_keyable(const Shape& shape, protocol::Exists exists);

}  // namespace sluice::runtime
