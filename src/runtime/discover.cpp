#include "sluice/runtime/discover.hpp"

#include <fmt/format.h>

#include <set>

#include "catalog_file.hpp"
#include "names.hpp"
#include "sluice/base/error.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/collection.hpp"
#include "sluice/runtime/shape.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;
using protocol::capture::DiscoveredBinding;

Value list(const std::vector<std::string>& texts) {
  Value out = Value::array();
  for (const std::string& text : texts) out.items.push_back(Value::of_string(text));
  return out;
}
std::vector<std::string> texts(const Value* list) {
  std::vector<std::string> out;
  if (list)
    for (const Value& item : list->items) out.push_back(item.text);
  return out;
}
bool is_true(const Value* value) { return value && value->text == "true"; }

Value endpoint_value(const Endpoint& endpoint) {
  Value out = Value::object();
  if (endpoint.kind == Endpoint::Kind::image) {
    Value& connector = out["connector"];
    connector["image"] = Value::of_string(endpoint.image);
    connector["config"] = Value::of_json(endpoint.config_json);
    return out;
  }
  Value& local = out["local"];
  local["command"] = list(endpoint.command);
  if (endpoint.protobuf) local["protobuf"] = Value::of_boolean(true);
  for (const auto& [name, value] : endpoint.env) local["env"][name] = Value::of_string(value);
  local["config"] = Value::of_json(endpoint.config_json);
  return out;
}

bool infers(const Value& schema) { return is_true(schema.find("x-infer-schema")); }

// Do both resources name the same thing? The discovered path tells which properties do.
bool same_resource(const Value& existing, const DiscoveredBinding& found) {
  Value resource = Value::of_json(found.resource_config_json);
  if (const Value* meta = existing.find("_meta"); meta && meta->find("path") && !found.resource_path.empty())
    return texts(meta->find("path")) == found.resource_path;
  bool any = false;
  for (const auto& [key, value] : resource.members) {
    bool names = std::find(found.resource_path.begin(), found.resource_path.end(), value.text) !=
                 found.resource_path.end();
    if (!value.is(Kind::string) || !names) continue;
    any = true;
    const Value* other = existing.find(key);
    if (!other || other->text != value.text) return false;
  }
  return any || json::canonical(to_json(existing)) == json::canonical(found.resource_config_json);
}

class Merge {
 public:
  explicit Merge(const DiscoverInput& input) : input_(input) {}

  std::string run() {
    root_ = input_.existing ? Value::of_json(bundle_json(*input_.existing)) : Value::object();
    for (std::string_view key : {"captures", "collections", "materializations"})
      if (!root_[key].is(Kind::object)) root_[key] = Value::object();
    capture();
    if (input_.sink) sink();
    if (root_["materializations"].members.empty()) root_.erase("materializations");
    return to_yaml(root_);
  }

 private:
  void capture() {
    Value& capture = root_["captures"][input_.capture];
    if (!capture.find("endpoint")) capture["endpoint"] = endpoint_value(input_.endpoint);
    const Value* automatic = capture.find("autoDiscover");
    evolve_ = automatic && is_true(automatic->find("evolveIncompatibleCollections"));
    bool add = !input_.automatic || (automatic && is_true(automatic->find("addNewBindings")));
    Value old = std::move(capture["bindings"]);
    Value bindings = Value::array();
    for (const Value& binding : old.items)
      if (const Value* target = binding.find("target")) targets_.insert(target->text);
    for (const DiscoveredBinding& found : input_.discovered.bindings) {
      auto known = std::find_if(old.items.begin(), old.items.end(), [&](const Value& binding) {
        const Value* resource = binding.find("resource");
        return resource && same_resource(*resource, found);
      });
      if (known != old.items.end()) {
        collection((*known)["target"].text, found);
        bindings.items.push_back(*known);
      } else if (add) {
        bindings.items.push_back(added(found));
      }
    }
    // Evolving a collection may have raised the counters of bindings that were taken over before.
    for (Value& binding : bindings.items) raise(binding, "target");
    root_["captures"][input_.capture]["bindings"] = std::move(bindings);
    for (auto& [name, task] : root_["materializations"].members)
      if (Value* bound = task.find("bindings"))  // none if it has `source` alone
        for (Value& binding : bound->items) raise(binding, "source");
  }

  Value added(const DiscoveredBinding& found) {
    std::string name = collection_name(found);
    collection(name, found);
    Value binding = Value::object();
    binding["resource"] = Value::of_json(found.resource_config_json);
    binding["target"] = Value::of_string(name);
    // Without a key nothing can be captured until the user has picked one.
    bool keyless = root_["collections"][name]["key"].items.empty();
    if (found.disable || keyless) binding["disable"] = Value::of_boolean(true);
    return binding;
  }
  std::string collection_name(const DiscoveredBinding& found) {
    std::size_t slash = input_.capture.rfind('/');
    std::string prefix = slash == std::string::npos ? "" : input_.capture.substr(0, slash + 1);
    std::string name = to_name(found.recommended_name);
    if (name.empty())
      throw Error(Error::Kind::config,
                  fmt::format("the connector recommends '{}' as the name of a collection, which "
                              "holds no letter or digit",
                              found.recommended_name));
    std::string unique = prefix + name;
    for (int i = 2; !targets_.insert(unique).second; ++i) unique = fmt::format("{}{}_{}", prefix, name, i);
    return unique;
  }

