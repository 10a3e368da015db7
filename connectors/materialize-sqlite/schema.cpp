#include "schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sluice/base/text.hpp"

namespace sluice::sqlite {
namespace {

// The keywords of a CREATE TABLE statement, in lower case: identifiers in quotes, literals and comments are
// left out, so that a column named "check" is none.
std::vector<std::string> words(std::string_view sql) {
  std::vector<std::string> out;
  std::size_t i = 0;
  auto skip_to = [&](std::string_view end) {
    std::size_t at = sql.find(end, i);
    i = at == sql.npos ? sql.size() : at + end.size();
  };
  while (i < sql.size()) {
    char c = sql[i];
    std::string_view rest = sql.substr(i);
    if (rest.starts_with("--")) {
      skip_to("\n");
    } else if (rest.starts_with("/*")) {
      skip_to("*/");
    } else if (c == '"' || c == '\'' || c == '`' || c == '[') {
      ++i;
      skip_to(c == '[' ? "]" : std::string_view(&c, 1));  // a doubled quote starts another quoted part
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') {
      std::size_t end = i;
      while (end < sql.size() && (std::isalnum(static_cast<unsigned char>(sql[end])) || sql[end] == '_'))
        ++end;
      out.push_back(text::lower_ascii(sql.substr(i, end - i)));
      i = end;
    } else {
      ++i;
    }
  }
  return out;
}

// What a table has that a copy made from its columns would lose.
std::string why_fixed(std::string_view create_sql) {
  const std::map<std::string_view, std::string_view> lost{
      {"check", "has a CHECK constraint"},
      {"collate", "has a COLLATE clause"},
      {"references", "has a foreign key"},
      {"unique", "has a UNIQUE constraint"},
      {"generated", "has a generated column"},
      {"as", "has a generated column"},
      {"autoincrement", "has AUTOINCREMENT"},
      {"without", "is WITHOUT ROWID"},
      {"strict", "is STRICT"},
      {"conflict", "has an ON CONFLICT clause"},
  };
  for (const std::string& word : words(create_sql))
    if (auto at = lost.find(word); at != lost.end()) return std::string(at->second);
  return {};
}

// What CREATE statements say of one table.
struct Definition {
  std::string table_sql;
  std::vector<std::string> extras;
};
using Definitions = std::map<std::string, Definition>;  // by name in lower case

Definitions read_definitions(const Database& database) {
  Definitions out;
  Statement row = database.prepare("SELECT type, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL");
  while (row.step()) {
    Definition& definition = out[text::lower_ascii(row.text(1))];
    if (row.text(0) == "table")
      definition.table_sql = row.text(2);
    else if (row.text(0) != "view")
      definition.extras.emplace_back(row.text(2));
  }
  return out;
}

class Reader {
 public:
  Reader(const Database& database, const Definitions& definitions, std::string name)
      : database_(database), definitions_(definitions), name_(std::move(name)) {}

  std::optional<sql::LiveTable> read() {
    Statement found =
        database_.prepare("SELECT name, type, wr FROM pragma_table_list(?1) WHERE schema = 'main'");
    found.bind_text(1, name_);
    if (!found.step()) return std::nullopt;
    std::string name(found.text(0));
    live_.name = name;
    live_.kind = found.text(1);
    bool without_rowid = found.integer(2) != 0;
    if (live_.kind != "table") {
      if (live_.kind != "view") live_.kind += " table";
      return std::move(live_);
    }
    if (auto at = definitions_.find(text::lower_ascii(name)); at != definitions_.end()) {
      live_.fixed = why_fixed(at->second.table_sql);
      live_.extras = at->second.extras;
    }
    columns();
    indexes();
    if (!primary_key_indexed_ && live_.primary_key.size() == 1 && !without_rowid) alias_of_rowid();
    return std::move(live_);
  }

 private:
  Statement about(std::string_view pragma, std::string_view columns, std::string_view of) const {
    Statement statement = database_.prepare(fmt::format("SELECT {} FROM pragma_{}(?1)", columns, pragma));
    statement.bind_text(1, of);
    return statement;
  }

  void columns() {
    std::map<std::int64_t, std::string> primary;  // by position
    Statement row = about("table_xinfo", "name, type, \"notnull\", dflt_value, pk, hidden", name_);
    while (row.step()) {
      sql::LiveColumn& column = live_.columns.emplace_back();
      column.name = row.text(0);
      column.type = row.text(1);
      column.nullable = row.integer(2) == 0;
      column.has_default = !row.is_null(3);
      column.default_text = row.text(3);
      column.computed = row.integer(5) != 0;
      if (std::int64_t position = row.integer(4)) primary[position] = column.name;
    }
    for (auto& [position, column] : primary) live_.primary_key.push_back(column);
  }

  void indexes() {
    Statement row = about("index_list", "name, \"unique\", origin, partial", name_);
    while (row.step()) {
      if (row.text(2) == "pk") primary_key_indexed_ = true;
      if (row.integer(1) == 0 || row.integer(3) != 0) continue;
      if (auto columns = indexed_columns(row.text(0))) live_.unique_keys.push_back(std::move(*columns));
    }
  }

  // Nothing if the index is on an expression or compares otherwise than byte by byte.
  std::optional<std::vector<std::string>> indexed_columns(std::string_view index) const {
    std::vector<std::string> out;
    Statement row = about("index_xinfo", "cid, name, coll, key", index);
    while (row.step()) {
      if (row.integer(3) == 0) continue;
      if (row.integer(0) < 0 || row.text(2) != "BINARY") return std::nullopt;
      out.emplace_back(row.text(1));
    }
    return out;
  }

  void alias_of_rowid() {
    live_.unique_keys.push_back(live_.primary_key);
    for (sql::LiveColumn& column : live_.columns) {
      if (column.name != live_.primary_key.front()) continue;
      column.computed = true;
      column.nullable = false;
    }
  }

  const Database& database_;
  const Definitions& definitions_;
  std::string name_;
  sql::LiveTable live_;
  bool primary_key_indexed_ = false;
};

}  // namespace

sql::InfoSchema read_schema(const Database& database, const Dialect& dialect,
                            const std::vector<sql::Path>& paths) {
  Definitions definitions = read_definitions(database);
  sql::InfoSchema info(dialect);
  for (const sql::Path& path : paths) {
    std::optional<sql::LiveTable> live = Reader(database, definitions, path.back()).read();
    if (!live) continue;
    live->path = dialect.locate(path);
    info.add(std::move(*live));
  }
  return info;
}

}  // namespace sluice::sqlite
