#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// How tables and columns are called in collections (capture-postgres §2.4–§2.6).
namespace sluice::cdc {

// A table's schema and name, exact case.
struct TableName {
  std::string schema, table;
  std::string text() const { return schema + "." + table; }
  friend auto operator<=>(const TableName&, const TableName&) = default;
};

// lower(schema)/lower(table) of characters that a collection name may hold.
std::string recommended_name(const TableName& name);
// The same for many, made distinct: of tables that collide the later ones get a short hash of their exact
// name.
std::vector<std::string> recommended_names(const std::vector<TableName>& names);

// A legal JSON schema anchor for the table's own definition: "PublicOrders".
std::string anchor(const TableName& name);

// The JSON pointer of a column, and the column of a pointer with one token; nothing for other pointers.
std::string column_pointer(std::string_view column);
std::optional<std::string> pointer_column(std::string_view pointer);

}  // namespace sluice::cdc
