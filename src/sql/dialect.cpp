#include "sluice/sql/dialect.hpp"

#include "sluice/base/text.hpp"

namespace sluice::sql {
namespace {

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out += quote;
}

}  // namespace

std::string Dialect::quote(std::string_view identifier) const { return quoted(identifier, '"'); }

std::string Dialect::literal(std::string_view text) const { return quoted(text, '\''); }

std::string Dialect::name(const Path& path) const {
  std::string out;
  for (const std::string& part : path) {
    if (!out.empty()) out += '.';
    out += quote(part);
  }
  return out;
}

std::string Dialect::column_key(std::string_view field) const {
  std::string name = translate(field);
  return case_insensitive_fields() ? text::lower_ascii(name) : name;
}

bool Dialect::same_column(std::string_view field, std::string_view column) const {
  return column_key(field) == (case_insensitive_fields() ? text::lower_ascii(column) : std::string(column));
}

ColumnType Dialect::map(const protocol::Projection& projection, bool is_key,
                        const FieldConfig& config) const {
  ColumnType type;
  type.flat = flat_type(projection, is_key);
  type.as_text = config.cast_to_string;
  if (config.cast_to_string) {
    protocol::Projection plain = projection;
    plain.inference.emplace();
    plain.inference->types = {"string"};
    type.ddl = column_type(FlatType::string, plain, is_key);
  } else {
    type.ddl = column_type(type.flat, projection, is_key);
  }
  if (!config.ddl.empty()) {
    type.ddl = config.ddl;
    type.user_ddl = true;
  }
  return type;
}

}  // namespace sluice::sql
