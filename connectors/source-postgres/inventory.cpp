#include "source-postgres/inventory.hpp"

#include <algorithm>
#include <functional>

#include "sluice/base/error.hpp"
#include "source-postgres/discover.hpp"

namespace sluice::source_postgres {
namespace {

constexpr auto long_idle = std::chrono::seconds(30);

void add_column(std::string& out, const std::string& name, pg::Oid type, std::int32_t typmod) {
  if (!out.empty()) out += ',';
  out += name + ":" + std::to_string(type) + ":" + std::to_string(typmod);
}

}  // namespace

const char* const shape_sql =
    "(SELECT string_agg(a.attname || ':' || a.atttypid || ':' || a.atttypmod, ',' ORDER BY a.attnum) "
    "FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)";

std::string shape(const Table& table) {
  std::string out;
  for (const Column& column : table.columns) add_column(out, column.name, column.type, column.typmod);
  return out;
}

std::string replicated_shape(const Table& table) {
  std::string out;
  for (const Column& column : table.columns)
    if (column.captured()) add_column(out, column.name, column.type, column.typmod);
  return out;
}

std::string shape(const pg::pgoutput::Relation& relation) {
  std::string out;
  for (const auto& column : relation.columns) add_column(out, column.name, column.type, column.typmod);
  return out;
}

Task<pg::Connection*> Database::get() {
  bool idle = context_.clock.now() - last_used_ > long_idle;
  if (connection_ && !connection_->broken() && idle) {
    try {
      co_await connection_->run("SELECT 1");
    } catch (const Error& e) {
      context_.log.info("the query connection was lost and is opened again", kv("cause", e.what()));
      connection_.reset();
    }
  }
  if (!connection_ || connection_->broken()) {
    connection_.reset();
    connection_ = co_await connect(context_, settings_);
  }
  last_used_ = context_.clock.now();
  co_return connection_.get();
}

const char* recreated_remedy(const Settings& settings) {
  return settings.features.rebackfill_recreated_tables
             ? "none is needed: its rows are read again"
             : "raise the binding's backfill counter to have the rows it was created with; the feature flag "
               "rebackfill_recreated_tables does that by itself";
}

Inventory::Inventory(Context& context, const Settings& settings, std::vector<Binding> bindings)
    : context_(context), settings_(settings) {
  for (Binding& binding : bindings) {
    BoundTable& table = tables_.emplace_back(static_cast<std::uint64_t>(settings.config.advanced.chunk_rows));
    table.binding = std::move(binding);
  }
}

bool Inventory::adopt(BoundTable& table, const Table* found) {
  if (found == nullptr) return std::exchange(table.found, false);
  bool changed = !table.found || shape(table.table) != shape(*found) ||
                 replicated_shape(table.table) != replicated_shape(*found) || table.table.key != found->key ||
                 table.table.oid != found->oid;
  if (table.found && table.table.oid != found->oid) {
    table.recreated = true;
    context_.log.warn("the table was dropped and created again", kv("table", table.binding.name.text()),
                      kv("backfilled_again", settings_.features.rebackfill_recreated_tables),
                      kv("remedy", recreated_remedy(settings_)));
  }
  table.found = true;
  table.table = *found;
  return changed;
}

Task<bool> Inventory::discover(pg::Connection& db) {
  Publication publication = co_await load_publication(db, settings_.config.advanced.publication);
  std::vector<cdc::TableName> names;
  for (const BoundTable& table : tables_) names.push_back(table.binding.name);
  std::vector<Table> found = co_await load_tables(db, publication, std::move(names));
  bool changed = false;
  for (BoundTable& table : tables_) {
    auto at = std::lower_bound(found.begin(), found.end(), table.binding.name,
                               [](const Table& t, const cdc::TableName& name) { return t.name < name; });
    bool there = at != found.end() && at->name == table.binding.name && at->base_table();
    if (adopt(table, there ? &*at : nullptr)) changed = true;
  }
  if (changed) types_ = co_await pg::TypeCatalog::load(db);
  co_return changed;
}

Task<bool> Inventory::discover(pg::Connection& db, BoundTable& table) {
  Publication publication = co_await load_publication(db, settings_.config.advanced.publication);
  std::vector<cdc::TableName> names;
  names.push_back(table.binding.name);
  std::vector<Table> found = co_await load_tables(db, publication, std::move(names));
  bool there = !found.empty() && found.front().base_table();
  bool changed = adopt(table, there ? &found.front() : nullptr);
  if (changed) types_ = co_await pg::TypeCatalog::load(db);
  co_return changed;
}

void Inventory::take_schema(BoundTable& table, std::vector<protocol::capture::SourcedSchema>& out) {
  if (!settings_.features.sourced_schemas || !table.found) return;
  cdc::TableSchema schema = table_schema(table.table, types_, table.binding.typed_as_key(table.table),
                                         settings_.features.values, true);
  protocol::capture::SourcedSchema message;
  message.binding = table.binding.index;
  message.schema_json = cdc::sourced_schema(schema, schema_options(settings_));
  std::size_t hash = std::hash<std::string>()(message.schema_json);
  if (std::exchange(table.sent_schema, hash) != hash) out.push_back(std::move(message));
}

std::vector<protocol::capture::SourcedSchema> Inventory::take_schemas() {
  std::vector<protocol::capture::SourcedSchema> out;
  for (BoundTable& table : tables_) take_schema(table, out);
  return out;
}

std::vector<protocol::capture::SourcedSchema> Inventory::take_schemas(BoundTable& table) {
  std::vector<protocol::capture::SourcedSchema> out;
  take_schema(table, out);
  return out;
}

}  // namespace sluice::source_postgres
