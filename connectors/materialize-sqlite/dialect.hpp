#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/sql/dialect.hpp"

namespace sluice::sqlite {

// How SQLite converts what is stored in a column of a declared type (sqlite.org/datatype3.html §3.1).
enum class Affinity { text, numeric, integer, real, none };
Affinity affinity(std::string_view declared_type);

// ALTER TABLE only adds columns here; any other change copies the rows into a new table of the same name.
class Dialect final : public sql::Dialect {
 public:
  std::string parameter(std::size_t n) const override;
  sql::Path locate(const sql::Path& path) const override;
  bool case_insensitive_fields() const override { return true; }
  std::size_t max_columns() const override { return 2000; }  // SQLITE_MAX_COLUMN
  std::string column_type(sql::FlatType type, const protocol::Projection& projection,
                          bool is_key) const override;
  bool compatible(const sql::ColumnType& wanted, const sql::LiveColumn& live) const override;
  std::optional<std::string> migration(const sql::ColumnType& wanted,
                                       const sql::LiveColumn& live) const override;
  std::vector<std::string> create(const sql::Table& table) const override;
  std::vector<std::string> alter(const sql::Table& table, const sql::LiveTable& live,
                                 const sql::Alteration& change) const override;
  std::vector<std::string> truncate(const sql::Path& path) const override;
  std::vector<std::string> drop(const sql::Path& path) const override;

  // Takes the declared type from a column, so that it keeps integers beyond 64 bits as text.
  std::vector<std::string> widen(const sql::Table& table, const sql::LiveTable& live,
                                 std::string_view column) const;

 private:
  struct Copied;
  std::vector<Copied> copies(const sql::Table& table, const sql::LiveTable& live) const;
  std::vector<std::string> rebuild(const sql::LiveTable& live, const std::vector<Copied>& columns,
                                   bool keep_primary_key) const;
};

// SQL functions that migration() uses, beside SQLite's own.
inline constexpr std::string_view to_text_function = "sluice_text";      // a number as castToString writes it
inline constexpr std::string_view to_base64_function = "sluice_base64";  // bytes to text
inline constexpr std::string_view from_base64_function =
    "sluice_unbase64";  // text to bytes; fails on other text

}  // namespace sluice::sqlite
