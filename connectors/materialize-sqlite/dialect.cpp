#include "dialect.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::sqlite {
namespace {

using sql::FlatType;

constexpr std::string_view rebuilt_prefix = "flow_rebuild_";
constexpr double int64_limit = 9223372036854775808.0;
// An INTEGER that is the whole primary key is the rowid, which turns null into the next free number. Under
// any other name the column has the same affinity and keeps its nulls (sqlite.org/lang_createtable.html §5).
constexpr std::string_view nullable_key_type = "INT";

bool fits_int64(const protocol::Projection& projection) {
  if (!projection.inference || !projection.inference->numeric) return true;
  const protocol::InferenceNumeric& n = *projection.inference->numeric;
  return !(n.has_minimum && n.minimum < -int64_limit) && !(n.has_maximum && n.maximum > int64_limit);
}

// A comment ends with its line.
std::string one_line(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return out;
}

// A default of one word, which stands for its own text unless it is in parentheses: then it would be a
// column. The catalog gives expressions without theirs.
bool is_name(std::string_view default_text) {
  constexpr std::string_view quotes = "\"`[";
  return quotes.find(default_text.front()) != quotes.npos || std::ranges::all_of(default_text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c < 0;
         });
}

std::string parenthesised(const sql::Dialect& dialect, const std::vector<std::string>& columns) {
  std::vector<std::string> quoted;
  for (const std::string& column : columns) quoted.push_back(dialect.quote(column));
  return fmt::format("({})", fmt::join(quoted, ", "));
}

}  // namespace

Affinity affinity(std::string_view declared_type) {
  std::string type = text::lower_ascii(declared_type);
  auto has = [&](std::string_view part) { return type.find(part) != type.npos; };
  if (has("int")) return Affinity::integer;
  if (has("char") || has("clob") || has("text")) return Affinity::text;
  if (has("blob") || type.empty()) return Affinity::none;
  if (has("real") || has("floa") || has("doub")) return Affinity::real;
  return Affinity::numeric;
}

std::string Dialect::parameter(std::size_t n) const { return fmt::format("?{}", n); }

// Table names are case-insensitive.
sql::Path Dialect::locate(const sql::Path& path) const {
  sql::Path out;
  for (const std::string& part : path) out.push_back(text::lower_ascii(part));
  return out;
}

std::string Dialect::column_type(FlatType type, const protocol::Projection& projection, bool is_key) const {
  switch (type) {
    case FlatType::integer:
      // Without a declared type nothing is converted: integers beyond 64 bits stay exact, as text.
      if (!fits_int64(projection)) return "";
      return is_key && !sql::must_exist(projection) ? std::string(nullable_key_type) : "INTEGER";
    case FlatType::string_integer:
      return "INTEGER";
    case FlatType::number:
    case FlatType::string_number:
      return "REAL";
    case FlatType::boolean:
      return "BOOLEAN";
    case FlatType::binary:
      return "BLOB";
    case FlatType::string:
    case FlatType::object:
    case FlatType::array:
    case FlatType::multiple:
      return "TEXT";
    case FlatType::never:
      break;
  }
  throw Error(Error::Kind::bug, fmt::format("field '{}' has no type to store", projection.field));
}

bool Dialect::compatible(const sql::ColumnType& wanted, const sql::LiveColumn& live) const {
  std::string type = text::lower_ascii(live.type);
  if (wanted.ddl == "BOOLEAN") return type == "boolean" || type == "bool";
  if (wanted.ddl == "BLOB") return type == "blob" || type.empty();
  // The rowid, or a generated column.
  if (wanted.ddl == nullable_key_type && live.computed) return false;
  // "INTEGER" lost its type when a value beyond 64 bits came.
  bool integer = wanted.ddl == "INTEGER" || wanted.ddl == nullable_key_type || wanted.ddl.empty();
  if (integer) return type.empty() || affinity(type) == Affinity::integer;
  return affinity(type) == affinity(wanted.ddl);
}

std::optional<std::string> Dialect::migration(const sql::ColumnType& wanted,
                                              const sql::LiveColumn& live) const {
  std::string c = quote(live.name), type = text::lower_ascii(live.type);
  Affinity from = affinity(type), to = affinity(wanted.ddl);
  bool boolean = type == "boolean" || type == "bool";
  bool number = !boolean && (from == Affinity::integer || from == Affinity::real ||
                             from == Affinity::numeric || type.empty());
  if (to == Affinity::text) {
    if (boolean) return fmt::format("CASE {0} WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE {0} END", c);
    if (number) return fmt::format("{}({})", to_text_function, c);
    if (type == "blob") return fmt::format("{}({})", to_base64_function, c);
  }
  if (to == Affinity::real && (from == Affinity::integer || type.empty()))
    return fmt::format("CASE typeof({0}) WHEN 'text' THEN {0} ELSE CAST({0} AS REAL) END", c);
  if (wanted.ddl == "BLOB" && from == Affinity::text) return fmt::format("{}({})", from_base64_function, c);
  return std::nullopt;
}

