#pragma once
#include <concepts>
#include <type_traits>

#include "sluice/protocol/messages.hpp"

// The tag of every member: all that the codecs know of a message besides its descriptor.
namespace sluice::protocol {

template <class Self, class Message>
concept Of = std::same_as<std::remove_const_t<Self>, Message>;

template <Of<Label> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.name);
  visit(2, self.value);
  visit(3, self.prefix);
}

template <Of<LabelSet> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.labels);
}

template <Of<LabelSelector> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.include);
  visit(2, self.exclude);
}

template <Of<Duration> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.seconds);
  visit(2, self.nanos);
}

template <Of<Timestamp> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.seconds);
  visit(2, self.nanos);
}

template <Of<JournalFragment> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.length);
  visit(2, self.compression_codec);
  visit(3, self.stores);
  visit(4, self.refresh_interval);
  visit(5, self.retention);
  visit(6, self.flush_interval);
  visit(7, self.path_postfix_template);
}

template <Of<JournalSuspend> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.level);
  visit(2, self.offset);
}

template <Of<JournalSpec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.name);
  visit(2, self.replication);
  visit(3, self.labels);
  visit(4, self.fragment);
  visit(6, self.flags);
  visit(7, self.max_append_rate);
  visit(8, self.suspend);
}

template <Of<ShardSource> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.journal);
  visit(3, self.min_offset);
}

template <Of<ShardSpec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.id);
  visit(2, self.sources);
  visit(3, self.recovery_log_prefix);
  visit(4, self.hint_prefix);
  visit(5, self.hint_backups);
  visit(6, self.max_txn_duration);
  visit(7, self.min_txn_duration);
  visit(8, self.disable);
  visit(9, self.hot_standbys);
  visit(10, self.labels);
  visit(11, self.disable_wait_for_ack);
  visit(12, self.ring_buffer_size);
  visit(13, self.read_channel_size);
}

template <Of<ProducerState> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.last_ack);
  visit(2, self.begin);
}

template <Of<ProducerEntry> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.id);
  visit(2, self.state);
}

template <Of<CheckpointSource> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.read_through);
  visit(2, self.producers);
}

template <Of<Checkpoint> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.sources);
  visit(2, self.ack_intents);
}

template <Of<InferenceString> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(3, self.content_type);
  visit(4, self.format);
  visit(6, self.max_length);
  visit(7, self.content_encoding);
  visit(8, self.str_minimum);
  visit(9, self.str_maximum);
}

template <Of<InferenceNumeric> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.has_minimum);
  visit(2, self.minimum);
  visit(3, self.has_maximum);
  visit(4, self.maximum);
}

template <Of<InferenceArray> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.min_items);
  visit(2, self.has_max_items);
  visit(3, self.max_items);
  visit(4, self.item_types);
}

template <Of<Inference> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.types);
  visit(3, self.string);
  visit(4, self.title);
  visit(5, self.description);
  visit(6, self.default_json);
  visit(7, self.secret);
  visit(8, self.exists);
  visit(9, self.numeric);
  visit(10, self.array);
  visit(11, self.enum_json_vec);
  visit(12, self.reduce);
  visit(13, self.redact);
  visit(14, self.content_media_type);
}

template <Of<Projection> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.ptr);
  visit(2, self.field);
  visit(3, self.is_explicit);
  visit(4, self.is_partition_key);
  visit(5, self.is_primary_key);
  visit(6, self.inference);
}

template <Of<CollectionSpec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.name);
  visit(3, self.key);
  visit(4, self.uuid_ptr);
  visit(5, self.partition_fields);
  visit(6, self.projections);
  visit(7, self.ack_template_json);
  visit(8, self.write_schema_json);
  visit(9, self.partition_template);
  visit(11, self.read_schema_json);
}

template <Of<FieldSelection> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.keys);
  visit(2, self.values);
  visit(3, self.document);
  visit(4, self.field_config_json_map);
}

template <Of<NetworkPort> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.number);
  visit(2, self.protocol);
  visit(3, self.is_public);
}

template <Of<RangeSpec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(2, self.key_begin);
  visit(3, self.key_end);
  visit(4, self.r_clock_begin);
  visit(5, self.r_clock_end);
}

template <Of<ConnectorState> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.updated_json);
  visit(2, self.merge_patch);
}

template <Of<SerPolicy> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.str_truncate_after);
  visit(2, self.nested_obj_truncate_after);
  visit(3, self.array_truncate_after);
}

template <Of<OAuth2> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.provider);
  visit(2, self.auth_url_template);
  visit(3, self.access_token_url_template);
  visit(4, self.access_token_body);
  visit(5, self.access_token_headers_json_map);
  visit(6, self.access_token_response_json_map);
  visit(7, self.refresh_token_url_template);
  visit(8, self.refresh_token_body);
  visit(9, self.refresh_token_headers_json_map);
  visit(10, self.refresh_token_response_json_map);
  visit(11, self.access_token_method);
  visit(12, self.refresh_token_method);
}

template <Of<CaptureBinding> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.resource_config_json);
  visit(2, self.resource_path);
  visit(3, self.collection);
  visit(4, self.backfill);
  visit(5, self.state_key);
}

template <Of<CaptureSpec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.name);
  visit(2, self.connector_type);
  visit(3, self.config_json);
  visit(4, self.bindings);
  visit(5, self.interval_seconds);
  visit(6, self.shard_template);
  visit(7, self.recovery_log_template);
  visit(8, self.network_ports);
  visit(9, self.inactive_bindings);
  visit(10, self.redact_salt);
}

template <Of<DeprecatedShuffle> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.group_name);
  visit(3, self.partition_selector);
}

