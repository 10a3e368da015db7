#include "sluice/runtime/inferred.hpp"

#include <map>

#include "sluice/base/error.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/inference.hpp"

namespace sluice::runtime {
namespace {

// The collections of a capture as it ran last, whose write schemas the catalog has changed.
std::multimap<std::string, std::string> former_schemas(const Catalog& catalog,
                                                       const protocol::CaptureSpec& last) {
  std::multimap<std::string, std::string> former;
  for (const auto* bindings : {&last.bindings, &last.inactive_bindings})
    for (const protocol::CaptureBinding& binding : *bindings) {
      if (!binding.collection) continue;
      auto def = catalog.collections.find(binding.collection->name);
      if (def == catalog.collections.end() || !uses_inferred_schema(def->second)) continue;
      if (def->second.write_schema_json != binding.collection->write_schema_json)
        former.emplace(def->first, binding.collection->write_schema_json);
    }
  return former;
}

}  // namespace

std::vector<StateCommit> rediscovered(const Catalog& catalog, StateStore& store) {
  std::vector<StateCommit> commits;
  for (const auto& [task, def] : catalog.captures) {
    auto last = store.get(task, keys::last_applied);
    if (!last) continue;
    StateCommit commit(task);
    auto former = former_schemas(catalog, protocol::decode_capture_spec(*last));
    for (auto at = former.begin(); at != former.end();) {
      const std::string& name = at->first;
      const std::string key = keys::inferred + name;
      try {
        Inference inference(Schema::compile(catalog.collections.at(name).write_schema_json),
                            store.get(task, key).value_or(""));
        for (auto end = former.upper_bound(name); at != end; ++at)
          inference.former(Schema::compile(at->second));
        if (auto schema = inference.take_change()) commit.put(key, std::move(*schema));
      } catch (Error& e) {
        e.add("schema of collection '" + name + "'");
        throw;
      }
    }
    if (!commit.entries.empty()) commits.push_back(std::move(commit));
  }
  return commits;
}

InferredSchemas load_inferred(StateStore& store, const std::vector<StateCommit>& pending) {
  InferredSchemas all;
  std::map<std::pair<std::string, std::string>, std::string> entries;  // by task and key
  for (const std::string& task : store.tasks())
    for (auto& [key, schema] : store.list(task, keys::inferred)) entries[{task, key}] = std::move(schema);
  for (const StateCommit& commit : pending)
    for (const StateCommit::Entry& entry : commit.entries) entries[{commit.task, entry.key}] = *entry.value;
  for (auto& [of, schema] : entries) {
    auto [at, fresh] =
        all.by_collection.try_emplace(of.second.substr(std::string_view(keys::inferred).size()), schema);
    if (!fresh) at->second = unite_schemas(at->second, schema);
  }
  return all;
}

}  // namespace sluice::runtime
