#include "discover.hpp"

#include <fmt/format.h>

#include <fstream>

#include "connectors.hpp"
#include "decrypt.hpp"
#include "output.hpp"
#include "sluice/base/error.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/discover.hpp"

namespace sluice::tools {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error(Error::Kind::config, "cannot read the configuration",
                "Give the path of a JSON file with --config.");
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

// The endpoint's configuration, as JSON; YAML files are for catalogs.
std::string read_config(const std::string& path) {
  try {
    return json::canonical(read_file(path));
  } catch (Error& e) {
    e.add(path);
    throw;
  }
}

runtime::Endpoint endpoint(const std::string& connector, std::string config_json,
                           const DiscoverOptions& options) {
  runtime::Endpoint endpoint;
  endpoint.config_json = std::move(config_json);
  if (options.local.empty()) {
    endpoint.kind = runtime::Endpoint::Kind::image;
    endpoint.image = connector;
    return endpoint;
  }
  endpoint.kind = runtime::Endpoint::Kind::local;
  std::filesystem::path binary = std::filesystem::absolute(options.local) / connector / connector;
  endpoint.command = {binary.string()};
  endpoint.protobuf = options.codec == "proto";
  return endpoint;
}

std::string sqlite_config(const std::string& path) {
  std::string out;
  json::Writer(out)
      .begin_object()
      .key("path")
      .string(std::filesystem::absolute(path).string())
      .key("hardDelete")
      .boolean(true)
      .end_object();
  return out;
}

}  // namespace

void add_options(CLI::App& command, DiscoverOptions& options) {
  command.add_option("catalog,--source", options.catalog,
                     "Catalog whose capture is looked at again and updated");
  command.add_option("--connector", options.connector,
                     "Without a catalog: the connector, such as source-postgres");
  command.add_option("--config", options.config, "and its configuration, a JSON file");
  command.add_option("--name", options.name, "Name of the capture; collections get its first parts")
      ->capture_default_str();
  command.add_option("--sqlite", options.sqlite, "Also materialize every collection into this SQLite file");
  command.add_option("--output", options.output, "Write here instead of standard output");
  command.add_option("--local", options.local, "Run connectors of this folder as child processes");
  command.add_option("--codec", options.codec, "Of child processes: proto or json")
      ->check(CLI::IsMember({"proto", "json"}))
      ->capture_default_str();
  command.add_option("--connector-path", options.connectors, "Folder of connector binaries, by image name");
  command.callback([&options] {
    if (!options.catalog.empty() || (!options.connector.empty() && !options.config.empty())) return;
    throw CLI::ParseError(
        "nothing to discover from: name a catalog, or a connector with --connector and its "
        "configuration with --config",
        CLI::ExitCodes::RequiredError);
  });
}

Task<> discover(Context& context, DiscoverOptions options) {
  runtime::check_name(options.name);
  runtime::DiscoverInput input;
  input.capture = options.name;
  if (!options.catalog.empty()) {
    input.existing = runtime::load_catalog(options.catalog, load_options(options.decrypt));
    auto found = input.existing->captures.find(options.name);
    if (found == input.existing->captures.end() && input.existing->captures.size() == 1)
      found = input.existing->captures.begin();
    if (found == input.existing->captures.end())
      throw Error(Error::Kind::config, fmt::format("{} has no capture '{}'", options.catalog, options.name),
                  "Name one of its captures with --name.");
    input.capture = found->first;
    input.endpoint = found->second.endpoint;
  } else {
    input.endpoint = endpoint(options.connector, read_config(options.config), options);
  }
  ConnectorOptions connectors;
  connectors.folder = options.connectors;
  std::unique_ptr<protocol::Capture> connector = make_capture(context, input.endpoint, connectors);
  protocol::capture::Discover request;
  request.connector_type = input.endpoint.kind == runtime::Endpoint::Kind::image
                               ? protocol::CaptureType::image
                               : protocol::CaptureType::local;
  request.config_json = input.endpoint.config_json;
  request.name = input.capture;
  input.discovered = co_await connector->discover(std::move(request));
  // Written all the same, it would take the place of a catalog that has bindings.
  if (input.discovered.bindings.empty())
    throw Error(Error::Kind::config, "nothing to capture was discovered, so no catalog is written",
                "Make sure that there is something, that the configured user may see it, and that the "
                "configuration does not limit what is looked at; warnings above may say more.");
  if (!options.sqlite.empty()) {
    runtime::DiscoverSink sink;
    sink.materialization = input.capture.substr(0, input.capture.rfind('/')) + "/sqlite";
    sink.endpoint = endpoint("materialize-sqlite", sqlite_config(options.sqlite), options);
    input.sink = std::move(sink);
  }
  std::string catalog = runtime::discover_yaml(input);
  if (options.output.empty())
    write_output(catalog);
  else
    write_private_file(options.output, catalog);
  context.log.info("discovered", kv("bindings", input.discovered.bindings.size()),
                   kv("catalog", options.output.empty() ? std::string("standard output") : options.output));
}

}  // namespace sluice::tools
