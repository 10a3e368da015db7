#include "prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <random>

#include "connectors.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/inferred.hpp"

namespace sluice::tools {
namespace {

using protocol::MaterializationBinding;
using protocol::MaterializationSpec;
using runtime::MaterializationBindingDef;
using runtime::MaterializationDef;
using runtime::StateStore;
namespace keys = runtime::keys;

template <class Spec>
struct Applied {
  Spec* get() { return spec ? &*spec : nullptr; }
  std::optional<Spec> spec;
  std::string version;
};

template <class Spec>
Applied<Spec> last_applied(StateStore* store, const std::string& task, Spec (*decode)(std::string_view)) {
  Applied<Spec> last;
  if (!store) return last;
  if (auto bytes = store->get(task, keys::last_applied)) last.spec = decode(*bytes);
  last.version = store->get(task, keys::last_version).value_or("");
  return last;
}

// What the next run would start with, if it is only to be checked.
runtime::InferredSchemas inferred_schemas(const runtime::Catalog& catalog, StateStore* store,
                                          Purpose purpose) {
  if (!store) return {};
  if (purpose == Purpose::run) return runtime::load_inferred(catalog, *store);
  return runtime::load_inferred(catalog, *store, runtime::rediscovered(catalog, *store));
}

std::string random_salt() {
  std::random_device random;
  std::string salt;
  while (salt.size() < 16) salt += static_cast<char>(random() & 0xff);
  return salt;
}

std::vector<const MaterializationBinding*> bindings_of(const MaterializationSpec* spec) {
  std::vector<const MaterializationBinding*> all;
  if (!spec) return all;
  for (const auto* bindings : {&spec->bindings, &spec->inactive_bindings})
    for (const MaterializationBinding& binding : *bindings) all.push_back(&binding);
  return all;
}

// What Validate is told of: the last spec, and the bindings of an Apply that did not come to its end. The
// endpoint may hold their resources already, and they are ours: those that the catalog has no more are kept
// as inactive ones of the next spec.
const MaterializationSpec* known_to_endpoint(const MaterializationSpec* last,
                                             std::optional<MaterializationSpec>& applying) {
  if (!applying) return last;
  if (!last) return &*applying;
  MaterializationSpec known = *last;
  std::vector<const MaterializationBinding*> before = bindings_of(last);
  for (const MaterializationBinding* binding : bindings_of(&*applying)) {
    bool is_new = std::none_of(before.begin(), before.end(), [&](const MaterializationBinding* b) {
      return b->resource_path == binding->resource_path;
    });
    if (is_new) known.inactive_bindings.push_back(*binding);
  }
  applying = std::move(known);
  return &*applying;
}

// By how much the counter of a resource was raised above that of the catalog.
std::string raised_key(const std::vector<std::string>& resource_path) {
  return std::string(backfill_raised_prefix) + runtime::state_key(resource_path, 0);
}

// The backfill counters of a materialization in effect.
class Counters {
 public:
  // `last`, `begun`: the specs whose Apply ended, and was begun since; may be null.
  Counters(MaterializationDef& def, StateStore* store, const MaterializationSpec* last,
           const MaterializationSpec* begun)
      : def_(def), store_(store), last_(bindings_of(last)) {
    for (const MaterializationBinding* binding : bindings_of(begun)) last_.push_back(binding);
    for (const MaterializationBindingDef& binding : def.bindings) catalog_.push_back(binding.backfill);
    // Resource paths are known after Validate only. What was applied last tells most of them, so that few
    // connectors are shown a counter that seems lowered.
    for (std::size_t i = 0; i < def.bindings.size(); ++i)
      for (const MaterializationBinding* binding : last_)
        if (binding->resource_config_json == def.bindings[i].resource_json) adopt(i, binding->resource_path);
  }

  // Takes the paths of a response; true if counters are others than those that were validated.
  bool adopt(const protocol::materialize::Validated& validated) {
    bool changed = false;
    std::size_t next = 0;
    for (std::size_t i = 0; i < def_.bindings.size() && next < validated.bindings.size(); ++i)
      if (!def_.bindings[i].disable) changed |= adopt(i, validated.bindings[next++].resource_path);
    return changed;
  }

  // Raises the counter by one and says what is to be stored of that.
  void raise(std::size_t binding, runtime::StateCommit& commit) {
    ++def_.bindings[binding].backfill;
    std::uint32_t by = def_.bindings[binding].backfill - catalog_[binding];
    std::string key = raised_key(paths_.at(binding));
    raised_[key] = by;
    commit.put(key, std::to_string(by));
  }

  // Says which counters of the catalog are behind those in effect.
  void report_lowered(const Log& log) {
    for (const auto& [binding, path] : paths_) {
      const MaterializationBindingDef& def = def_.bindings[binding];
      std::uint32_t by = raised(raised_key(path)), unchanged = def.backfill - by;
      if (def.disable || catalog_[binding] >= unchanged) continue;
      log.warn(
          "a backfill counter was lowered, which has no effect", kv("collection", def.source),
          kv("catalog", catalog_[binding]), kv("in_effect", def.backfill),
          kv("remedy", fmt::format("set it to {} to leave things as they are, or to {} to have the table "
                                   "emptied and everything read again",
                                   unchanged, unchanged + 1)));
    }
  }