std::vector<std::string> Dialect::create(const sql::Table& table) const {
  std::string sql =
      fmt::format("CREATE TABLE IF NOT EXISTS {} ( -- {}\n", name(table.path), one_line(table.comment));
  bool primary_key = !table.delta && table.key_count;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const sql::Column& c = table.columns[i];
    bool last = i + 1 == table.columns.size() && !primary_key;
    std::string type = c.type.ddl;
    // A user may ask for an INTEGER.
    if (c.is_key && !c.not_null && text::lower_ascii(type) == "integer") type = nullable_key_type;
    sql += fmt::format("  {}{}{}{}{} -- {}\n", quote(c.name), type.empty() ? "" : " ", type,
                       c.not_null ? " NOT NULL" : "", last ? "" : ",", one_line(c.comment));
  }
  if (primary_key) {
    std::vector<std::string> keys;
    for (const sql::Column& key : table.keys()) keys.push_back(key.name);
    sql += fmt::format("  PRIMARY KEY {}\n", parenthesised(*this, keys));
  }
  return {sql + ");"};
}

// A column of the new table and where its values come from.
struct Dialect::Copied {
  std::string name, type, comment;
  bool not_null = false;
  std::string default_text;
  std::string expression;  // empty: a new column, NULL in every row
  std::string definition() const {
    std::string out = type.empty() ? "" : " " + type;
    if (not_null) out += " NOT NULL";
    if (default_text.empty()) return out;
    out += " DEFAULT ";
    return is_name(default_text) ? out + default_text : out + "(" + default_text + ")";
  }
};

// The table as it is.
std::vector<Dialect::Copied> Dialect::copies(const sql::Table& table, const sql::LiveTable& live) const {
  std::vector<Copied> out;
  for (const sql::LiveColumn& c : live.columns) {
    Copied& copied = out.emplace_back();
    copied.name = c.name;
    copied.type = c.type;
    copied.not_null = !c.nullable;
    copied.default_text = c.default_text;
    copied.expression = quote(c.name);
    for (const sql::Column& ours : table.columns)
      if (same_column(ours.field, c.name)) copied.comment = ours.comment;
  }
  return out;
}

std::vector<std::string> Dialect::alter(const sql::Table& table, const sql::LiveTable& live,
                                        const sql::Alteration& change) const {
  if (change.drop_not_null.empty() && change.migrate.empty() && !change.drop_primary_key) {
    std::vector<std::string> out;
    for (const sql::Column* c : change.add)
      out.push_back(fmt::format("ALTER TABLE {} ADD COLUMN {}{}{};", name(table.path), quote(c->name),
                                c->type.ddl.empty() ? "" : " ", c->type.ddl));
    return out;
  }
  std::vector<Copied> columns = copies(table, live);
  for (Copied& copied : columns) {
    if (std::ranges::find(change.drop_not_null, copied.name) != change.drop_not_null.end())
      copied.not_null = false;
    for (const sql::Alteration::Migration& m : change.migrate) {
      if (m.from->name != copied.name) continue;
      copied.type = m.column->type.ddl;
      copied.expression = m.cast;
    }
  }
  for (const sql::Column* c : change.add) {
    Copied& added = columns.emplace_back();
    added.name = c->name;
    added.type = c->type.ddl;
    added.comment = c->comment;
  }
  return rebuild(live, columns, !change.drop_primary_key);
}

std::vector<std::string> Dialect::rebuild(const sql::LiveTable& live, const std::vector<Copied>& columns,
                                          bool keep_primary_key) const {
  const std::string& old_name = live.name;
  if (!live.fixed.empty())
    throw Error(
        Error::Kind::config,
        fmt::format("table '{}' must be copied into a new one to change, but it {}", old_name, live.fixed),
        "Increment the binding's backfill counter to re-create it, or change it by hand.");
  std::string new_name = std::string(rebuilt_prefix) + old_name;
  bool primary_key = keep_primary_key && !live.primary_key.empty();
  std::string sql = fmt::format("CREATE TABLE {} (\n", quote(new_name));
  std::vector<std::string> names, expressions;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Copied& c = columns[i];
    bool last = i + 1 == columns.size() && !primary_key;
    sql += fmt::format("  {}{}{}{}{}\n", quote(c.name), c.definition(), last ? "" : ",",
                       c.comment.empty() ? "" : " -- ", one_line(c.comment));
    if (c.expression.empty()) continue;
    names.push_back(c.name);
    expressions.push_back(c.expression);
  }
  if (primary_key) sql += fmt::format("  PRIMARY KEY {}\n", parenthesised(*this, live.primary_key));
  std::vector<std::string> out{sql + ");"};
  out.push_back(fmt::format("INSERT INTO {} {} SELECT {} FROM {};", quote(new_name),
                            parenthesised(*this, names), fmt::join(expressions, ", "), quote(old_name)));
  out.push_back(fmt::format("DROP TABLE {};", quote(old_name)));
  out.push_back(fmt::format("ALTER TABLE {} RENAME TO {};", quote(new_name), quote(old_name)));
  for (const std::string& extra : live.extras) out.push_back(extra + ";");
  return out;
}

std::vector<std::string> Dialect::widen(const sql::Table& table, const sql::LiveTable& live,
                                        std::string_view column) const {
  std::vector<Copied> columns = copies(table, live);
  for (Copied& copied : columns)
    if (copied.name == column) copied.type.clear();
  return rebuild(live, columns, true);
}

std::vector<std::string> Dialect::truncate(const sql::Path& path) const {
  return {fmt::format("DELETE FROM {};", name(path))};
}

std::vector<std::string> Dialect::drop(const sql::Path& path) const {
  return {fmt::format("DROP TABLE {};", name(path))};
}

}  // namespace sluice::sqlite
