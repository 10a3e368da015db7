#pragma once
#include <fmt/format.h>
#include <algorithm>

#include <map>
#include <string>
#include <vector>

#include "sluice/protocol/messages.hpp"
#include "sluice/sql/dialect.hpp"
#include "sluice/sql/validate.hpp"

namespace sluice::sql {

inline protocol::Projection field(std::string name, std::vector<std::string> types,
                                  protocol::Exists exists = protocol::Exists::may) {
  protocol::Projection p;
  p.field = name;
  p.ptr = "/" + name;
  p.inference.emplace();
  p.inference->types = std::move(types);
  p.inference->exists = exists;
  return p;
}

inline protocol::Projection root(std::string name) {
  protocol::Projection p = field(std::move(name), {"object"}, protocol::Exists::must);
  p.ptr.clear();
  return p;
}

inline protocol::Projection key(std::string name, std::string type = "integer") {
  protocol::Projection p = field(std::move(name), {std::move(type)}, protocol::Exists::must);
  p.is_primary_key = true;
  return p;
}

// Types are one word, identifiers are cut to ten bytes, integers become text and nothing else migrates.
class PlainDialect : public Dialect {
 public:
  bool fold_case = false;
  std::size_t longest_field = 0;
  std::size_t most_columns = 100;

  std::string parameter(std::size_t n) const override { return fmt::format("${}", n); }
  std::string translate(std::string_view name) const override { return std::string(name.substr(0, 10)); }
  bool case_insensitive_fields() const override { return fold_case; }
  std::size_t max_field_length() const override { return longest_field; }
  std::size_t max_columns() const override { return most_columns; }
  std::string_view why_forbidden(std::string_view name) const override {
    return name == "ctid" ? "the database has a column of this name" : "";
  }
  std::string column_type(FlatType type, const protocol::Projection&, bool) const override {
    switch (type) {
      case FlatType::integer:
        return "int";
      case FlatType::number:
        return "float";
      case FlatType::boolean:
        return "bool";
      case FlatType::object:
      case FlatType::array:
      case FlatType::multiple:
        return "json";
      default:
        return "text";
    }
  }
  bool compatible(const ColumnType& wanted, const LiveColumn& live) const override {
    return wanted.ddl == live.type;
  }
  std::optional<std::string> migration(const ColumnType& wanted, const LiveColumn& live) const override {
    if (live.type == "int" && wanted.ddl == "text") return "text(" + quote(live.name) + ")";
    return std::nullopt;
  }
  std::vector<std::string> create(const Table& table) const override {
    return {"CREATE " + name(table.path)};
  }
  std::vector<std::string> alter(const Table& table, const LiveTable&,
                                 const Alteration& change) const override {
    std::string sql = "ALTER " + name(table.path);
    for (const Column* c : change.add) sql += " +" + c->name;
    for (const std::string& c : change.drop_not_null) sql += " null " + c;
    for (const auto& m : change.migrate) sql += fmt::format(" {}={}", m.column->name, m.cast);
    if (change.drop_primary_key) sql += " -pk";
    return {sql};
  }
  std::vector<std::string> truncate(const Path& path) const override { return {"TRUNCATE " + name(path)}; }
  std::vector<std::string> drop(const Path& path) const override { return {"DROP " + name(path)}; }
};

// A table with primary key `id` unless `columns` says otherwise: names and types, NOT NULL for a trailing
// '!'.
inline LiveTable live(std::string table, std::vector<std::pair<std::string, std::string>> columns,
                      std::vector<std::string> primary_key = {"id"}) {
  LiveTable out;
  out.path = {table};
  out.name = table;
  for (auto& [name, type] : columns) {
    LiveColumn& c = out.columns.emplace_back();
    c.name = name;
    c.nullable = type.back() != '!';
    c.type = c.nullable ? type : type.substr(0, type.size() - 1);
  }
  out.primary_key = primary_key;
  if (!primary_key.empty()) out.unique_keys.push_back(std::move(primary_key));
  return out;
}

}  // namespace sluice::sql
