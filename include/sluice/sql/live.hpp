#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// What a database reports about its tables: the ground on which Validate and Apply decide.
namespace sluice::sql {

class Dialect;

// A resource path: [table] or [schema, table].
using Path = std::vector<std::string>;

struct LiveColumn {
  std::string name;
  std::string type;  // as the database prints it
  bool nullable = true;
  bool has_default = false;
  bool computed = false;        // generated or identity: filled by the database
  std::string default_text;     // SQL text, if has_default
  std::int64_t max_length = 0;  // of character types; 0 none
  // "CHARACTER VARYING(20)"
  std::string type_text() const;
};

struct LiveTable {
  Path path;                   // as Dialect::locate() gives it
  std::string name;            // the table's own name, as the database writes it
  std::string kind = "table";  // what the relation is; only tables can be materialized into
  std::vector<LiveColumn> columns;
  std::vector<std::string> primary_key;
  // Columns of each index that makes rows unique and fits ON CONFLICT, the primary key's included.
  std::vector<std::vector<std::string>> unique_keys;
  // CREATE statements of indexes and triggers that the user added.
  std::vector<std::string> extras;
  // Why the table cannot be rebuilt by copying, or empty (databases that alter in place leave it empty).
  std::string fixed;
};

// The relations that some resource paths name.
class InfoSchema {
 public:
  explicit InfoSchema(const Dialect& dialect) : dialect_(&dialect) {}

  void add(LiveTable table);
  // The table of a resource path, under the name that the database knows it by, or null.
  const LiveTable* find(const Path& resource_path) const;
  // The column that holds `field`, or null.
  const LiveColumn* find(const LiveTable& table, std::string_view field) const;
  bool same_column(std::string_view field, std::string_view column) const;

 private:
  const Dialect* dialect_;
  std::map<Path, LiveTable> tables_;
};

}  // namespace sluice::sql
