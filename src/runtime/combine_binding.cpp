#include "combine_binding.hpp"

#include <map>

#include "sluice/base/error.hpp"
#include "sluice/runtime/row.hpp"

namespace sluice::runtime {
namespace {

// Many bindings may share a schema, and compiling is not cheap.
class Schemas {
 public:
  Schema compile(const std::string& collection, const std::string& json) {
    auto known = compiled_.find(json);
    if (known != compiled_.end()) return known->second;
    try {
      return compiled_.emplace(json, Schema::compile(json)).first->second;
    } catch (Error& e) {
      e.add("schema of collection '" + collection + "'");
      throw;
    }
  }

 private:
  std::map<std::string, Schema> compiled_;
};

std::string default_of(const protocol::CollectionSpec& collection, const std::string& pointer) {
  for (const protocol::Projection& projection : collection.projections)
    if (projection.ptr == pointer && projection.inference) return projection.inference->default_json;
  return {};
}

CombineBinding combine_binding(const protocol::CollectionSpec& collection,
                               const std::vector<std::string>& key, Schema schema) {
  std::vector<json::Pointer> pointers;
  std::vector<std::string> defaults;
  for (const std::string& pointer : key) {
    pointers.emplace_back(pointer);
    defaults.push_back(default_of(collection, pointer));
  }
  return {collection.name, std::move(pointers), std::move(defaults), std::move(schema)};
}

}  // namespace

std::vector<CombineBinding> combine_bindings(const protocol::CaptureSpec& spec) {
  Schemas schemas;
  std::vector<CombineBinding> bindings;
  for (const protocol::CaptureBinding& binding : spec.bindings) {
    const protocol::CollectionSpec& collection = *binding.collection;
    CombineBinding combine = combine_binding(collection, collection.key,
                                             schemas.compile(collection.name, collection.write_schema_json));
    combine.mode = Mode::partial;
    combine.placeholder = true;
    combine.salt = spec.redact_salt;
    bindings.push_back(std::move(combine));
  }
  return bindings;
}

std::vector<CombineBinding> combine_bindings(const protocol::MaterializationSpec& spec) {
  Schemas schemas;
  std::vector<CombineBinding> bindings;
  for (const protocol::MaterializationBinding& binding : spec.bindings) {
    const protocol::CollectionSpec& collection = *binding.collection;
    std::vector<std::string> key;
    for (const std::string& field : binding.field_selection->keys)
      key.push_back(projection_of(collection, field).ptr);
    bool has_read_schema = !collection.read_schema_json.empty();
    CombineBinding combine =
        combine_binding(collection, key,
                        schemas.compile(collection.name, has_read_schema ? collection.read_schema_json
                                                                         : collection.write_schema_json));
    for (const std::string& field : binding.field_selection->values)
      combine.values.emplace_back(projection_of(collection, field).ptr);
    combine.mode = binding.delta_updates ? Mode::partial : Mode::full;
    bindings.push_back(std::move(combine));
  }
  return bindings;
}

}  // namespace sluice::runtime
