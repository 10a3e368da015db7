#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sluice/cdc/names.hpp"
#include "sluice/cdc/schema.hpp"
#include "sluice/pg/connection.hpp"
#include "sluice/pg/types.hpp"
#include "source-postgres/config.hpp"

// What the server's catalogue says about tables (capture-postgres §2).
namespace sluice::source_postgres {

struct Column {
  std::string name;
  pg::Oid type = 0;
  std::int32_t typmod = -1;
  bool nullable = true;
  bool generated = false;
  bool published = true;      // within the publication's column list
  bool deterministic = true;  // its collation tells different strings apart
  std::string comment;

  // Both the backfill and the changes carry it.
  bool captured() const { return !generated && published; }
};

// How the key of a table was found.
enum class KeySource : std::uint8_t { primary_key, unique_index, none };

struct Table {
  cdc::TableName name;
  pg::Oid oid = 0;
  char kind = 'r';  // pg_class.relkind
  bool partition = false;
  char identity = 'd';  // pg_class.relreplident
  double estimated_rows = -1;
  std::int64_t pages = 0;
  std::vector<Column> columns;
  std::vector<std::string> key;
  KeySource key_source = KeySource::none;
  std::vector<std::string> identity_columns;  // of the replica identity; empty if full or nothing
  std::string row_filter;                     // of the publication, an SQL expression, or empty

  const Column* find(std::string_view column) const;
  bool base_table() const { return kind == 'r' || kind == 'p'; }
};

// The publication that is captured, and what it contains.
struct Publication {
  bool exists = false, via_root = false, all_tables = false;
  bool updates = true, deletes = true;
  struct Entry {
    std::optional<std::set<std::string>> columns;  // nothing: all
    std::string row_filter;
  };
  std::map<cdc::TableName, Entry> tables;
};

Task<Publication> load_publication(pg::Connection& db, std::string name);

// The tables that discovery looks at, before the filters that need no server (§2.1, step 1 of §2.2).
Task<std::vector<cdc::TableName>> list_tables(pg::Connection& db, bool as_partitions,
                                              std::vector<std::string> schemas);

// The partitioned tables whose partitions are published under their own names.
Task<std::vector<cdc::TableName>> list_roots_published_by_leaf(pg::Connection& db,
                                                               const std::string& publication);

// The details of those of `names` that exist, sorted by name. Any relation that has columns is found; callers
// look at its kind.
Task<std::vector<Table>> load_tables(pg::Connection& db, const Publication& publication,
                                     std::vector<cdc::TableName> names);

// The three pointers that key documents of tables without a key.
const std::vector<std::string>& fallback_key();

// Columns and descriptions of the table for the schema generator. `key`: columns that are typed as keys.
// `sourced` leaves "null" out of the types.
cdc::TableSchema table_schema(const Table& table, const pg::TypeCatalog& types,
                              const std::set<std::string>& key, const pg::ValueOptions& values, bool sourced);
cdc::SchemaOptions schema_options(const Settings& settings);

// {a,b} with quoting: a text[] parameter.
std::string text_array(const std::vector<std::string>& values);

}  // namespace sluice::source_postgres
