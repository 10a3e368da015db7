#include "inspect.hpp"

#include <fmt/format.h>

#include "connectors.hpp"
#include "decrypt.hpp"
#include "output.hpp"
#include "prepare.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"
#include "sluice/protocol/codec.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/collection_log.hpp"
#include "sluice/runtime/log_reader.hpp"
#include "state_folder.hpp"
#include "task_names.hpp"

namespace sluice::tools {
namespace {

void require_named(const InspectOptions& options, const runtime::Catalog& catalog) {
  if (!options.name.empty()) require_task(options.catalog, task_names(catalog), options.name);
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

// Specs as JSON, but for what may hold passwords.
std::string without_secrets(protocol::CaptureSpec spec) {
  spec.config_json.clear();
  spec.redact_salt.clear();
  return protocol::to_json(spec);
}
std::string without_secrets(protocol::MaterializationSpec spec) {
  spec.config_json.clear();
  spec.triggers_json.clear();
  return protocol::to_json(spec);
}

// A stored spec, of whichever kind the task is.
std::string spec_json(std::string_view bytes) {
  auto is = [](const auto& spec, std::string_view kind) {
    return spec.shard_template && spec.shard_template->id.starts_with(kind);
  };
  try {
    protocol::CaptureSpec spec = protocol::decode_capture_spec(bytes);
    if (is(spec, "capture/")) return without_secrets(std::move(spec));
  } catch (const Error&) {
    // That of a materialization may be no valid one of a capture.
  }
  return without_secrets(protocol::decode_materialization_spec(bytes));
}

// What is stored under a key, as JSON.
std::string stored_json(std::string_view key, const std::string& value) {
  namespace keys = runtime::keys;
  if (key == keys::connector_state || key.starts_with(keys::inferred)) return value;
  if (key == keys::last_applied || key == keys::applying) return spec_json(value);
  if (key == keys::checkpoint || key == keys::hinted_checkpoint)
    return protocol::to_json(protocol::decode_checkpoint(value));
  bool is_text = key == keys::last_version || key.starts_with(backfill_raised_prefix);
  std::string out;
  json::write_string(out, is_text ? value : text::hex(value));
  return out;
}

}  // namespace

Task<> print_spec(Context& context, InspectOptions options) {
  runtime::Catalog catalog = runtime::load_catalog(options.catalog, load_options(options.decrypt));
  require_named(options, catalog);
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

namespace {

Task<> print_valid(Context& context, const InspectOptions& options, const runtime::Catalog& catalog,
                   const runtime::CaptureDef& def, runtime::StateStore* store) {
  std::unique_ptr<protocol::Capture> connector =
      make_capture(context, def.endpoint, connector_options(options));
  runtime::BuiltCapture built = co_await prepare(catalog, def, *connector, store, Purpose::check);
  context.log.info("valid", kv("capture", def.name), kv("bindings", built.spec.bindings.size()));
  print(without_secrets(std::move(built.spec)));
}

Task<> print_valid(Context& context, const InspectOptions& options, const runtime::Catalog& catalog,
                   const runtime::MaterializationDef& def, runtime::StateStore* store) {
  std::unique_ptr<protocol::Materialize> connector =
      make_materialize(context, def.endpoint, connector_options(options));
  runtime::BuiltMaterialization built =
      co_await prepare(context, catalog, def, *connector, store, Purpose::check);
  context.log.info("valid", kv("materialization", def.name), kv("bindings", built.spec.bindings.size()));
  print(without_secrets(std::move(built.spec)));
}

// Says of which task an error is.
Task<> named(const std::string& task, Task<> work) {
  try {
    co_await std::move(work);
  } catch (Error& e) {
    e.add(task);
    throw;
  }
}

}  // namespace

Task<> print_validated(Context& context, InspectOptions options) {
  runtime::Catalog catalog = runtime::load_catalog(options.catalog, load_options(options.decrypt));
  require_named(options, catalog);
  // What ran before counts, if anything did.
  std::optional<runtime::StateStore> state;
  if (std::filesystem::exists(StateFolder::database_of(options.state))) state.emplace(open_store(options));
  runtime::StateStore* store = state ? &*state : nullptr;
  for (const auto& [name, def] : catalog.captures)
    if (options.name.empty() || name == options.name)
      co_await named(name, print_valid(context, options, catalog, def, store));
  for (const auto& [name, def] : catalog.materializations)
    if (options.name.empty() || name == options.name)
      co_await named(name, print_valid(context, options, catalog, def, store));
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
  require_task(options.state.string(), store.tasks(), options.name);
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const auto& [key, value] : store.list(options.name, "")) writer.key(key).raw(stored_json(key, value));
  writer.end_object();
  print(out);
}

}  // namespace sluice::tools
