#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/catalog.hpp"
#include "sluice/runtime/collection.hpp"

// From catalog definitions and what connectors answered to the specs that tasks run (runtime.md §5). Pure
// functions: whoever calls them talks to connectors.
namespace sluice::runtime {

// Names the state of a binding: its resource path, percent-encoded, and the backfill counter (§5.1).
std::string state_key(const std::vector<std::string>& resource_path, std::uint32_t backfill);
// 16 hex digits of a SHA-256 of the encoded spec: equal specs have equal versions.
std::string spec_version(std::string_view encoded_spec);

// What a spec is built against.
struct BuildContext {
  const Catalog* catalog = nullptr;
  const InferredSchemas* inferred = nullptr;  // may be null
  MissingInference missing = MissingInference::write_schema;
};

struct BuiltCapture {
  protocol::CaptureSpec spec;
  std::string version;
};
// The request for the active bindings of a capture; `last` is the spec applied last, or null.
protocol::capture::Validate validate_request(const BuildContext& context, const CaptureDef& def,
                                             const protocol::CaptureSpec* last, std::string last_version);
// Throws Error{config} if the response does not fit the request (flow-protocol §6.2).
BuiltCapture build(const BuildContext& context, const CaptureDef& def,
                   const protocol::capture::Validated& validated, const protocol::CaptureSpec* last);

struct BuiltMaterialization {
  protocol::MaterializationSpec spec;
  std::string version;
  // Bindings of the definition whose live tables the new selection does not fit, by what is to be done: their
  // counter is to be raised, or they are to be disabled, and then everything is validated again (§6.4).
  std::vector<std::size_t> to_backfill, to_disable;
};
protocol::materialize::Validate validate_request(const BuildContext& context, const MaterializationDef& def,
                                                 const protocol::MaterializationSpec* last,
                                                 std::string last_version);
// Throws Error{config} on a response that does not fit, and on conflicts of field selection.
BuiltMaterialization build(const BuildContext& context, const MaterializationDef& def,
                           const protocol::materialize::Validated& validated,
                           const protocol::MaterializationSpec* last);

}  // namespace sluice::runtime
