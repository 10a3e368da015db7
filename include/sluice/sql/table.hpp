#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/sql/live.hpp"
#include "sluice/sql/types.hpp"

// The table that a binding asks for.
namespace sluice::sql {

class Dialect;

struct Column {
  std::string field;
  std::string name;  // as the database knows it; see Dialect::translate
  std::string ptr;   // location in the document, a JSON pointer
  ColumnType type;
  bool is_key = false;
  bool not_null = false;     // every document has a value
  bool has_default = false;  // of the schema, so that null never arrives for an absent location
  std::string comment;
};

struct Table {
  Path path;
  bool delta = false;
  std::vector<Column> columns;  // keys, values, then the document if there is one
  std::size_t key_count = 0;
  bool has_document = false;
  std::string comment;
  std::string extra_sql;  // run after the table was created

  std::span<const Column> keys() const { return std::span(columns).first(key_count); }
  std::span<const Column> values() const {
    return std::span(columns).subspan(key_count, columns.size() - key_count - (has_document ? 1 : 0));
  }
  const Column* document() const { return has_document ? &columns.back() : nullptr; }
};

// Throws Error{config} if two fields would share a column or there are more than the database takes.
Table table_of(const Dialect& dialect, std::string_view task,
               const protocol::MaterializationBinding& binding);

// The columns by which an existing table must change to fit.
struct Alteration {
  struct Migration {
    const Column* column;
    const LiveColumn* from;
    std::string cast;  // SQL expression of the new value
  };
  std::vector<const Column*> add;          // always nullable: rows that exist have no value
  std::vector<std::string> drop_not_null;  // live column names
  std::vector<Migration> migrate;
  bool drop_primary_key = false;
  bool empty() const { return add.empty() && drop_not_null.empty() && migrate.empty() && !drop_primary_key; }
};

}  // namespace sluice::sql
