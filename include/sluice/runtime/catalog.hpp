#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/protocol/messages.hpp"

// Catalog files (runtime.md §2) as plain values. What they refer to — configs, resources, schemas in files of
// their own — is filled in.
namespace sluice::runtime {

// Where something was written, for messages.
struct Place {
  std::string file;
  int line = 0;
  // "file:line", or as much of it as is known.
  std::string text() const;
};

struct Endpoint {
  enum class Kind { image, local };
  Kind kind = Kind::local;
  std::string image;                 // of kind image
  std::vector<std::string> command;  // of kind local, this and what follows
  std::map<std::string, std::string> env;
  bool protobuf = false;
  std::string config_json;  // as the connector gets it; decrypted
  std::string sealed_json;  // of an encrypted config, as it was written

  // What built specs hold (flow-protocol §9.3); an encrypted config stays so.
  std::string wrapper_json() const;
};

struct ShardTemplate {
  bool disable = false;
  std::chrono::nanoseconds min_txn_duration{0};
  std::chrono::nanoseconds max_txn_duration{0};
  std::uint32_t hot_standbys = 0;
  std::uint32_t ring_buffer_size = 65536;
  std::uint32_t read_channel_size = 4096;
  std::string log_level;  // empty: as that of the process
};

struct CaptureBindingDef {
  std::string resource_json;
  std::string target;
  bool disable = false;
  std::uint32_t backfill = 0;
  Place place;
};
struct AutoDiscover {
  bool add_new_bindings = false;
  bool evolve_incompatible_collections = false;
};
struct CaptureDef {
  std::string name;
  Endpoint endpoint;
  std::vector<CaptureBindingDef> bindings;
  std::chrono::seconds interval{300};
  std::optional<AutoDiscover> auto_discover;
  std::string redact_salt;  // bytes; empty: to be generated
  ShardTemplate shards;
  Place place;
};

struct ProjectionDef {
  std::string field;
  std::string pointer;
  bool partition = false;
  Place place;
};
struct CollectionDef {
  std::string name;
  // JSON schemas with everything they refer to in other files bundled in. The read schema is empty if the
  // write schema serves both purposes.
  std::string write_schema_json;
  std::string read_schema_json;
  std::vector<std::string> key;
  std::vector<ProjectionDef> projections;
  Place place;
};

enum class OnIncompatible { backfill, disable_binding, disable_task, abort };

// `recommended` in terms of depth: how far below the root fields are wanted.
struct Depth {
  static constexpr std::uint32_t unlimited = UINT32_MAX;
  std::uint32_t levels = unlimited;
  friend bool operator==(const Depth&, const Depth&) = default;
};
struct FieldsDef {
  std::vector<std::string> group_by;
  std::map<std::string, std::string> require;  // to the field's driver options as JSON
  std::vector<std::string> exclude;
  Depth recommended;
};

// Values of partition fields, as JSON.
using PartitionValues = std::map<std::string, std::vector<std::string>>;

struct MaterializationBindingDef {
  std::string source;  // a collection
  PartitionValues include, exclude;
  std::optional<protocol::Timestamp> not_before, not_after;
  std::string resource_json;
  bool disable = false;
  std::uint32_t backfill = 0;
  std::uint32_t priority = 0;
  FieldsDef fields;
  std::optional<OnIncompatible> on_incompatible;
  Place place;
};

enum class TargetNaming { prefix_non_default_schema, no_schema, with_schema, prefix_schema };
// A capture all of whose collections are to be materialized.
struct SourceDef {
  std::string capture;
  TargetNaming naming = TargetNaming::prefix_non_default_schema;
  bool delta_updates = false;
  Depth recommended;
  Place place;
};
struct MaterializationDef {
  std::string name;
  Endpoint endpoint;
  std::vector<MaterializationBindingDef> bindings;
  std::optional<SourceDef> source;
  OnIncompatible on_incompatible = OnIncompatible::backfill;
  ShardTemplate shards;
  std::string triggers_json;
  Place place;
};

struct CatalogFile;

struct Catalog {
  std::map<std::string, CaptureDef> captures;
  std::map<std::string, CollectionDef> collections;
  std::map<std::string, MaterializationDef> materializations;
  std::vector<std::string> warnings;  // what was ignored
  // As written, the root first; what discover() edits.
  std::vector<std::shared_ptr<const CatalogFile>> files;
};

struct LoadOptions {
  // The content of a file; unset reads the file system. Throws Error{config} if there is none.
  std::function<std::string(const std::string& path)> read;
  // Decrypts the text of a config that sops has encrypted, `path` names its file. Unset: such a config is an
  // error.
  std::function<std::string(std::string_view text, const std::string& path)> decrypt;
};

// Throws Error{config} unless it may be the name of a task or a collection.
void check_name(const std::string& name);

// Reads `path`, all it imports and all they refer to, and checks what does not take a connector: names,
// references between tasks and collections, schemas and keys. Throws Error{config} with file and line.
Catalog load_catalog(const std::string& path, const LoadOptions& options = {});

// Everything in one value without references to files; what was encrypted still is.
std::string bundle_json(const Catalog& catalog);
// The JSON schema of catalog files.
std::string catalog_json_schema();

// "5m", "1h 30m", "250ms" (humantime); nothing if it is no duration.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
// As parse_duration() reads it: "1h 30m".
std::string duration_text(std::chrono::nanoseconds duration);
// RFC 3339 with any offset; nothing if it is none.
std::optional<protocol::Timestamp> parse_timestamp(std::string_view text);

}  // namespace sluice::runtime
