#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/sql/live.hpp"
#include "sluice/sql/table.hpp"
#include "sluice/sql/types.hpp"

namespace sluice::sql {

// How one kind of database writes SQL and names things. Stateless; only texts are made here, the connector
// runs them. Each list of statements is one transaction.
class Dialect {
 public:
  virtual ~Dialect() = default;

  // Always quoted, so that reserved words and letter case never matter. Default: "x" with " doubled.
  virtual std::string quote(std::string_view identifier) const;
  // 'x' with ' doubled.
  virtual std::string literal(std::string_view text) const;
  // The n-th parameter, from 1.
  virtual std::string parameter(std::size_t n) const = 0;
  // Components quoted separately.
  std::string name(const Path& path) const;

  // The name a field's column has in the catalog: what the database would cut or replace is done by us.
  virtual std::string translate(std::string_view field) const { return std::string(field); }
  // The catalog's key of a resource path.
  virtual Path locate(const Path& path) const { return path; }
  // `a` and `A` are one column.
  virtual bool case_insensitive_fields() const { return false; }
  // In characters; 0 none.
  virtual std::size_t max_field_length() const { return 0; }
  virtual std::size_t max_columns() const = 0;
  // Why no column can have this name, or empty.
  virtual std::string_view why_forbidden(std::string_view /*field*/) const { return {}; }

  virtual std::string column_type(FlatType type, const protocol::Projection& projection,
                                  bool is_key) const = 0;
  // Whether the live column takes the values of `wanted` as it is. Nullability plays no part.
  virtual bool compatible(const ColumnType& wanted, const LiveColumn& live) const = 0;
  // The expression that turns the live column into `wanted`, if there is a way.
  virtual std::optional<std::string> migration(const ColumnType& wanted, const LiveColumn& live) const = 0;

  virtual std::vector<std::string> create(const Table& table) const = 0;
  virtual std::vector<std::string> alter(const Table& table, const LiveTable& live,
                                         const Alteration& change) const = 0;
  virtual std::vector<std::string> truncate(const Path& path) const = 0;
  virtual std::vector<std::string> drop(const Path& path) const = 0;

  // Fields of equal keys are one column.
  std::string column_key(std::string_view field) const;
  // Whether a live column, named by the database, is the one of `field`.
  bool same_column(std::string_view field, std::string_view column) const;
  ColumnType map(const protocol::Projection& projection, bool is_key, const FieldConfig& config) const;
  bool fits(const ColumnType& wanted, const LiveColumn& live) const {
    return wanted.user_ddl || compatible(wanted, live);
  }
  std::optional<std::string> cast(const ColumnType& wanted, const LiveColumn& live) const {
    return wanted.user_ddl ? std::nullopt : migration(wanted, live);
  }
};

}  // namespace sluice::sql
