#include "catalog_file.hpp"
#include "sluice/runtime/catalog.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;

void inline_endpoint(Value& task, const Endpoint& endpoint) {
  Value* at = task.find("endpoint");
  for (std::string_view kind : {"connector", "local"})
    if (Value* connector = at->find(kind))
      (*connector)["config"] =
          Value::of_json(endpoint.sealed_json.empty() ? endpoint.config_json : endpoint.sealed_json);
}

template <class Binding>
void inline_resources(Value& task, const std::vector<Binding>& bindings) {
  Value* list = task.find("bindings");
  for (std::size_t i = 0; i < bindings.size(); ++i)
    if (Value& resource = list->items[i]["resource"]; resource.is(Kind::string))
      resource = Value::of_json(bindings[i].resource_json);
}

void inline_schemas(Value& collection, const CollectionDef& def) {
  for (std::string_view key : {"schema", "writeSchema"})
    if (Value* schema = collection.find(key)) *schema = Value::of_json(def.write_schema_json);
  if (Value* schema = collection.find("readSchema")) *schema = Value::of_json(def.read_schema_json);
}

}  // namespace

std::string bundle_json(const Catalog& catalog) {
  Value out = Value::object();
  for (const auto& file : catalog.files) {
    for (const auto& [section, defs] : file->root.members) {
      if (section == "import" || section == "$schema" || !defs.is(Kind::object)) continue;
      for (const auto& [name, def] : defs.members) out[section][name] = def;
    }
  }
  for (const auto& [name, def] : catalog.captures) {
    Value& task = out["captures"][name];
    inline_endpoint(task, def.endpoint);
    inline_resources(task, def.bindings);
  }
  for (const auto& [name, def] : catalog.materializations) {
    Value& task = out["materializations"][name];
    inline_endpoint(task, def.endpoint);
    inline_resources(task, def.bindings);
  }
  for (const auto& [name, def] : catalog.collections) inline_schemas(out["collections"][name], def);
  return to_json(out);
}

}  // namespace sluice::runtime
