#include "sluice/runtime/build.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/runtime/partition.hpp"
#include "sluice/runtime/select.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view state_key_keeps = "-_.~$&+:=@";

const CollectionDef& collection(const BuildContext& context, const std::string& name, const Place& place) {
  auto found = context.catalog->collections.find(name);
  if (found == context.catalog->collections.end())
    throw Error(Error::Kind::config, fmt::format("{}: collection '{}' is not defined", place.text(), name),
                "Define it under `collections`, or correct the name.");
  return found->second;
}

protocol::CollectionSpec collection_spec(const BuildContext& context, const std::string& name,
                                         const Place& place) {
  const std::string* inferred = context.inferred ? context.inferred->find(name) : nullptr;
  return build_collection(collection(context, name, place), inferred, context.missing);
}

template <class Binding>
std::vector<const Binding*> active(const std::vector<Binding>& bindings) {
  std::vector<const Binding*> found;
  for (const Binding& binding : bindings)
    if (!binding.disable) found.push_back(&binding);
  return found;
}

// Checks a resource path of a Validated response and that no other binding of the task has it.
void check_path(const std::vector<std::string>& path, const std::string& task, const Place& place,
                std::set<std::vector<std::string>>& seen) {
  bool empty =
      path.empty() || std::any_of(path.begin(), path.end(), [](const auto& part) { return part.empty(); });
  if (empty)
    throw Error(
        Error::Kind::config,
        fmt::format("{}: the connector of '{}' gave a resource path with an empty part", place.text(), task));
  if (!seen.insert(path).second)
    throw Error(Error::Kind::config,
                fmt::format("{}: two bindings of '{}' have the resource '{}'", place.text(), task,
                            text::join(path, ".")),
                "Remove one of them, or give them different resources.");
}

void check_count(std::size_t asked, std::size_t answered, const std::string& task) {
  if (asked == answered) return;
  throw Error(Error::Kind::config,
              fmt::format("the connector of '{}' validated {} bindings, but {} were asked for", task,
                          answered, asked));
}

protocol::Duration duration(std::chrono::nanoseconds time) {
  protocol::Duration value;
  value.seconds = time.count() / 1'000'000'000;
  value.nanos = static_cast<std::int32_t>(time.count() % 1'000'000'000);
  return value;
}

protocol::Label label(std::string name, std::string value) {
  protocol::Label l;
  l.name = std::move(name);
  l.value = std::move(value);
  return l;
}

protocol::ShardSpec shard_template(const ShardTemplate& shards, const std::string& kind,
                                   const std::string& task, std::chrono::nanoseconds max_txn) {
  protocol::ShardSpec spec;
  spec.id = fmt::format("{}/{}", kind, task);
  spec.recovery_log_prefix = "recovery";
  spec.hint_prefix = "/estuary/flow/hints";
  spec.hint_backups = 2;
  spec.min_txn_duration = duration(shards.min_txn_duration);
  spec.max_txn_duration = duration(shards.max_txn_duration.count() > 0 ? shards.max_txn_duration : max_txn);
  spec.disable = shards.disable;
  spec.hot_standbys = shards.hot_standbys;
  spec.ring_buffer_size = shards.ring_buffer_size;
  spec.read_channel_size = shards.read_channel_size;
  protocol::LabelSet labels;
  labels.labels = {label("app.gazette.dev/managed-by", "estuary.dev/flow"),
                   label("estuary.dev/log-level", shards.log_level.empty() ? "info" : shards.log_level),
                   label("estuary.dev/task-name", task),
                   label("estuary.dev/task-type", kind == "materialize" ? "materialization" : kind)};
  spec.labels = std::move(labels);
  return spec;
}

protocol::JournalSpec recovery_log(const std::string& shard_id) {
  protocol::JournalSpec journal;
  journal.name = "recovery/" + shard_id;
  protocol::JournalFragment fragment;
  fragment.length = std::int64_t(256) << 20;
  fragment.compression_codec = protocol::Compression::snappy;
  journal.fragment = fragment;
  return journal;
}

// Bindings of the last spec that are active no more (§5.1).
template <class Spec>
void keep_inactive(Spec& spec, const Spec* last) {
  if (!last) return;
  std::set<std::vector<std::string>> taken;
  for (const auto& binding : spec.bindings) taken.insert(binding.resource_path);
  for (const auto* bindings : {&last->bindings, &last->inactive_bindings})
    for (const auto& binding : *bindings)
      if (taken.insert(binding.resource_path).second) spec.inactive_bindings.push_back(binding);
}

// The version is a name of the spec's content, so the shard ids inside get it only afterwards.
template <class Spec>
std::string seal(Spec& spec) {
  std::string version = spec_version(protocol::encode(spec));
  spec.shard_template->id += "/" + version;
  std::vector<protocol::Label>& labels = spec.shard_template->labels->labels;
  labels.insert(labels.begin() + 1, label("estuary.dev/build", version));  // sorted by name
  spec.recovery_log_template = recovery_log(spec.shard_template->id);
  return version;
}

protocol::LabelSelector partition_selector(const MaterializationBindingDef& binding) {
  protocol::LabelSelector selector;
  protocol::LabelSet include, exclude;
  include.labels.push_back(label(collection_label, binding.source));
  json::Tree tree;
  auto add = [&](protocol::LabelSet& set, const PartitionValues& fields) {
    for (const auto& [field, values] : fields)
      for (const std::string& value : values) {
        tree.parse(value);
        set.labels.push_back(label(field_label_prefix + field, partition_label(&tree.root())));
      }
    std::sort(set.labels.begin(), set.labels.end(), [](const auto& a, const auto& b) {
      return std::tie(a.name, a.value) < std::tie(b.name, b.value);
    });
  };
  add(include, binding.include);
  add(exclude, binding.exclude);
  selector.include = std::move(include);
  if (!exclude.labels.empty()) selector.exclude = std::move(exclude);
  return selector;
}

const protocol::MaterializationBinding* live_binding(const protocol::MaterializationSpec* last,
                                                     const std::vector<std::string>& path,
                                                     std::uint32_t backfill) {
  if (!last) return nullptr;
  for (const auto* bindings : {&last->bindings, &last->inactive_bindings})
    for (const protocol::MaterializationBinding& binding : *bindings)
      if (binding.resource_path == path && binding.backfill == backfill) return &binding;
  return nullptr;
}

protocol::MaterializationType connector_type(const MaterializationDef& def) {
  return def.endpoint.kind == Endpoint::Kind::image ? protocol::MaterializationType::image
                                                    : protocol::MaterializationType::local;
}
protocol::CaptureType connector_type(const CaptureDef& def) {
  return def.endpoint.kind == Endpoint::Kind::image ? protocol::CaptureType::image
                                                    : protocol::CaptureType::local;
}

}  // namespace

