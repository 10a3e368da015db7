#include "sluice/sql/live.hpp"

#include <fmt/format.h>

#include "sluice/sql/dialect.hpp"

namespace sluice::sql {

std::string LiveColumn::type_text() const {
  std::string out = type.empty() ? "NO TYPE" : type;
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (max_length) out += fmt::format("({})", max_length);
  return out;
}

void InfoSchema::add(LiveTable table) {
  Path path = table.path;
  tables_.insert_or_assign(std::move(path), std::move(table));
}

const LiveTable* InfoSchema::find(const Path& resource_path) const {
  auto at = tables_.find(dialect_->locate(resource_path));
  return at == tables_.end() ? nullptr : &at->second;
}

const LiveColumn* InfoSchema::find(const LiveTable& table, std::string_view field) const {
  for (const LiveColumn& column : table.columns)
    if (same_column(field, column.name)) return &column;
  return nullptr;
}

bool InfoSchema::same_column(std::string_view field, std::string_view column) const {
  return dialect_->same_column(field, column);
}

}  // namespace sluice::sql
