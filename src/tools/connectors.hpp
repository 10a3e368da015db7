#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"
#include "sluice/runtime/catalog.hpp"

namespace sluice::tools {

// How endpoints become connectors.
struct ConnectorOptions {
  std::filesystem::path folder;  // --connector-path: binaries by the last part of an image's name
  std::chrono::seconds grace{20};
  bool stop_when_caught_up = false;
};

// The connector of an endpoint: one that is linked in (source-postgres, materialize-sqlite), else a child
// process for each call. An image is known by the last part of its name without the tag. Throws Error{config}
// if there is none. `context` outlives it.
std::unique_ptr<protocol::Capture> make_capture(Context& context, const runtime::Endpoint& endpoint,
                                                const ConnectorOptions& options);
std::unique_ptr<protocol::Materialize> make_materialize(Context& context, const runtime::Endpoint& endpoint,
                                                        const ConnectorOptions& options);

// Adds the bindings that `source` of a materialization asks for. Throws Error{config} if the catalog has no
// such capture.
void bind_source(const runtime::Catalog& catalog, runtime::MaterializationDef& def,
                 const protocol::materialize::Spec& spec);

}  // namespace sluice::tools
