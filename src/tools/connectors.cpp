#include "connectors.hpp"

#include <fmt/format.h>

#include "materialize_sqlite.hpp"
#include "sluice/base/error.hpp"
#include "sluice/protocol/check.hpp"
#include "sluice/protocol/process.hpp"
#include "sluice/runtime/discover.hpp"
#include "source-postgres/source_postgres.hpp"

namespace sluice::tools {
namespace {

using runtime::Endpoint;

// "ghcr.io/acme/source-postgres:v3" is source-postgres.
std::string image_name(std::string_view image) {
  image = image.substr(image.rfind('/') + 1);
  image = image.substr(0, image.find('@'));
  return std::string(image.substr(0, image.find(':')));
}

protocol::ProcessOptions process(const Context& context, const Endpoint& endpoint,
                                 const ConnectorOptions& options) {
  protocol::ProcessOptions child;
  child.log = context.log;
  child.log_level = context.log.level();
  child.codec = endpoint.protobuf ? protocol::Codec::proto : protocol::Codec::json;
  child.command = endpoint.command;
  for (const auto& [name, value] : endpoint.env) child.environment[name] = value;
  if (endpoint.kind == Endpoint::Kind::image) {
    std::string name = image_name(endpoint.image);
    if (options.folder.empty())
      throw Error(Error::Kind::config,
                  fmt::format("there is no connector for image '{}' in this binary", endpoint.image),
                  "Give the folder of its binary with --connector-path, or use a local endpoint.");
    child.command = {(options.folder / name).string()};
    child.codec = protocol::Codec::proto;
  }
  if (options.stop_when_caught_up) child.environment["SHUTDOWN_AFTER_POLLING"] = "yes";
  child.end_grace = options.grace;
  return child;
}

bool linked_in(const Endpoint& endpoint, std::string_view name) {
  return endpoint.kind == Endpoint::Kind::image && image_name(endpoint.image) == name;
}

}  // namespace

std::unique_ptr<protocol::Capture> make_capture(Context& context, const Endpoint& endpoint,
                                                const ConnectorOptions& options) {
  if (linked_in(endpoint, "source-postgres"))
    return protocol::checked(context, source_postgres::make_source_postgres(context));
  return protocol::checked(context, protocol::process_capture(context, process(context, endpoint, options)));
}

std::unique_ptr<protocol::Materialize> make_materialize(Context& context, const Endpoint& endpoint,
                                                        const ConnectorOptions& options) {
  if (linked_in(endpoint, "materialize-sqlite"))
    return protocol::checked(context, make_materialize_sqlite(context));
  return protocol::checked(context,
                           protocol::process_materialize(context, process(context, endpoint, options)));
}

void bind_source(const runtime::Catalog& catalog, runtime::MaterializationDef& def,
                 const protocol::materialize::Spec& spec) {
  if (!def.source) return;
  auto capture = catalog.captures.find(def.source->capture);
  if (capture == catalog.captures.end())
    throw Error(Error::Kind::config,
                fmt::format("{}: the source capture '{}' of '{}' is not in the catalog", def.place.text(),
                            def.source->capture, def.name),
                "Correct the name, or import the file that defines it.");
  runtime::bind_source(def, capture->second, spec.resource_config_schema_json);
}

}  // namespace sluice::tools
