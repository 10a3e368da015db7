#include "sluice/sql/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sluice/base/error.hpp"
#include "sluice/sql/dialect.hpp"

namespace sluice::sql {
namespace {

std::string comment_of(const protocol::Projection& p) {
  std::string out;
  std::vector<std::string> types;
  if (p.inference) {
    if (!p.inference->title.empty()) out += p.inference->title + "\n";
    if (!p.inference->description.empty()) out += p.inference->description + "\n";
    types = p.inference->types;
  }
  return out + fmt::format("{} projection of JSON at: {} with inferred types: [{}]",
                           p.is_explicit ? "user-provided" : "auto-generated", p.ptr, fmt::join(types, " "));
}

class Builder {
 public:
  Builder(const Dialect& dialect, const protocol::MaterializationBinding& binding)
      : dialect_(dialect), binding_(binding), collection_(*binding.collection) {}

  Column column(const std::string& field, bool is_key) const {
    auto p = std::ranges::find(collection_.projections, field, &protocol::Projection::field);
    if (p == collection_.projections.end())
      throw Error(Error::Kind::config,
                  fmt::format("field '{}' is selected but collection '{}' has no projection of that name",
                              field, collection_.name));
    const auto& configs = binding_.field_selection->field_config_json_map;
    auto config = configs.find(field);
    FieldConfig parsed =
        config == configs.end() ? FieldConfig{} : FieldConfig::parse_lenient(config->second, field);
    Column c;
    c.field = field;
    c.name = dialect_.translate(field);
    c.ptr = p->ptr;
    c.type = dialect_.map(*p, is_key, parsed);
    c.is_key = is_key;
    c.not_null = must_exist(*p);
    c.has_default = has_default(*p);
    c.comment = comment_of(*p);
    return c;
  }

 private:
  const Dialect& dialect_;
  const protocol::MaterializationBinding& binding_;
  const protocol::CollectionSpec& collection_;
};

void check(const Dialect& dialect, const Table& table) {
  std::string name = fmt::format("{}", fmt::join(table.path, "."));
  if (table.columns.size() > dialect.max_columns())
    throw Error(Error::Kind::config,
                fmt::format("table '{}' would have {} columns, the database allows {}", name,
                            table.columns.size(), dialect.max_columns()),
                "Exclude fields of the binding, or select fewer of them by depth.");
  std::map<std::string, std::string_view> seen;
  for (const Column& column : table.columns) {
    auto [at, fresh] = seen.emplace(dialect.column_key(column.field), column.field);
    if (!fresh)
      throw Error(Error::Kind::config,
                  fmt::format("fields '{}' and '{}' of table '{}' are the same column to the database",
                              at->second, column.field, name),
                  "Exclude one of them, or add a projection with another name to the collection.");
  }
}

}  // namespace

Table table_of(const Dialect& dialect, std::string_view task,
               const protocol::MaterializationBinding& binding) {
  Table table;
  table.path = binding.resource_path;
  table.delta = binding.delta_updates;
  std::string name = fmt::format("{}", fmt::join(table.path, "."));
  if (!binding.collection || !binding.field_selection)
    throw Error(Error::Kind::bug,
                fmt::format("the binding of '{}' has no collection or field selection", name));
  const protocol::FieldSelection& selection = *binding.field_selection;
  Builder builder(dialect, binding);
  for (const std::string& field : selection.keys) table.columns.push_back(builder.column(field, true));
  table.key_count = table.columns.size();
  for (const std::string& field : selection.values) table.columns.push_back(builder.column(field, false));
  if (!selection.document.empty()) {
    table.columns.push_back(builder.column(selection.document, false));
    table.has_document = true;
  }
  if (table.columns.empty())
    throw Error(Error::Kind::config, fmt::format("no field of table '{}' is selected", name));
  table.comment =
      fmt::format("Generated for materialization {} of collection {}", task, binding.collection->name);
  check(dialect, table);
  return table;
}

}  // namespace sluice::sql