std::string state_key(const std::vector<std::string>& resource_path, std::uint32_t backfill) {
  std::string key = text::percent_encode(text::join(resource_path, "/"), state_key_keeps);
  if (backfill > 0) key += fmt::format(".v{}", backfill);
  return key;
}

std::string spec_version(std::string_view encoded_spec) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(encoded_spec.data()), encoded_spec.size(), digest);
  return text::hex(std::string_view(reinterpret_cast<const char*>(digest), 8));
}

protocol::capture::Validate validate_request(const BuildContext& context, const CaptureDef& def,
                                             const protocol::CaptureSpec* last, std::string last_version) {
  protocol::capture::Validate request;
  request.name = def.name;
  request.connector_type = connector_type(def);
  request.config_json = def.endpoint.config_json;
  for (const CaptureBindingDef* binding : active(def.bindings)) {
    protocol::capture::ValidateBinding asked;
    asked.resource_config_json = binding->resource_json;
    asked.collection = collection_spec(context, binding->target, binding->place);
    asked.backfill = binding->backfill;
    request.bindings.push_back(std::move(asked));
  }
  if (last) request.last_capture = *last;
  request.last_version = std::move(last_version);
  return request;
}

BuiltCapture build(const BuildContext& context, const CaptureDef& def,
                   const protocol::capture::Validated& validated, const protocol::CaptureSpec* last) {
  std::vector<const CaptureBindingDef*> bindings = active(def.bindings);
  check_count(bindings.size(), validated.bindings.size(), def.name);
  BuiltCapture built;
  protocol::CaptureSpec& spec = built.spec;
  spec.name = def.name;
  spec.connector_type = connector_type(def);
  spec.config_json = def.endpoint.wrapper_json();
  spec.interval_seconds = static_cast<std::uint32_t>(def.interval.count());
  spec.redact_salt = def.redact_salt;
  std::set<std::vector<std::string>> paths;
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    protocol::CaptureBinding binding;
    binding.resource_config_json = bindings[i]->resource_json;
    binding.resource_path = validated.bindings[i].resource_path;
    check_path(binding.resource_path, def.name, bindings[i]->place, paths);
    binding.collection = collection_spec(context, bindings[i]->target, bindings[i]->place);
    binding.backfill = bindings[i]->backfill;
    binding.state_key = state_key(binding.resource_path, binding.backfill);
    spec.bindings.push_back(std::move(binding));
  }
  keep_inactive(spec, last);
  spec.shard_template = shard_template(def.shards, "capture", def.name, std::chrono::seconds(1));
  built.version = seal(spec);
  return built;
}