template <Of<MaterializationBinding> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.resource_config_json);
  visit(2, self.resource_path);
  visit(3, self.collection);
  visit(4, self.field_selection);
  visit(5, self.delta_updates);
  visit(6, self.deprecated_shuffle);
  visit(7, self.partition_selector);
  visit(8, self.journal_read_suffix);
  visit(9, self.priority);
  visit(10, self.not_before);
  visit(11, self.not_after);
  visit(12, self.backfill);
  visit(13, self.state_key);
  visit(14, self.ser_policy);
}

template <Of<MaterializationSpec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.name);
  visit(2, self.connector_type);
  visit(3, self.config_json);
  visit(4, self.bindings);
  visit(5, self.shard_template);
  visit(6, self.recovery_log_template);
  visit(7, self.network_ports);
  visit(9, self.inactive_bindings);
  visit(10, self.triggers_json);
}

template <Of<capture::SpecRequest> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.connector_type);
  visit(2, self.config_json);
}

template <Of<capture::Discover> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.connector_type);
  visit(2, self.config_json);
  visit(3, self.name);
}

template <Of<capture::ValidateBinding> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.resource_config_json);
  visit(2, self.collection);
  visit(3, self.backfill);
}

template <Of<capture::Validate> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.name);
  visit(2, self.connector_type);
  visit(3, self.config_json);
  visit(4, self.bindings);
  visit(5, self.last_capture);
  visit(6, self.last_version);
}

template <Of<capture::Apply> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.capture);
  visit(2, self.version);
  visit(4, self.last_capture);
  visit(5, self.last_version);
  visit(6, self.state_json);
}

template <Of<capture::Open> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.capture);
  visit(2, self.version);
  visit(3, self.range);
  visit(4, self.state_json);
}

template <Of<capture::Acknowledge> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.checkpoints);
}

template <Of<capture::Spec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.protocol);
  visit(2, self.config_schema_json);
  visit(3, self.resource_config_schema_json);
  visit(4, self.documentation_url);
  visit(5, self.oauth2);
  visit(6, self.resource_path_pointers);
}

template <Of<capture::DiscoveredBinding> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.recommended_name);
  visit(2, self.resource_config_json);
  visit(3, self.document_schema_json);
  visit(4, self.key);
  visit(5, self.disable);
  visit(6, self.resource_path);
  visit(7, self.is_fallback_key);
}

template <Of<capture::Discovered> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.bindings);
}

template <Of<capture::ValidatedBinding> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.resource_path);
}

template <Of<capture::Validated> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.bindings);
}

template <Of<capture::Applied> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.action_description);
  visit(2, self.state);
}

template <Of<capture::Opened> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.explicit_acknowledgements);
}

template <Of<capture::Captured> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.binding);
  visit(2, self.doc_json);
}

template <Of<capture::CheckpointMessage> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.state);
}

template <Of<capture::SourcedSchema> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.binding);
  visit(2, self.schema_json);
}

template <Of<materialize::SpecRequest> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.connector_type);
  visit(2, self.config_json);
}

template <Of<materialize::ValidateBinding> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.resource_config_json);
  visit(2, self.collection);
  visit(3, self.field_config_json_map);
  visit(4, self.backfill);
  visit(5, self.group_by);
}

template <Of<materialize::Validate> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.name);
  visit(2, self.connector_type);
  visit(3, self.config_json);
  visit(4, self.bindings);
  visit(5, self.last_materialization);
  visit(6, self.last_version);
}

template <Of<materialize::Apply> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.materialization);
  visit(2, self.version);
  visit(4, self.last_materialization);
  visit(5, self.last_version);
  visit(6, self.state_json);
}

template <Of<materialize::Open> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.materialization);
  visit(2, self.version);
  visit(3, self.range);
  visit(4, self.state_json);
}

template <Of<materialize::Load> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.binding);
  visit(2, self.key_json);
  visit(3, self.key_packed);
}

template <Of<materialize::Flush> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.state_patches_json);
}

template <Of<materialize::Store> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.binding);
  visit(2, self.key_json);
  visit(3, self.key_packed);
  visit(4, self.values_json);
  visit(5, self.values_packed);
  visit(6, self.doc_json);
  visit(7, self.exists);
  visit(8, self.is_delete);
}

template <Of<materialize::StartCommit> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.runtime_checkpoint);
  visit(2, self.state_patches_json);
}

template <Of<materialize::Acknowledge> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.state_patches_json);
}

template <Of<materialize::Spec> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.protocol);
  visit(2, self.config_schema_json);
  visit(3, self.resource_config_schema_json);
  visit(4, self.documentation_url);
  visit(5, self.oauth2);
}

template <Of<materialize::Constraint> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(2, self.type);
  visit(3, self.reason);
  visit(4, self.folded_field);
}

template <Of<materialize::ProjectionConstraint> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.field);
  visit(2, self.constraint);
}

template <Of<materialize::ValidatedBinding> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.constraints);
  visit(2, self.resource_path);
  visit(3, self.delta_updates);
  visit(4, self.ser_policy);
  visit(5, self.case_insensitive_fields);
  visit(6, self.projection_constraints);
}

template <Of<materialize::Validated> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.bindings);
}

template <Of<materialize::Applied> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.action_description);
  visit(2, self.state);
}

template <Of<materialize::Opened> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.runtime_checkpoint);
  visit(2, self.disable_load_optimization);
}

template <Of<materialize::Loaded> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.binding);
  visit(2, self.doc_json);
}

template <Of<materialize::Flushed> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.state);
}

template <Of<materialize::StartedCommit> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.state);
}

template <Of<materialize::Acknowledged> Self, class Visit>
void fields(Self& self, Visit&& visit) {
  visit(1, self.state);
}

}  // namespace sluice::protocol
