#include "inspect.hpp"

#include <fmt/format.h>

#include "connectors.hpp"
#include "output.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"
#include "sluice/protocol/codec.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/build.hpp"
#include "sluice/runtime/collection_log.hpp"
#include "sluice/runtime/log_reader.hpp"
#include "state_folder.hpp"

namespace sluice::tools {
namespace {

void require_task(const InspectOptions& options, const runtime::Catalog& catalog) {
  const std::string& name = options.name;
  if (name.empty() || catalog.captures.count(name) || catalog.materializations.count(name)) return;
  throw Error(Error::Kind::config, fmt::format("{} has no task '{}'", options.catalog, options.name));
}

ConnectorOptions connector_options(const InspectOptions& options) {
  ConnectorOptions connectors;
  connectors.folder = options.connectors;
  return connectors;
}

runtime::StateStore open_store(const InspectOptions& options) {
  std::filesystem::path file = StateFolder::database_of(options.state);
  if (!std::filesystem::exists(file))
    throw Error(Error::Kind::config, fmt::format("there is no state in {}", options.state.string()),
                "Name the folder that `sluice run --state` used.");
  return runtime::StateStore(file, runtime::StateStore::Mode::read);
}

}  // namespace

Task<> print_spec(Context& context, InspectOptions options) {
  runtime::Catalog catalog = runtime::load_catalog(options.catalog);
  require_task(options, catalog);
  for (const auto& [name, def] : catalog.captures) {
    if (!options.name.empty() && name != options.name) continue;
    std::unique_ptr<protocol::Capture> connector =
        make_capture(context, def.endpoint, connector_options(options));
    protocol::capture::SpecRequest request;
    request.config_json = "{}";
    protocol::capture::Spec spec = co_await connector->spec(std::move(request));
    print(protocol::to_json(spec));
  }
  for (const auto& [name, def] : catalog.materializations) {
    if (!options.name.empty() && name != options.name) continue;
    std::unique_ptr<protocol::Materialize> connector =
        make_materialize(context, def.endpoint, connector_options(options));
    protocol::materialize::SpecRequest request;
    request.config_json = "{}";
    protocol::materialize::Spec spec = co_await connector->spec(std::move(request));
    print(protocol::to_json(spec));
  }
}

Task<> print_validated(Context& context, InspectOptions options) {
  runtime::Catalog catalog = runtime::load_catalog(options.catalog);
  require_task(options, catalog);
  runtime::BuildContext build;
  build.catalog = &catalog;
  for (const auto& [name, def] : catalog.captures) {
    if (!options.name.empty() && name != options.name) continue;
    std::unique_ptr<protocol::Capture> connector =
        make_capture(context, def.endpoint, connector_options(options));
    protocol::capture::Validate request = runtime::validate_request(build, def, nullptr, "");
    protocol::capture::Validated validated = co_await connector->validate(std::move(request));
    print(protocol::to_json(runtime::build(build, def, validated, nullptr).spec));
  }
  for (const auto& [name, def] : catalog.materializations) {
    if (!options.name.empty() && name != options.name) continue;
    std::unique_ptr<protocol::Materialize> connector =
        make_materialize(context, def.endpoint, connector_options(options));
    protocol::materialize::SpecRequest ask;
    ask.config_json = "{}";
    protocol::materialize::Spec spec = co_await connector->spec(std::move(ask));
    runtime::MaterializationDef bound = def;
    bind_source(catalog, bound, spec);
    protocol::materialize::Validate request = runtime::validate_request(build, bound, nullptr, "");
    protocol::materialize::Validated validated = co_await connector->validate(std::move(request));
    print(protocol::to_json(runtime::build(build, bound, validated, nullptr).spec));
  }
}

Task<> print_documents(Context&, InspectOptions options) {
  runtime::StateStore store = open_store(options);
  std::uint64_t committed = store.log_position(options.name).length;
  std::filesystem::path file = runtime::log_path(StateFolder::collections_of(options.state), options.name);
  if (committed == 0) {
    throw Error(
        Error::Kind::config,
        fmt::format("collection '{}' has no committed documents in {}", options.name, options.state.string()),
        fmt::format("It holds {}.", text::join(store.collections(), ", ")));
  }
  // The acknowledgement of the last transaction lies behind the committed length, if it was written already.
  committed += store.log_position(options.name).acknowledgement.size();
  committed = std::min<std::uint64_t>(committed, std::filesystem::file_size(file));
  runtime::LogReader reader(file, {});
  while (reader.scan(committed) != runtime::LogReader::Scan::none)
    while (auto document = reader.next()) print(*document);
  co_return;
}

Task<> print_state(Context&, InspectOptions options) {
  runtime::StateStore store = open_store(options);
  if (options.name.empty()) {
    for (const std::string& task : store.tasks()) print(task);
    co_return;
  }
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const auto& [key, value] : store.list(options.name, "")) {
    writer.key(key);
    if (key == runtime::keys::connector_state)
      writer.raw(value);
    else
      writer.string(text::hex(value));
  }
  writer.end_object();
  print(out);
}

}  // namespace sluice::tools
