#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// The messages of the Flow connector protocol as plain values (flow-protocol.md §4–§7; the .proto files give
// the wire names). A member whose name ends in _json holds JSON text. A member that is absent, empty or zero
// is not on the wire.
namespace sluice::protocol {

// Response.Spec.protocol; any other value is a hard error.
inline constexpr std::uint32_t protocol_version = 3032023;

// ---- Gazette (packages protocol and consumer) ----

struct Label {
  std::string name;
  std::string value;
  bool prefix = false;
  friend bool operator==(const Label&, const Label&) = default;
};

struct LabelSet {
  std::vector<Label> labels;  // sorted by (name, value)
  friend bool operator==(const LabelSet&, const LabelSet&) = default;
};

struct LabelSelector {
  std::optional<LabelSet> include;
  std::optional<LabelSet> exclude;
  friend bool operator==(const LabelSelector&, const LabelSelector&) = default;
};

enum class Compression : std::int32_t { invalid, none, gzip, zstandard, snappy, gzip_offload_decompression };
enum class SuspendLevel : std::int32_t { none, partial, full };

// google.protobuf.Duration.
struct Duration {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
  friend bool operator==(const Duration&, const Duration&) = default;
};

// google.protobuf.Timestamp.
struct Timestamp {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
  friend bool operator==(const Timestamp&, const Timestamp&) = default;
};

struct JournalFragment {
  std::int64_t length = 0;
  Compression compression_codec = Compression::invalid;
  std::vector<std::string> stores;
  std::optional<Duration> refresh_interval;
  std::optional<Duration> retention;
  std::optional<Duration> flush_interval;
  std::string path_postfix_template;
  friend bool operator==(const JournalFragment&, const JournalFragment&) = default;
};

struct JournalSuspend {
  SuspendLevel level = SuspendLevel::none;
  std::int64_t offset = 0;
  friend bool operator==(const JournalSuspend&, const JournalSuspend&) = default;
};

struct JournalSpec {
  std::string name;
  std::int32_t replication = 0;
  std::optional<LabelSet> labels;
  std::optional<JournalFragment> fragment;
  std::uint32_t flags = 0;
  std::int64_t max_append_rate = 0;
  std::optional<JournalSuspend> suspend;
  friend bool operator==(const JournalSpec&, const JournalSpec&) = default;
};

struct ShardSource {
  std::string journal;
  std::int64_t min_offset = 0;
  friend bool operator==(const ShardSource&, const ShardSource&) = default;
};

struct ShardSpec {
  std::string id;
  std::vector<ShardSource> sources;
  std::string recovery_log_prefix;
  std::string hint_prefix;
  std::int32_t hint_backups = 0;
  std::optional<Duration> max_txn_duration;
  std::optional<Duration> min_txn_duration;
  bool disable = false;
  std::uint32_t hot_standbys = 0;
  std::optional<LabelSet> labels;
  bool disable_wait_for_ack = false;
  std::uint32_t ring_buffer_size = 0;
  std::uint32_t read_channel_size = 0;
  friend bool operator==(const ShardSpec&, const ShardSpec&) = default;
};

// consumer.Checkpoint.ProducerState.
struct ProducerState {
  std::uint64_t last_ack = 0;  // Clock of the last acknowledged document
  std::int64_t begin = 0;      // offset of the first pending document, -1 none
  friend bool operator==(const ProducerState&, const ProducerState&) = default;
};

struct ProducerEntry {
  std::string id;  // 6 bytes
  std::optional<ProducerState> state;
  friend bool operator==(const ProducerEntry&, const ProducerEntry&) = default;
};

struct CheckpointSource {
  std::int64_t read_through = 0;
  std::vector<ProducerEntry> producers;
  friend bool operator==(const CheckpointSource&, const CheckpointSource&) = default;
};

// consumer.Checkpoint. To a connector it is opaque: store encode(checkpoint), return decode of it.
// `unknown` keeps fields we do not know in wire form; the "start from zero" sentinel lives there.
struct Checkpoint {
  std::map<std::string, CheckpointSource> sources;  // key: {journal};{read suffix}
  std::map<std::string, std::string> ack_intents;
  std::string unknown;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// ---- package flow ----

enum class Exists : std::int32_t { invalid, must, may, implicit, cannot };
enum class Reduce : std::int32_t {
  unset,
  multiple,
  append,
  first_write_wins,
  last_write_wins,
  maximize,
  merge,
  minimize,
  set,
  sum,
  json_schema_merge
};
enum class Redact : std::int32_t { unset, multiple, block, sha256 };

struct InferenceString {
  std::string content_type;
  std::string format;
  std::uint32_t max_length = 0;  // 0 none
  std::string content_encoding;
  std::string str_minimum;
  std::string str_maximum;
  friend bool operator==(const InferenceString&, const InferenceString&) = default;
};

struct InferenceNumeric {
  bool has_minimum = false;
  double minimum = 0;
  bool has_maximum = false;
  double maximum = 0;
  friend bool operator==(const InferenceNumeric&, const InferenceNumeric&) = default;
};

struct InferenceArray {
  std::uint32_t min_items = 0;
  bool has_max_items = false;
  std::uint32_t max_items = 0;
  std::vector<std::string> item_types;
  friend bool operator==(const InferenceArray&, const InferenceArray&) = default;
};

struct Inference {
  std::vector<std::string> types;  // sorted
  std::optional<InferenceString> string;
  std::string title;
  std::string description;
  std::string default_json;
  bool secret = false;
  Exists exists = Exists::invalid;
  std::optional<InferenceNumeric> numeric;
  std::optional<InferenceArray> array;
  std::vector<std::string> enum_json_vec;
  Reduce reduce = Reduce::unset;
  Redact redact = Redact::unset;
  std::string content_media_type;
  friend bool operator==(const Inference&, const Inference&) = default;
};

struct Projection {
  std::string ptr;
  std::string field;
  bool is_explicit = false;  // user-declared
  bool is_partition_key = false;
  bool is_primary_key = false;
  std::optional<Inference> inference;
  friend bool operator==(const Projection&, const Projection&) = default;
};

struct CollectionSpec {
  std::string name;
  std::vector<std::string> key;  // JSON pointers
  std::string uuid_ptr;
  std::vector<std::string> partition_fields;
  std::vector<Projection> projections;  // ascending by field
  std::string ack_template_json;
  std::string write_schema_json;
  std::optional<JournalSpec> partition_template;
  std::string read_schema_json;  // empty: the write schema
  friend bool operator==(const CollectionSpec&, const CollectionSpec&) = default;
};

struct FieldSelection {
  std::vector<std::string> keys;
  std::vector<std::string> values;
  std::string document;  // empty: the root document is not stored
  std::map<std::string, std::string> field_config_json_map;
  friend bool operator==(const FieldSelection&, const FieldSelection&) = default;
};

struct NetworkPort {
  std::uint32_t number = 0;
  std::string protocol;
  bool is_public = false;
  friend bool operator==(const NetworkPort&, const NetworkPort&) = default;
};

// Inclusive ranges of key hashes and r-clocks.
struct RangeSpec {
  std::uint32_t key_begin = 0;
  std::uint32_t key_end = 0;
  std::uint32_t r_clock_begin = 0;
  std::uint32_t r_clock_end = 0;
  friend bool operator==(const RangeSpec&, const RangeSpec&) = default;
};

struct ConnectorState {
  std::string updated_json;
  bool merge_patch = false;  // false: replaces the whole state
  friend bool operator==(const ConnectorState&, const ConnectorState&) = default;
};

// 0: no limit.
struct SerPolicy {
  std::uint32_t str_truncate_after = 0;
  std::uint32_t nested_obj_truncate_after = 0;
  std::uint32_t array_truncate_after = 0;
  friend bool operator==(const SerPolicy&, const SerPolicy&) = default;
};

struct OAuth2 {
  std::string provider;
  std::string auth_url_template;
  std::string access_token_url_template;
  std::string access_token_body;
  std::map<std::string, std::string> access_token_headers_json_map;
  std::map<std::string, std::string> access_token_response_json_map;
  std::string refresh_token_url_template;
  std::string refresh_token_body;
  std::map<std::string, std::string> refresh_token_headers_json_map;
  std::map<std::string, std::string> refresh_token_response_json_map;
  std::string access_token_method;
  std::string refresh_token_method;
  friend bool operator==(const OAuth2&, const OAuth2&) = default;
};

enum class CaptureType : std::int32_t { invalid = 0, image = 7, local = 8 };
enum class MaterializationType : std::int32_t { invalid = 0, image = 8, local = 9, dekaf = 10 };

struct CaptureBinding {
  std::string resource_config_json;
  std::vector<std::string> resource_path;
  std::optional<CollectionSpec> collection;
  std::uint32_t backfill = 0;
  std::string state_key;
  friend bool operator==(const CaptureBinding&, const CaptureBinding&) = default;
};

struct CaptureSpec {
  std::string name;
  CaptureType connector_type = CaptureType::invalid;
  std::string config_json;
  std::vector<CaptureBinding> bindings;
  std::uint32_t interval_seconds = 0;
  std::optional<ShardSpec> shard_template;
  std::optional<JournalSpec> recovery_log_template;
  std::vector<NetworkPort> network_ports;
  std::vector<CaptureBinding> inactive_bindings;
  std::string redact_salt;
  friend bool operator==(const CaptureSpec&, const CaptureSpec&) = default;
};

struct DeprecatedShuffle {
  std::string group_name;
  std::optional<LabelSelector> partition_selector;
  friend bool operator==(const DeprecatedShuffle&, const DeprecatedShuffle&) = default;
};

struct MaterializationBinding {
  std::string resource_config_json;
  std::vector<std::string> resource_path;
  std::optional<CollectionSpec> collection;
  std::optional<FieldSelection> field_selection;
  bool delta_updates = false;
  std::optional<DeprecatedShuffle> deprecated_shuffle;
  std::optional<LabelSelector> partition_selector;
  std::string journal_read_suffix;
  std::uint32_t priority = 0;
  std::optional<Timestamp> not_before;
  std::optional<Timestamp> not_after;
  std::uint32_t backfill = 0;
  std::string state_key;
  std::optional<SerPolicy> ser_policy;
  friend bool operator==(const MaterializationBinding&, const MaterializationBinding&) = default;
};

struct MaterializationSpec {
  std::string name;
  MaterializationType connector_type = MaterializationType::invalid;
  std::string config_json;
  std::vector<MaterializationBinding> bindings;
  std::optional<ShardSpec> shard_template;
  std::optional<JournalSpec> recovery_log_template;
  std::vector<NetworkPort> network_ports;
  std::vector<MaterializationBinding> inactive_bindings;
  std::string triggers_json;
  friend bool operator==(const MaterializationSpec&, const MaterializationSpec&) = default;
};

// ---- package capture ----
namespace capture {

struct SpecRequest {
  CaptureType connector_type = CaptureType::invalid;
  std::string config_json;
  friend bool operator==(const SpecRequest&, const SpecRequest&) = default;
};

struct Discover {
  CaptureType connector_type = CaptureType::invalid;
  std::string config_json;
  std::string name;
  friend bool operator==(const Discover&, const Discover&) = default;
};

struct ValidateBinding {
  std::string resource_config_json;
  std::optional<CollectionSpec> collection;
  std::uint32_t backfill = 0;
  friend bool operator==(const ValidateBinding&, const ValidateBinding&) = default;
};

struct Validate {
  std::string name;
  CaptureType connector_type = CaptureType::invalid;
  std::string config_json;
  std::vector<ValidateBinding> bindings;
  std::optional<CaptureSpec> last_capture;
  std::string last_version;
  friend bool operator==(const Validate&, const Validate&) = default;
};

struct Apply {
  std::optional<CaptureSpec> capture;
  std::string version;
  std::optional<CaptureSpec> last_capture;
  std::string last_version;
  std::string state_json;
  friend bool operator==(const Apply&, const Apply&) = default;
};

struct Open {
  std::optional<CaptureSpec> capture;
  std::string version;
  std::optional<RangeSpec> range;
  std::string state_json;
  friend bool operator==(const Open&, const Open&) = default;
};

struct Acknowledge {
  std::uint32_t checkpoints = 0;
  friend bool operator==(const Acknowledge&, const Acknowledge&) = default;
};

struct Spec {
  std::uint32_t protocol = 0;
  std::string config_schema_json;
  std::string resource_config_schema_json;
  std::string documentation_url;
  std::optional<OAuth2> oauth2;
  std::vector<std::string> resource_path_pointers;
  friend bool operator==(const Spec&, const Spec&) = default;
};

struct DiscoveredBinding {
  std::string recommended_name;
  std::string resource_config_json;
  std::string document_schema_json;
  std::vector<std::string> key;
  bool disable = false;
  std::vector<std::string> resource_path;
  bool is_fallback_key = false;
  friend bool operator==(const DiscoveredBinding&, const DiscoveredBinding&) = default;
};

struct Discovered {
  std::vector<DiscoveredBinding> bindings;
  friend bool operator==(const Discovered&, const Discovered&) = default;
};

struct ValidatedBinding {
  std::vector<std::string> resource_path;
  friend bool operator==(const ValidatedBinding&, const ValidatedBinding&) = default;
};

struct Validated {
  std::vector<ValidatedBinding> bindings;
  friend bool operator==(const Validated&, const Validated&) = default;
};

struct Applied {
  std::string action_description;
  std::optional<ConnectorState> state;
  friend bool operator==(const Applied&, const Applied&) = default;
};

struct Opened {
  bool explicit_acknowledgements = false;
  friend bool operator==(const Opened&, const Opened&) = default;
};

// Only for peers that look at single messages; documents travel in batches (session.hpp).
struct Captured {
  std::uint32_t binding = 0;
  std::string doc_json;
  friend bool operator==(const Captured&, const Captured&) = default;
};

struct CheckpointMessage {
  std::optional<ConnectorState> state;
  friend bool operator==(const CheckpointMessage&, const CheckpointMessage&) = default;
};

struct SourcedSchema {
  std::uint32_t binding = 0;
  std::string schema_json;
  friend bool operator==(const SourcedSchema&, const SourcedSchema&) = default;
};

using Request = std::variant<SpecRequest, Discover, Validate, Apply, Open, Acknowledge>;
using Response =
    std::variant<Spec, Discovered, Validated, Applied, Opened, Captured, CheckpointMessage, SourcedSchema>;

}  // namespace capture

// ---- package materialize ----
namespace materialize {

struct SpecRequest {
  MaterializationType connector_type = MaterializationType::invalid;
  std::string config_json;
  friend bool operator==(const SpecRequest&, const SpecRequest&) = default;
};

struct ValidateBinding {
  std::string resource_config_json;
  std::optional<CollectionSpec> collection;
  std::map<std::string, std::string> field_config_json_map;
  std::uint32_t backfill = 0;
  std::vector<std::string> group_by;
  friend bool operator==(const ValidateBinding&, const ValidateBinding&) = default;
};

struct Validate {
  std::string name;
  MaterializationType connector_type = MaterializationType::invalid;
  std::string config_json;
  std::vector<ValidateBinding> bindings;
  std::optional<MaterializationSpec> last_materialization;
  std::string last_version;
  friend bool operator==(const Validate&, const Validate&) = default;
};

struct Apply {
  std::optional<MaterializationSpec> materialization;
  std::string version;
  std::optional<MaterializationSpec> last_materialization;
  std::string last_version;
  std::string state_json;
  friend bool operator==(const Apply&, const Apply&) = default;
};

struct Open {
  std::optional<MaterializationSpec> materialization;
  std::string version;
  std::optional<RangeSpec> range;
  std::string state_json;
  friend bool operator==(const Open&, const Open&) = default;
};

struct Load {
  std::uint32_t binding = 0;
  std::string key_json;
  std::string key_packed;
  friend bool operator==(const Load&, const Load&) = default;
};

struct Flush {
  std::string state_patches_json;
  friend bool operator==(const Flush&, const Flush&) = default;
};

struct Store {
  std::uint32_t binding = 0;
  std::string key_json;
  std::string key_packed;
  std::string values_json;
  std::string values_packed;
  std::string doc_json;
  bool exists = false;
  bool is_delete = false;
  friend bool operator==(const Store&, const Store&) = default;
};

struct StartCommit {
  std::optional<Checkpoint> runtime_checkpoint;
  std::string state_patches_json;
  friend bool operator==(const StartCommit&, const StartCommit&) = default;
};

struct Acknowledge {
  std::string state_patches_json;
  friend bool operator==(const Acknowledge&, const Acknowledge&) = default;
};

struct Spec {
  std::uint32_t protocol = 0;
  std::string config_schema_json;
  std::string resource_config_schema_json;
  std::string documentation_url;
  std::optional<OAuth2> oauth2;
  friend bool operator==(const Spec&, const Spec&) = default;
};

enum class ConstraintType : std::int32_t {
  invalid,
  field_required,
  location_required,
  location_recommended,
  field_optional,
  field_forbidden,
  incompatible,
  unsatisfiable
};

struct Constraint {
  ConstraintType type = ConstraintType::invalid;
  std::string reason;
  std::string folded_field;
  friend bool operator==(const Constraint&, const Constraint&) = default;
};

struct ProjectionConstraint {
  std::string field;
  std::optional<Constraint> constraint;
  friend bool operator==(const ProjectionConstraint&, const ProjectionConstraint&) = default;
};

struct ValidatedBinding {
  std::map<std::string, Constraint> constraints;  // deprecated form
  std::vector<std::string> resource_path;
  bool delta_updates = false;
  std::optional<SerPolicy> ser_policy;
  bool case_insensitive_fields = false;
  std::vector<ProjectionConstraint> projection_constraints;  // if any, `constraints` is ignored
  friend bool operator==(const ValidatedBinding&, const ValidatedBinding&) = default;
};

struct Validated {
  std::vector<ValidatedBinding> bindings;
  friend bool operator==(const Validated&, const Validated&) = default;
};

struct Applied {
  std::string action_description;
  std::optional<ConnectorState> state;
  friend bool operator==(const Applied&, const Applied&) = default;
};

struct Opened {
  std::optional<Checkpoint> runtime_checkpoint;
  bool disable_load_optimization = false;
  friend bool operator==(const Opened&, const Opened&) = default;
};

struct Loaded {
  std::uint32_t binding = 0;
  std::string doc_json;
  friend bool operator==(const Loaded&, const Loaded&) = default;
};

struct Flushed {
  std::optional<ConnectorState> state;
  friend bool operator==(const Flushed&, const Flushed&) = default;
};

struct StartedCommit {
  std::optional<ConnectorState> state;
  friend bool operator==(const StartedCommit&, const StartedCommit&) = default;
};

struct Acknowledged {
  std::optional<ConnectorState> state;
  friend bool operator==(const Acknowledged&, const Acknowledged&) = default;
};

using Request =
    std::variant<SpecRequest, Validate, Apply, Open, Load, Flush, Store, StartCommit, Acknowledge>;
using Response = std::variant<Spec, Validated, Applied, Opened, Loaded, Flushed, StartedCommit, Acknowledged>;

}  // namespace materialize

// Wire form (protobuf) of the values that are stored: specs, checkpoints. decode() throws Error{transient} on
// bytes that are not of this message.
std::string encode(const CaptureSpec& spec);
std::string encode(const MaterializationSpec& spec);
std::string encode(const Checkpoint& checkpoint);
CaptureSpec decode_capture_spec(std::string_view bytes);
MaterializationSpec decode_materialization_spec(std::string_view bytes);
Checkpoint decode_checkpoint(std::string_view bytes);
// Present, yet without sources: "start from zero" (flow-protocol §8.4).
Checkpoint zero_checkpoint();
bool is_zero(const Checkpoint& checkpoint);

}  // namespace sluice::protocol
