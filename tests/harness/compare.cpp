#include "harness/compare.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sqlite3.h>

#include <memory>
#include <stdexcept>

namespace harness {
namespace {

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

class Database {
 public:
  explicit Database(const std::string& path) {
    sqlite3* raw = nullptr;
    int status = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
    database_.reset(raw);
    if (status != SQLITE_OK) fail("opening " + path);
    sqlite3_busy_timeout(raw, 10'000);
  }
  // Calls row(statement) for each row.
  template <class F>
  void each(const std::string& sql, F row) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) fail(sql);
    std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(raw, sqlite3_finalize);
    int status;
    while ((status = sqlite3_step(raw)) == SQLITE_ROW) row(raw);
    if (status != SQLITE_DONE) fail(sql);
  }
  static std::string text(sqlite3_stmt* row, int column) {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
    return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(row, column)))
                 : std::string();
  }

 private:
  [[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(fmt::format("{}: {}", what, sqlite3_errmsg(database_.get())));
  }
  std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database_{nullptr, sqlite3_close};
};

std::string copy_escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') out += '\\';
    out += c;  // JSON text holds neither tab nor newline unescaped
  }
  return out + '\n';
}

// Columns whose value must be the property of that name; nested and synthetic ones are left out.
std::vector<std::string> plain_columns(Database& database, const std::string& sqlite_table) {
  std::vector<std::string> columns;
  database.each("SELECT name FROM pragma_table_info('" + sqlite_table + "') WHERE type <> 'BLOB'",
                [&](sqlite3_stmt* row) {
                  std::string name = Database::text(row, 0);
                  bool synthetic =
                      name == "flow_document" || name == "flow_published_at" || name.starts_with("_meta");
                  if (!synthetic && name.find_first_of("/~\"") == name.npos) columns.push_back(name);
                });
  return columns;
}

std::int64_t wrong_columns(Database& database, const std::string& sqlite_table,
                           std::vector<std::string>& examples) {
  std::int64_t wrong = 0;
  for (const std::string& name : plain_columns(database, sqlite_table)) {
    std::string column = quoted(name),
                property = fmt::format("json_extract(flow_document, '$.\"{}\"')", name);
    std::string same = fmt::format(
        "CASE typeof({0}) WHEN 'real' THEN CAST({1} AS REAL) WHEN 'integer' THEN CAST({1} AS INTEGER) ELSE "
        "{1} END IS {0}",
        column, property);
    database.each(
        fmt::format("SELECT {}, {} FROM {} WHERE NOT ({})", column, property, quoted(sqlite_table), same),
        [&](sqlite3_stmt* row) {
          if (wrong++ < 3)
            examples.push_back(fmt::format("column {}: {} in the column, {} in the document", name,
                                           Database::text(row, 0), Database::text(row, 1)));
        });
  }
  return wrong;
}

}  // namespace

Difference compare(Client& client, const std::string& sqlite_path, const std::string& sqlite_table,
                   const Table& table) {
  Difference result;
  result.table = table.schema + "." + table.name;
  Database database(sqlite_path);

  client.run("DROP TABLE IF EXISTS pg_temp.got; CREATE TEMP TABLE got (doc jsonb)");
  std::string chunk;
  auto flush = [&] {
    if (!chunk.empty()) client.copy_in("COPY pg_temp.got FROM STDIN", chunk);
    chunk.clear();
  };
  database.each(
      fmt::format("SELECT flow_document FROM {} WHERE json_extract(flow_document, '$._meta.op') <> 'd'",
                  quoted(sqlite_table)),
      [&](sqlite3_stmt* row) {
        chunk += copy_escaped(Database::text(row, 0));
        if (chunk.size() > (std::size_t(8) << 20)) flush();
      });
  flush();

  std::string source =
      fmt::format("SELECT {} AS doc FROM {}.{}", table.expected, quoted(table.schema), quoted(table.name));
  std::string destination = "SELECT doc - '_meta' AS doc FROM pg_temp.got";
  std::string except = table.key.empty() ? "EXCEPT" : "EXCEPT ALL";
  client.run("DROP TABLE IF EXISTS pg_temp.missing, pg_temp.surplus");
  client.run(fmt::format("CREATE TEMP TABLE missing AS {} {} {}", source, except, destination));
  client.run(fmt::format("CREATE TEMP TABLE surplus AS {} {} {}", destination, except, source));
  auto count = [&](const std::string& from) {
    return std::stoll(client.scalar("SELECT count(*) FROM " + from));
  };
  result.source_rows = count(fmt::format("{}.{}", quoted(table.schema), quoted(table.name)));
  result.destination_rows = count("pg_temp.got");
  result.missing = count("pg_temp.missing");
  result.surplus = count("pg_temp.surplus");
  for (const char* side : {"missing", "surplus"})
    for (const auto& row :
         client.query(fmt::format("SELECT left(doc::text, 600) FROM pg_temp.{} ORDER BY doc LIMIT 3", side)))
      result.examples.push_back(fmt::format("{}: {}", side, row[0].value_or("")));
  result.wrong_columns = wrong_columns(database, sqlite_table, result.examples);
  return result;
}

}  // namespace harness