protocol::materialize::Validate validate_request(const BuildContext& context, const MaterializationDef& def,
                                                 const protocol::MaterializationSpec* last,
                                                 std::string last_version) {
  protocol::materialize::Validate request;
  request.name = def.name;
  request.connector_type = connector_type(def);
  request.config_json = def.endpoint.config_json;
  for (const MaterializationBindingDef* binding : active(def.bindings)) {
    protocol::materialize::ValidateBinding asked;
    asked.resource_config_json = binding->resource_json;
    asked.collection = collection_spec(context, binding->source, binding->place);
    for (const auto& [field, options] : binding->fields.require) asked.field_config_json_map[field] = options;
    asked.backfill = binding->backfill;
    asked.group_by = binding->fields.group_by;
    request.bindings.push_back(std::move(asked));
  }
  if (last) request.last_materialization = *last;
  request.last_version = std::move(last_version);
  return request;
}

BuiltMaterialization build(const BuildContext& context, const MaterializationDef& def,
                           const protocol::materialize::Validated& validated,
                           const protocol::MaterializationSpec* last) {
  std::vector<const MaterializationBindingDef*> bindings = active(def.bindings);
  check_count(bindings.size(), validated.bindings.size(), def.name);
  BuiltMaterialization built;
  protocol::MaterializationSpec& spec = built.spec;
  spec.name = def.name;
  spec.connector_type = connector_type(def);
  spec.config_json = def.endpoint.wrapper_json();
  spec.triggers_json = def.triggers_json;
  std::set<std::vector<std::string>> paths;
  std::vector<std::string> conflicts;
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    const MaterializationBindingDef& asked = *bindings[i];
    const protocol::materialize::ValidatedBinding& answer = validated.bindings[i];
    check_path(answer.resource_path, def.name, asked.place, paths);
    protocol::MaterializationBinding binding;
    binding.resource_config_json = asked.resource_json;
    binding.resource_path = answer.resource_path;
    binding.collection = collection_spec(context, asked.source, asked.place);
    const protocol::MaterializationBinding* live = live_binding(last, answer.resource_path, asked.backfill);
    const protocol::FieldSelection* live_fields =
        live && live->field_selection ? &*live->field_selection : nullptr;
    Selection selection = select_fields(*binding.collection, answer, asked.fields, live_fields);
    if (!selection.conflicts.empty()) {
      OnIncompatible reaction = asked.on_incompatible.value_or(def.on_incompatible);
      auto index = static_cast<std::size_t>(&asked - def.bindings.data());
      if (selection.only_incompatible && reaction == OnIncompatible::backfill)
        built.to_backfill.push_back(index);
      else if (selection.only_incompatible && reaction == OnIncompatible::disable_binding)
        built.to_disable.push_back(index);
      else
        conflicts.push_back(fmt::format("{}: {}", asked.place.text(), text::join(selection.conflicts, "; ")));
    }
    binding.field_selection = std::move(selection.fields);
    binding.delta_updates = answer.delta_updates;
    binding.ser_policy = answer.ser_policy;
    binding.partition_selector = partition_selector(asked);
    binding.priority = asked.priority;
    binding.not_before = asked.not_before;
    binding.not_after = asked.not_after;
    binding.backfill = asked.backfill;
    binding.state_key = state_key(binding.resource_path, binding.backfill);
    binding.journal_read_suffix = fmt::format("materialize/{}/{}", def.name, binding.state_key);
    spec.bindings.push_back(std::move(binding));
  }
  if (!conflicts.empty())
    throw Error(
        Error::Kind::config,
        fmt::format("materialization '{}' cannot be built: {}", def.name, text::join(conflicts, "; ")),
        "Change the fields of the binding, or raise its `backfill` counter.");
  keep_inactive(spec, last);
  spec.shard_template = shard_template(def.shards, "materialize", def.name, std::chrono::minutes(20));
  built.version = seal(spec);
  return built;
}

}  // namespace sluice::runtime