 private:
  bool adopt(std::size_t binding, const std::vector<std::string>& path) {
    paths_[binding] = path;
    std::uint32_t count = catalog_[binding] + raised(raised_key(path));
    // A counter never falls behind what was applied, or begun to be: the table may be empty by now, and would
    // be read into from where the former counter had got to.
    for (const MaterializationBinding* applied : last_)
      if (applied->resource_path == path) count = std::max(count, applied->backfill);
    return std::exchange(def_.bindings[binding].backfill, count) != count;
  }

  std::uint32_t raised(const std::string& key) {
    auto known = raised_.find(key);
    if (known != raised_.end()) return known->second;
    std::uint32_t by = 0;
    if (store_)
      if (auto text = store_->get(def_.name, key))
        std::from_chars(text->data(), text->data() + text->size(), by);
    raised_[key] = by;
    return by;
  }

  MaterializationDef& def_;
  StateStore* store_;
  std::vector<const MaterializationBinding*> last_;
  std::vector<std::uint32_t> catalog_;                     // by binding
  std::map<std::size_t, std::vector<std::string>> paths_;  // by binding
  std::map<std::string, std::uint32_t> raised_;            // by key of the store
};

}  // namespace

Task<runtime::BuiltCapture> prepare(const runtime::Catalog& catalog, runtime::CaptureDef def,
                                    protocol::Capture& connector, StateStore* store, Purpose purpose) {
  auto last = last_applied(store, def.name, protocol::decode_capture_spec);
  if (def.redact_salt.empty() && last.spec) def.redact_salt = last.spec->redact_salt;
  if (def.redact_salt.empty() && purpose == Purpose::run) def.redact_salt = random_salt();
  protocol::capture::SpecRequest ask;
  ask.config_json = "{}";
  protocol::capture::Spec spec = co_await connector.spec(std::move(ask));
  runtime::InferredSchemas inferred = inferred_schemas(catalog, store, purpose);
  runtime::BuildContext build;
  build.catalog = &catalog;
  build.inferred = &inferred;
  protocol::capture::Validate request = runtime::validate_request(build, def, last.get(), last.version);
  protocol::capture::Validated validated = co_await connector.validate(std::move(request));
  co_return runtime::build(build, def, validated, last.get());
}

Task<runtime::BuiltMaterialization> prepare(Context& context, const runtime::Catalog& catalog,
                                            MaterializationDef def, protocol::Materialize& connector,
                                            StateStore* store, Purpose purpose) {
  auto last = last_applied(store, def.name, protocol::decode_materialization_spec);
  std::optional<MaterializationSpec> applying;
  if (store)
    if (auto bytes = store->get(def.name, keys::applying))
      applying = protocol::decode_materialization_spec(*bytes);
  std::optional<MaterializationSpec> begun = applying;
  const MaterializationSpec* known = known_to_endpoint(last.get(), applying);
  protocol::materialize::SpecRequest ask;
  ask.config_json = "{}";
  protocol::materialize::Spec spec = co_await connector.spec(std::move(ask));
  bind_source(catalog, def, spec);
  runtime::InferredSchemas inferred = inferred_schemas(catalog, store, purpose);
  runtime::BuildContext build;
  build.catalog = &catalog;
  build.inferred = &inferred;
  Counters counters(def, store, last.get(), begun ? &*begun : nullptr);
  for (;;) {
    protocol::materialize::Validate request = runtime::validate_request(build, def, known, last.version);
    protocol::materialize::Validated validated = co_await connector.validate(std::move(request));
    if (counters.adopt(validated)) continue;
    runtime::BuiltMaterialization built = runtime::build(build, def, validated, known);
    if (built.to_backfill.empty() && built.to_disable.empty()) {
      counters.report_lowered(context.log);
      co_return built;
    }
    for (std::size_t binding : built.to_disable) {
      def.bindings[binding].disable = true;
      context.log.warn("disabling a binding whose table does not fit its collection any more",
                       kv("collection", def.bindings[binding].source),
                       kv("remedy", "let the schema fit again, or raise the binding's backfill counter"));
    }
    if (built.to_backfill.empty()) continue;
    runtime::StateCommit change(def.name);
    for (std::size_t binding : built.to_backfill) {
      counters.raise(binding, change);
      context.log.warn("backfilling a binding whose table does not fit its collection any more",
                       kv("collection", def.bindings[binding].source),
                       kv("backfill", def.bindings[binding].backfill),
                       kv("setting", "onIncompatibleSchemaChange"));
    }
    // Before Apply: a table that was created anew for a counter must never be met with the former one.
    if (purpose == Purpose::run) co_await runtime::commit(context, *store, std::move(change));
  }
}

}  // namespace sluice::tools