  void collection(const std::string& name, const DiscoveredBinding& found) {
    Value& c = root_["collections"][name];
    bool fresh = c.members.empty();
    Value schema = Value::of_json(found.document_schema_json);
    if (infers(schema) || c.find("readSchema")) {
      c.erase("schema");
      c["writeSchema"] = std::move(schema);
      if (!c.find("readSchema")) c["readSchema"] = Value::of_json(default_read_schema());
    } else {
      c["schema"] = std::move(schema);
    }
    if (fresh) {
      c["key"] = list(found.key);
      return;
    }
    std::vector<std::string> key = texts(c.find("key"));
    if (found.key.empty() || (found.is_fallback_key && !key.empty()) || key == found.key) return;
    if (!key.empty()) evolve(name, key, found.key);
    c["key"] = list(found.key);
  }
  void evolve(const std::string& name, const std::vector<std::string>& from,
              const std::vector<std::string>& to) {
    if (!evolve_)
      throw Error(
          Error::Kind::config,
          fmt::format("the key of collection {} would change from {} to {}", name, to_json(list(from)),
                      to_json(list(to))),
          "Set autoDiscover.evolveIncompatibleCollections on the capture, or give the source's new form a "
          "collection of its own.");
    root_["collections"][name]["reset"] = Value::of_boolean(true);
    evolved_.insert(name);
  }
  void raise(Value& binding, std::string_view key) const {
    const Value* at = binding.find(key);
    if (!at) return;
    const Value* name = at->is(Kind::object) ? at->find("name") : at;
    if (!name || !evolved_.count(name->text)) return;
    const Value* backfill = binding.find("backfill");
    std::uint64_t count = backfill ? json::number(backfill->text).unsigned_ : 0;
    binding["backfill"] = Value::of_number(count + 1);
  }

  void sink() {
    Value& task = root_["materializations"][input_.sink->materialization];
    if (!task.find("endpoint")) task["endpoint"] = endpoint_value(input_.sink->endpoint);
    Value& bindings = task["bindings"];
    if (!bindings.is(Kind::array)) bindings = Value::array();
    std::set<std::string> bound;
    for (const Value& binding : bindings.items) {
      const Value* source = binding.find("source");
      if (source) bound.insert(source->is(Kind::object) ? source->find("name")->text : source->text);
    }
    for (const Value& from : root_["captures"][input_.capture]["bindings"].items) {
      const std::string& collection = from.find("target")->text;
      if (is_true(from.find("disable")) || !bound.insert(collection).second) continue;
      Value binding = Value::object();
      binding["source"] = Value::of_string(collection);
      binding["resource"]["table"] =
          Value::of_string(target_name(collection, TargetNaming::prefix_non_default_schema).table);
      binding["fields"]["recommended"] = Value::of_number(1);
      bindings.items.push_back(std::move(binding));
    }
  }

  const DiscoverInput& input_;
  Value root_;
  std::set<std::string> targets_, evolved_;
  bool evolve_ = false;
};

}  // namespace

std::string discover_yaml(const DiscoverInput& input) { return Merge(input).run(); }

TargetName target_name(std::string_view collection, TargetNaming naming) {
  std::size_t slash = collection.rfind('/');
  std::string table(collection.substr(slash == collection.npos ? 0 : slash + 1));
  if (slash == collection.npos || naming == TargetNaming::no_schema) return {"", table};
  std::string_view above = collection.substr(0, slash);
  std::string schema(above.substr(above.rfind('/') + 1));
  if (naming == TargetNaming::with_schema) return {schema, table};
  bool standard = schema == "public" || schema == "dbo";
  if (naming == TargetNaming::prefix_non_default_schema && standard) return {"", table};
  return {"", schema + "_" + table};
}

namespace {

// The location that a resource schema annotates; empty if there is none.
std::optional<json::Pointer> annotated(const Shape& schema, const std::string& annotation) {
  for (const Shape::Location& at : schema.locations()) {
    auto found = at.shape->extensions.find(annotation);
    if (!at.pattern && found != at.shape->extensions.end() && found->second == "true")
      return json::Pointer(at.pointer);
  }
  return {};
}

void put(Value& object, const std::optional<json::Pointer>& at, Value value) {
  if (!at) return;
  Value* place = &object;
  for (const std::string& token : at->tokens()) place = &(*place)[token];
  *place = std::move(value);
}

}  // namespace

void bind_source(MaterializationDef& task, const CaptureDef& capture, std::string_view resource_schema) {
  if (!task.source) return;
  Shape schema = Shape::infer(Schema::compile(resource_schema));
  auto table = annotated(schema, "x-collection-name");
  if (!table)
    fail(task.source->place,
         fmt::format("the connector of {} does not say where the name of a table goes", task.name),
         "List the bindings instead of naming a source capture.");
  std::set<std::string> bound;
  for (const MaterializationBindingDef& binding : task.bindings) bound.insert(binding.source);
  for (const CaptureBindingDef& from : capture.bindings) {
    if (from.disable || !bound.insert(from.target).second) continue;
    TargetName name = target_name(from.target, task.source->naming);
    Value resource = Value::object();
    put(resource, table, Value::of_string(name.table));
    if (!name.schema.empty())
      put(resource, annotated(schema, "x-schema-name"), Value::of_string(name.schema));
    if (task.source->delta_updates)
      put(resource, annotated(schema, "x-delta-updates"), Value::of_boolean(true));
    MaterializationBindingDef& binding = task.bindings.emplace_back();
    binding.source = from.target;
    binding.resource_json = to_json(resource);
    binding.fields.recommended = task.source->recommended;
    binding.place = task.source->place;
  }
}

}  // namespace sluice::runtime
