#include "source-postgres/prerequisites.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::source_postgres {
namespace {

using Parameters = std::vector<std::optional<std::string>>;

// WAL kept for a slot without any limit worth a word (P-12).
constexpr std::int64_t alarming_slot_lag = std::int64_t(50) << 30;

Parameters parameters(std::string first) {
  Parameters p;
  p.emplace_back(std::move(first));
  return p;
}
Parameters parameters(std::string first, std::string second) {
  Parameters p = parameters(std::move(first));
  p.emplace_back(std::move(second));
  return p;
}

std::string quoted(const cdc::TableName& table) { return pg::quote_table(table.schema, table.table); }

// Runs a statement of which only the failure matters; nothing if it succeeded.
Task<std::optional<Error>> attempt(pg::Connection& db, std::string sql, Parameters arguments = {}) {
  std::optional<Error> failure;
  try {
    co_await db.query(std::move(sql), std::move(arguments));
  } catch (const Error& e) {
    if (db.broken()) throw;
    failure = e;
  }
  co_return failure;
}

// P-01. False if the rest makes no sense.
Task<bool> check_version(pg::Connection& db, cdc::Problems& problems) {
  if (db.server_version() >= 100000) co_return true;
  pg::Rows rows = co_await db.query("SHOW server_version");
  problems.add(
      fmt::format("the server has version {}, but 10 or later is needed: upgrade it", rows.text(0, 0)));
  co_return false;
}

// P-02.
Task<> check_wal_level(pg::Connection& db, cdc::Problems& problems) {
  pg::Rows rows = co_await db.query("SHOW wal_level");
  if (rows.text(0, 0) != "logical")
    problems.add(
        fmt::format("logical replication is off: wal_level is \"{}\", but must be \"logical\". Run ALTER "
                    "SYSTEM SET wal_level = logical and restart the server (managed services have their own "
                    "setting for it)",
                    rows.text(0, 0)));
}

// P-03.
Task<> check_role(pg::Connection& db, cdc::Problems& problems) {
  pg::Rows rows = co_await db.query(
      "SELECT current_user, rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = "
      "current_user");
  if (!rows.empty() && rows.text(0, 1) == "t") co_return;
  std::string user = rows.empty() ? "" : rows.text(0, 0);
  // Amazon's way; elsewhere the role does not exist and the question fails.
  std::optional<Error> failure =
      co_await attempt(db, "SELECT 1 / pg_has_role(current_user, 'rds_replication', 'member')::int");
  if (!failure) co_return;
  problems.add(
      fmt::format("role \"{}\" may not replicate: run ALTER ROLE {} WITH REPLICATION (on Amazon RDS: GRANT "
                  "rds_replication TO {})",
                  user, pg::quote_identifier(user), pg::quote_identifier(user)));
}

// P-04, P-05, P-12.
Task<> check_slot(pg::Connection& db, const Settings& settings, const Log& log, cdc::Problems& problems) {
  const std::string& slot = settings.config.advanced.slot;
  pg::Rows rows = co_await db.query(
      "SELECT slot_type, database, plugin, current_database(), "
      "CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_lsn() - restart_lsn END::bigint "
      "FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
      parameters(slot));
  if (rows.empty()) {
    if (!settings.features.create_slot && !settings.features.skip_prerequisites)
      problems.add(
          fmt::format("replication slot \"{}\" does not exist and may not be created "
                      "(no_create_replication_slot): run SELECT pg_create_logical_replication_slot({}, "
                      "'pgoutput')",
                      slot, pg::quote_literal(slot)));
    co_return;
  }
  if (rows.text(0, 0) != "logical")
    problems.add(fmt::format("replication slot \"{}\" is a {} one: set another /advanced/slotName", slot,
                             rows.text(0, 0)));
  else if (rows.text(0, 1) != rows.text(0, 3))
    problems.add(
        fmt::format("replication slot \"{}\" belongs to database \"{}\", not to \"{}\": set another "
                    "/advanced/slotName",
                    slot, rows.text(0, 1), rows.text(0, 3)));
  else if (rows.text(0, 2) != "pgoutput")
    problems.add(
        fmt::format("replication slot \"{}\" uses the plugin {}, not pgoutput: set another "
                    "/advanced/slotName",
                    slot, rows.text(0, 2)));
  if (db.server_version() < 130000) co_return;
  pg::Rows limit = co_await db.query("SHOW max_slot_wal_keep_size");
  std::int64_t lag = 0;
  std::string lag_text = rows.text(0, 4);
  std::from_chars(lag_text.data(), lag_text.data() + lag_text.size(), lag);
  if (limit.text(0, 0) == "-1" && lag > alarming_slot_lag)
    log.warn("the replication slot holds back much WAL and no limit is set", kv("slot", slot),
             kv("bytes", lag), kv("remedy", "let the capture run, or set max_slot_wal_keep_size"));
}

// P-06.
void check_publication(const Settings& settings, const Publication& publication, cdc::Problems& problems) {
  if (publication.exists) return;
  const auto& advanced = settings.config.advanced;
  std::string name = pg::quote_identifier(advanced.publication);
  std::string root = advanced.as_partitions ? "" : " WITH (publish_via_partition_root = true)";
  problems.add(
      fmt::format("publication \"{}\" does not exist: run CREATE PUBLICATION {} FOR ALL TABLES{}, or "
                  "CREATE PUBLICATION {} FOR TABLE …{} with the tables to capture",
                  advanced.publication, name, root, name, root));
}

std::string watermark_sql(const Settings& settings) {
  return "INSERT INTO " + quoted(settings.watermarks) +
         " (slot, watermark) VALUES ($1, $2) ON CONFLICT (slot) DO UPDATE SET watermark = $2";
}

// P-06b, P-06c.
Task<> check_watermarks(pg::Connection& db, const Settings& settings, const Publication& publication,
                        cdc::Problems& problems) {
  const std::string table = quoted(settings.watermarks);
  const std::string& slot = settings.config.advanced.slot;
  std::string sql = watermark_sql(settings);
  std::optional<Error> failure = co_await attempt(db, sql, parameters(slot, "existence check"));
  if (failure) {
    std::optional<Error> creation = co_await attempt(
        db, "CREATE TABLE IF NOT EXISTS " + table + " (slot TEXT PRIMARY KEY, watermark TEXT)");
    if (!creation) failure = co_await attempt(db, std::move(sql), parameters(slot, "existence check"));
  }
  if (failure) {
    problems.add(
        fmt::format("the watermarks table {} cannot be written ({}): run CREATE TABLE IF NOT EXISTS {} (slot "
                    "TEXT PRIMARY KEY, watermark TEXT) and grant {} on it, or set "
                    "/advanced/read_only_capture",
                    settings.watermarks.text(), failure->message(), table, "INSERT, SELECT, UPDATE"));
    co_return;
  }
  if (!publication.exists || publication.all_tables || publication.tables.contains(settings.watermarks))
    co_return;
  std::string add = "ALTER PUBLICATION " + pg::quote_identifier(settings.config.advanced.publication) +
                    " ADD TABLE " + table;
  failure = co_await attempt(db, add);
  if (failure && failure->sqlstate() != "42710")  // added meanwhile
    problems.add(
        fmt::format("the watermarks table {} is not in the publication and could not be added ({}): run {} "
                    "as its owner, or set /advanced/read_only_capture",
                    settings.watermarks.text(), failure->message(), add));
}

// ---- tables ----

struct Access {
  bool found = false, usable = false, readable = false;
};

// has_table_privilege and the like for all tables at once.
Task<std::map<cdc::TableName, Access>> load_access(pg::Connection& db, const std::vector<Binding>& bindings) {
  std::vector<std::string> schemas, names;
  for (const Binding& binding : bindings) {
    schemas.push_back(binding.name.schema);
    names.push_back(binding.name.table);
  }
  pg::Rows rows = co_await db.query(
      "SELECT n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, "
      "'SELECT') OR "
      "has_any_column_privilege(c.oid, 'SELECT') "
      "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "JOIN unnest($1::text[], $2::text[]) AS wanted(schema_name, table_name) "
      "ON n.nspname = wanted.schema_name AND c.relname = wanted.table_name",
      parameters(text_array(schemas), text_array(names)));
  std::map<cdc::TableName, Access> access;
  for (std::size_t i = 0; i < rows.size(); ++i)
    access[{rows.text(i, 0), rows.text(i, 1)}] = {true, rows.text(i, 2) == "t", rows.text(i, 3) == "t"};
  co_return access;
}

// P-07.
bool check_access(const Binding& binding, const Access& access, const Table* table, cdc::Problems& problems) {
  if (!access.found || table == nullptr) {
    problems.add(
        fmt::format("table {} does not exist: create it again, or disable its binding", binding.name.text()));
    return false;
  }
  if (!table->base_table()) {
    problems.add(fmt::format("{} is no table but a {}: only tables can be captured, disable its binding",
                             binding.name.text(),
                             table->kind == 'v'   ? "view"
                             : table->kind == 'm' ? "materialized view"
                                                  : "foreign table"));
    return false;
  }
  if (!access.usable || !access.readable) {
    problems.add(fmt::format(
        "table {} may not be read: run {}GRANT SELECT ON {} TO the capture's role", binding.name.text(),
        access.usable ? "" : "GRANT USAGE ON SCHEMA " + pg::quote_identifier(binding.name.schema) + " and ",
        quoted(binding.name)));
    return false;
  }
  return true;
}

// P-10. Partitions and their root are published under one name or the other.
bool check_partitioning(const Table& table, const Publication& publication, const Settings& settings,
                        cdc::Problems& problems) {
  std::string name = pg::quote_identifier(settings.config.advanced.publication);
  if (table.kind == 'p' && !publication.via_root) {
    problems.add(fmt::format(
        "changes of the partitioned table {} are published under the names of its partitions: run "
        "ALTER PUBLICATION {} SET (publish_via_partition_root = true), or set "
        "/advanced/capture_as_partitions and discover the partitions",
        table.name.text(), name));
    return false;
  }
  if (table.partition && publication.via_root) {
    problems.add(
        fmt::format("changes of the partition {} are published under the name of its root: run ALTER "
                    "PUBLICATION {} SET (publish_via_partition_root = false), or capture the root",
                    table.name.text(), name));
    return false;
  }
  return true;
}

// P-09.
void check_identity(const Binding& binding, const Table& table, const Publication& publication,
                    const Log& log, cdc::Problems& problems) {
  if (binding.fallback || table.identity == 'f' || (!publication.updates && !publication.deletes)) return;
  std::vector<std::string> key = binding.key_columns();
  const auto& identity = table.identity_columns;
  bool covered = std::all_of(key.begin(), key.end(), [&](const std::string& column) {
    return std::find(identity.begin(), identity.end(), column) != identity.end();
  });
  if (covered) return;
  std::string cause = table.identity == 'n' ? "is NOTHING"
                      : identity.empty()    ? "is empty, since it has no primary key"
                                            : "is (" + text::join(identity, ", ") + ")";
  std::string message =
      fmt::format("the replica identity of {} {}, which does not cover the collection's key ({})",
                  table.name.text(), cause, text::join(key, ", "));
  std::string remedy = "ALTER TABLE " + quoted(table.name) + " REPLICA IDENTITY FULL";
  if (table.identity == 'n' || table.identity == 'i')
    problems.add(message + ": deletions could not be captured. Run " + remedy);
  else
    log.warn("deletions of the table cannot be captured", kv("table", table.name.text()),
             kv("cause", message), kv("remedy", remedy));
}

bool has_identity(const Table& table) { return table.identity == 'f' || !table.identity_columns.empty(); }

// P-11.
void check_columns(const Table& table, cdc::Problems& problems) {
  if (table.find("_meta") != nullptr)
    problems.add(
        fmt::format("table {} has a column \"_meta\", the name of what the connector adds to every document: "
                    "rename the column, or disable the binding",
                    table.name.text()));
}

// What can be checked without a change; the publication, unless the server is too old to have any.
Task<std::optional<Publication>> look_at_server(pg::Connection& db, const Settings& settings, const Log& log,
                                                cdc::Problems& problems) {
  bool supported = co_await check_version(db, problems);
  if (!supported) co_return std::nullopt;
  co_await check_wal_level(db, problems);
  co_await check_role(db, problems);
  co_await check_slot(db, settings, log, problems);
  Publication publication = co_await load_publication(db, settings.config.advanced.publication);
  check_publication(settings, publication, problems);
  co_return publication;
}

}  // namespace

