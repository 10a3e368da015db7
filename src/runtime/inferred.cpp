#include "sluice/runtime/inferred.hpp"

#include <map>

#include "sluice/base/error.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/inference.hpp"

namespace sluice::runtime {
namespace {

// The collections of a capture as it ran last, of those that the catalog has changed.
using Former = std::map<std::string, std::vector<const protocol::CollectionSpec*>>;
Former former_collections(const Catalog& catalog, const protocol::CaptureSpec& last) {
  Former former;
  for (const auto* bindings : {&last.bindings, &last.inactive_bindings})
    for (const protocol::CaptureBinding& binding : *bindings) {
      if (!binding.collection) continue;
      const protocol::CollectionSpec& collection = *binding.collection;
      auto def = catalog.collections.find(collection.name);
      if (def == catalog.collections.end() || !uses_inferred_schema(def->second)) continue;
      // Inactive bindings stay for ever: what another key meant was settled when they were active.
      if (bindings == &last.inactive_bindings && def->second.key != collection.key) continue;
      if (def->second.write_schema_json != collection.write_schema_json || def->second.key != collection.key)
        former[def->first].push_back(&collection);
    }
  return former;
}

// Adds to `commit` what documents of the former forms need.
void add_former(const CollectionDef& def, const std::vector<const protocol::CollectionSpec*>& former,
                std::optional<std::string> stored, StateCommit& commit) {
  const std::string key = keys::inferred + def.name;
  Inference inference(Schema::compile(def.write_schema_json), stored.value_or(""));
  for (const protocol::CollectionSpec* collection : former) {
    // With another key it is another collection, whose key what was inferred need not have.
    if (collection->key != def.key) {
      if (stored) commit.erase(key);
      return;
    }
    inference.former(Schema::compile(collection->write_schema_json));
  }
  if (auto schema = inference.take_change()) commit.put(key, std::move(*schema));
}

}  // namespace

std::vector<StateCommit> rediscovered(const Catalog& catalog, StateStore& store) {
  std::vector<StateCommit> commits;
  for (const auto& [task, def] : catalog.captures) {
    auto last = store.get(task, keys::last_applied);
    if (!last) continue;
    StateCommit commit(task);
    const protocol::CaptureSpec spec = protocol::decode_capture_spec(*last);
    for (const auto& [name, former] : former_collections(catalog, spec)) {
      try {
        add_former(catalog.collections.at(name), former, store.get(task, keys::inferred + name), commit);
      } catch (Error& e) {
        e.add("schema of collection '" + name + "'");
        throw;
      }
    }
    if (!commit.entries.empty()) commits.push_back(std::move(commit));
  }
  return commits;
}

InferredSchemas load_inferred(const Catalog& catalog, StateStore& store,
                              const std::vector<StateCommit>& pending) {
  InferredSchemas all;
  std::map<std::pair<std::string, std::string>, std::optional<std::string>> entries;  // by task and key
  for (const std::string& task : store.tasks())
    for (auto& [key, schema] : store.list(task, keys::inferred)) entries[{task, key}] = std::move(schema);
  for (const StateCommit& commit : pending)
    for (const StateCommit::Entry& entry : commit.entries) entries[{commit.task, entry.key}] = entry.value;
  for (const auto& [of, schema] : entries) {
    if (!schema) continue;
    std::string name = of.second.substr(std::string_view(keys::inferred).size());
    auto [at, fresh] = all.by_collection.try_emplace(std::move(name), *schema);
    if (!fresh) at->second = unite_schemas(at->second, *schema);
  }
  // Documents of the write schema say nothing beyond it, and what is stored may be of another capture.
  for (auto& [name, schema] : all.by_collection) {
    auto def = catalog.collections.find(name);
    if (def == catalog.collections.end() || !uses_inferred_schema(def->second)) continue;
    Schema write = Schema::compile(def->second.write_schema_json);
    Inference inference(write, std::move(schema));
    inference.former(write);
    schema = inference.schema();
  }
  return all;
}

}  // namespace sluice::runtime
