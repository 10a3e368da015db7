#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/catalog.hpp"

// What a connector discovered as a catalog (runtime.md §5.3).
namespace sluice::runtime {

// A materialization of all that is captured: one binding for each enabled collection, to a table named after
// it.
struct DiscoverSink {
  std::string materialization;
  Endpoint endpoint;
};
struct DiscoverInput {
  std::string capture;
  Endpoint endpoint;
  protocol::capture::Discovered discovered;
  std::optional<DiscoverSink> sink;
  // What to merge into; a task it has keeps its endpoint and the bindings that still exist.
  std::optional<Catalog> existing;
  // Not asked for by a person: new bindings are left out unless the capture's autoDiscover adds them.
  bool automatic = false;
};

// A whole catalog in one YAML text that load_catalog() takes as it is; configs and schemas are inline. Throws
// Error{config} if a collection would change its key, and its capture does not let collections evolve.
std::string discover_yaml(const DiscoverInput& input);

// The table of a collection `…/schema/table`.
struct TargetName {
  std::string schema;  // empty: the endpoint's default
  std::string table;
};
TargetName target_name(std::string_view collection, TargetNaming naming);

// Adds the bindings that `task.source` asks for: one to each collection of the capture that has none yet.
// `resource_schema` is that of the materialization's Spec; its annotations x-collection-name, x-schema-name
// and x-delta-updates tell where the names go. Throws Error{config} if it has no x-collection-name.
void bind_source(MaterializationDef& task, const CaptureDef& capture, std::string_view resource_schema);

}  // namespace sluice::runtime