Task<> check_server(pg::Connection& db, const Settings& settings, const Log& log, cdc::Problems& problems) {
  std::optional<Publication> publication = co_await look_at_server(db, settings, log, problems);
  if (publication && !settings.config.advanced.read_only)
    co_await check_watermarks(db, settings, *publication, problems);
}

Task<> warn_of_server(pg::Connection& db, const Settings& settings, const Log& log) {
  cdc::Problems problems;
  co_await look_at_server(db, settings, log, problems);
  for (const std::string& problem : problems.texts())
    log.warn("the capture will not run like this", kv("problem", problem));
}

Task<> check_tables(pg::Connection& db, const Settings& settings, const Log& log,
                    const std::vector<Binding>& bindings, cdc::Problems& problems) {
  if (bindings.empty()) co_return;
  std::map<cdc::TableName, Access> access = co_await load_access(db, bindings);
  Publication publication = co_await load_publication(db, settings.config.advanced.publication);
  std::vector<cdc::TableName> names;
  for (const Binding& binding : bindings) names.push_back(binding.name);
  std::vector<Table> tables = co_await load_tables(db, publication, std::move(names));
  for (const Binding& binding : bindings) {
    auto found = std::lower_bound(tables.begin(), tables.end(), binding.name,
                                  [](const Table& t, const cdc::TableName& name) { return t.name < name; });
    bool there = found != tables.end() && found->name == binding.name;
    const Table* table = there ? &*found : nullptr;
    if (!check_access(binding, access[binding.name], table, problems)) continue;
    check_columns(*table, problems);
    check_identity(binding, *table, publication, log, problems);
    if (!publication.exists || publication.tables.contains(binding.name)) continue;
    if (!check_partitioning(*table, publication, settings, problems)) continue;
    std::string add = "ALTER PUBLICATION " + pg::quote_identifier(settings.config.advanced.publication) +
                      " ADD TABLE " + quoted(binding.name);
    if (!has_identity(*table) && (publication.updates || publication.deletes)) {
      problems.add(
          fmt::format("table {} is not in publication \"{}\", and has no replica identity, without which the "
                      "server would refuse updates and deletions of published tables: run ALTER TABLE {} "
                      "REPLICA IDENTITY FULL (or add a primary key), then {}",
                      binding.name.text(), settings.config.advanced.publication, quoted(binding.name), add));
      continue;
    }
    std::optional<Error> failure = co_await attempt(db, add);  // P-08
    if (failure)
      problems.add(
          fmt::format("table {} is not in publication \"{}\" and could not be added ({}): run {} as its "
                      "owner",
                      binding.name.text(), settings.config.advanced.publication, failure->message(), add));
    else
      log.info("table added to the publication", kv("table", binding.name.text()),
               kv("publication", settings.config.advanced.publication));
  }
}

}  // namespace sluice::source_postgres
