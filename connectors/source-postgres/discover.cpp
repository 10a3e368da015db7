#include "source-postgres/discover.hpp"

#include <algorithm>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/cdc/resource.hpp"
#include "sluice/json/write.hpp"
#include "source-postgres/prerequisites.hpp"

namespace sluice::source_postgres {
namespace {

// Steps 2 to 6 of capture-postgres §2.2, as far as names alone decide; whether it is published is another
// question.
bool wanted(const Settings& settings, const cdc::TableName& name) {
  const auto& excluded = settings.config.filters.exclude_schemas;
  if (std::find(excluded.begin(), excluded.end(), name.schema) != excluded.end()) return false;
  if (!settings.patterns.empty() && std::none_of(settings.patterns.begin(), settings.patterns.end(),
                                                 [&](const cdc::TablePattern& p) { return p.matches(name); }))
    return false;
  if (name == settings.watermarks) return false;
  return name.table != "flow_materializations_v2" && name.table != "flow_checkpoints_v1";
}

protocol::capture::DiscoveredBinding binding(const Settings& settings, const pg::TypeCatalog& types,
                                             const Table& table, std::string recommended) {
  protocol::capture::DiscoveredBinding out;
  out.recommended_name = std::move(recommended);
  bool keyless = table.key_source == KeySource::none;
  json::Writer w(out.resource_config_json);
  w.begin_object().key("namespace").string(table.name.schema).key("stream").string(table.name.table);
  if (keyless) w.key("mode").string(cdc::name(cdc::BackfillMode::without_key));
  w.end_object();
  std::set<std::string> key(table.key.begin(), table.key.end());
  out.document_schema_json = cdc::write_schema(
      table_schema(table, types, key, settings.features.values, false), schema_options(settings));
  if (keyless)
    out.key = fallback_key();
  else
    for (const std::string& column : table.key) out.key.push_back(cdc::column_pointer(column));
  out.resource_path = {table.name.schema, table.name.table};
  out.is_fallback_key = table.key_source != KeySource::primary_key;
  return out;
}

// Nothing else says so before their rows are missed.
Task<> warn_of_roots_left_out(const Log& log, pg::Connection& db, const Settings& settings,
                              const Publication& publication) {
  if (publication.via_root || settings.config.advanced.as_partitions || settings.discovers_unpublished())
    co_return;
  std::vector<cdc::TableName> roots =
      co_await list_roots_published_by_leaf(db, settings.config.advanced.publication);
  std::vector<std::string> schemas = settings.included_schemas(), names;
  for (const cdc::TableName& root : roots) {
    bool included =
        schemas.empty() || std::find(schemas.begin(), schemas.end(), root.schema) != schemas.end();
    if (included && wanted(settings, root)) names.push_back(root.text());
  }
  if (names.empty()) co_return;
  log.warn(
      "partitioned tables are published under the names of their partitions and left out",
      kv("tables", text::join(names, ", ")),
      kv("remedy", "run ALTER PUBLICATION " + pg::quote_identifier(settings.config.advanced.publication) +
                       " SET (publish_via_partition_root = true), or set "
                       "/advanced/capture_as_partitions to capture the partitions"));
}

}  // namespace

Task<std::unique_ptr<pg::Connection>> connect(Context& context, const Settings& settings) {
  pg::ConnectOptions options = settings.connect_options();
  options.settings["max_parallel_workers_per_gather"] = "0";
  options.settings["statement_timeout"] = std::to_string(settings.statement_timeout.count());
  co_return co_await pg::Connection::connect(context, std::move(options));
}

Task<protocol::capture::Discovered> discover(Context& context, const Settings& settings) {
  std::unique_ptr<pg::Connection> db = co_await connect(context, settings);
  Publication publication = co_await load_publication(*db, settings.config.advanced.publication);
  std::vector<cdc::TableName> names =
      co_await list_tables(*db, settings.config.advanced.as_partitions, settings.included_schemas());
  std::erase_if(names, [&](const cdc::TableName& name) {
    bool published = settings.discovers_unpublished() || publication.tables.contains(name);
    return !published || !wanted(settings, name);
  });
  if (!settings.features.skip_prerequisites) co_await warn_of_server(*db, settings, context.log);
  co_await warn_of_roots_left_out(context.log, *db, settings, publication);
  std::vector<Table> tables = co_await load_tables(*db, publication, names);
  // A table with this column is the destination of a materialization.
  std::erase_if(tables, [](const Table& table) { return table.find("flow_published_at") != nullptr; });
  pg::TypeCatalog types = co_await pg::TypeCatalog::load(*db);
  names.clear();
  for (const Table& table : tables) names.push_back(table.name);
  std::vector<std::string> recommended = cdc::recommended_names(names);
  protocol::capture::Discovered discovered;
  for (std::size_t i = 0; i < tables.size(); ++i)
    discovered.bindings.push_back(binding(settings, types, tables[i], std::move(recommended[i])));
  std::sort(discovered.bindings.begin(), discovered.bindings.end(),
            [](const auto& a, const auto& b) { return a.recommended_name < b.recommended_name; });
  if (discovered.bindings.empty())
    context.log.warn(
        "no tables were discovered", kv("publication", settings.config.advanced.publication),
        kv("publication_exists", publication.exists),
        kv("discover_unpublished_tables", settings.discovers_unpublished()),
        kv("remedy", publication.exists
                         ? "add tables to the publication, let the role see them, or widen the filters"
                         : "create the publication, or correct its name in the configuration"));
  co_return discovered;
}

}  // namespace sluice::source_postgres
