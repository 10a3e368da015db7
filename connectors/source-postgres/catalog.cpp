#include "source-postgres/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sluice/base/error.hpp"
#include "sluice/json/tree.hpp"

namespace sluice::source_postgres {
namespace {

constexpr std::size_t tables_a_query = 100;
using Parameters = std::vector<std::optional<std::string>>;

template <class T>
T number(const pg::Rows& rows, std::size_t row, std::size_t column) {
  T value{};
  std::string_view text = rows.at(row, column).value_or("0");
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size())
    throw Error(Error::Kind::transient,
                fmt::format("the server gave \"{}\" for {}, expected a number", text, rows.name(column)));
  return value;
}

bool truth(const pg::Rows& rows, std::size_t row, std::size_t column) { return rows.at(row, column) == "t"; }

char letter(const pg::Rows& rows, std::size_t row, std::size_t column) {
  std::string_view text = rows.at(row, column).value_or("");
  return text.empty() ? '\0' : text[0];
}

std::vector<std::string> json_strings(std::string_view text) {
  json::Tree tree;
  tree.parse(text);
  std::vector<std::string> out;
  for (const json::Node& item : tree.children(tree.root())) out.emplace_back(item.text);
  return out;
}

// A table while it is put together.
struct Draft {
  Table table;
  // The best unique index so far, by preference.
  std::string index_name;
  bool index_is_identity = false;
};
using Drafts = std::map<pg::Oid, Draft>;

constexpr const char* tables_sql =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.relreplident, c.reltuples, "
    "c.relpages "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "JOIN unnest($1::text[], $2::text[]) AS wanted(schema_name, table_name) "
    "ON n.nspname = wanted.schema_name AND c.relname = wanted.table_name "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')";

// Generated columns came with version 12, as did nondeterministic collations.
std::string columns_sql(int version) {
  return std::string("SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, ") +
         "NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)), " +
         (version >= 120000 ? "a.attgenerated <> '', coalesce(l.collisdeterministic, true), "
                            : "false, true, ") +
         "pg_catalog.col_description(a.attrelid, a.attnum) "
         "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid " +
         (version >= 120000 ? "LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation " : "") +
         "WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped "
         "ORDER BY a.attrelid, a.attnum";
}

// Unique indexes whose columns identify a row at any moment: no expressions, no predicate, valid, immediate.
// INCLUDE columns, from version 11, lie beyond indnkeyatts.
std::string indexes_sql(int version) {
  const char* width = version >= 110000 ? "i.indnkeyatts" : "i.indnatts";
  return std::string(
             "SELECT i.indrelid, x.relname, i.indisprimary, i.indisreplident, "
             "json_agg(a.attname ORDER BY k.position), bool_and(a.attnotnull) "
             "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid "
             "CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position) "
             "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
             "WHERE i.indrelid = ANY($1::oid[]) AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS "
             "NULL "
             "AND i.indisvalid AND i.indimmediate AND k.position <= ") +
         width +
         " GROUP BY i.indrelid, x.relname, i.indisprimary, i.indisreplident ORDER BY i.indrelid, x.relname";
}

void read_index(Draft& draft, const pg::Rows& rows, std::size_t row) {
  Table& table = draft.table;
  bool primary = truth(rows, row, 2), identity = truth(rows, row, 3), not_null = truth(rows, row, 5);
  std::vector<std::string> columns = json_strings(rows.text(row, 4));
  if (identity && table.identity == 'i') table.identity_columns = columns;
  if (primary && table.identity == 'd') table.identity_columns = columns;
  if (primary) {
    table.key = std::move(columns);
    table.key_source = KeySource::primary_key;
    return;
  }
  bool usable = not_null && table.base_table() && table.key_source != KeySource::primary_key;
  bool better = table.key_source == KeySource::none || (identity && !draft.index_is_identity);
  if (!usable || !better) return;
  table.key = std::move(columns);
  table.key_source = KeySource::unique_index;
  draft.index_is_identity = identity;
}

void apply_publication(Table& table, const Publication& publication) {
  auto entry = publication.tables.find(table.name);
  if (entry == publication.tables.end()) return;
  table.row_filter = entry->second.row_filter;
  if (!entry->second.columns) return;
  for (Column& column : table.columns) column.published = entry->second.columns->contains(column.name);
}

// A key whose columns the documents do not carry is none.
void drop_uncaptured_key(Table& table) {
  for (const std::string& name : table.key) {
    const Column* column = table.find(name);
    if (column != nullptr && column->captured()) continue;
    table.key.clear();
    table.key_source = KeySource::none;
    return;
  }
}

Task<std::vector<Table>> load_batch(pg::Connection& db, const Publication& publication, std::string schemas,
                                    std::string names) {
  Parameters by_name;
  by_name.emplace_back(std::move(schemas));
  by_name.emplace_back(std::move(names));
  pg::Rows tables = co_await db.query(tables_sql, std::move(by_name));
  Drafts drafts;
  std::string oids = "{";
  for (std::size_t i = 0; i < tables.size(); ++i) {
    Draft draft;
    Table& table = draft.table;
    table.oid = number<pg::Oid>(tables, i, 0);
    table.name = {tables.text(i, 1), tables.text(i, 2)};
    table.kind = letter(tables, i, 3);
    table.partition = truth(tables, i, 4);
    table.identity = letter(tables, i, 5);
    table.estimated_rows = number<double>(tables, i, 6);
    table.pages = number<std::int64_t>(tables, i, 7);
    // Before version 14 a table never analysed says 0 rows in 0 pages.
    if (table.estimated_rows == 0 && table.pages == 0) table.estimated_rows = -1;
    oids += (i == 0 ? "" : ",") + std::to_string(table.oid);
    drafts.emplace(table.oid, std::move(draft));
  }
  oids += '}';
  Parameters by_oid;
  by_oid.emplace_back(oids);
  pg::Rows columns = co_await db.query(columns_sql(db.server_version()), by_oid);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    Column column;
    column.name = columns.text(i, 1);
    column.type = number<pg::Oid>(columns, i, 2);
    column.typmod = number<std::int32_t>(columns, i, 3);
    column.nullable = truth(columns, i, 4);
    column.generated = truth(columns, i, 5);
    column.deterministic = truth(columns, i, 6);
    column.comment = columns.text(i, 7);
    drafts.at(number<pg::Oid>(columns, i, 0)).table.columns.push_back(std::move(column));
  }
  pg::Rows indexes = co_await db.query(indexes_sql(db.server_version()), std::move(by_oid));
  for (std::size_t i = 0; i < indexes.size(); ++i)
    read_index(drafts.at(number<pg::Oid>(indexes, i, 0)), indexes, i);
  std::vector<Table> out;
  for (auto& [oid, draft] : drafts) {
    apply_publication(draft.table, publication);
    drop_uncaptured_key(draft.table);
    out.push_back(std::move(draft.table));
  }
  co_return out;
}

std::string type_text(const pg::TypeCatalog& types, const Column& column) {
  const pg::Type* type = types.resolve(column.type);
  if (type == nullptr) return "unknown";
  switch (type->kind) {
    case 'e':
      return "enum";
    case 'c':
      return "composite";
    case 'r':
      return "range";
    case 'm':
      return "multirange";
    default:
      return type->name;
  }
}

std::string describe(const pg::TypeCatalog& types, const Column& column, bool catch_all) {
  std::string out = column.comment;
  if (catch_all)
    out += (out.empty() ? "" : " ") + std::string("Captured as text: this type has no schema of its own.");
  if (!out.empty()) out += ' ';
  return out + "(source type: " + (column.nullable ? "" : "non-nullable ") + type_text(types, column) + ")";
}

std::vector<cdc::TableName> table_names(const pg::Rows& rows) {
  std::vector<cdc::TableName> names;
  for (std::size_t i = 0; i < rows.size(); ++i) names.push_back({rows.text(i, 0), rows.text(i, 1)});
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

const Column* Table::find(std::string_view column) const {
  for (const Column& c : columns)
    if (c.name == column) return &c;
  return nullptr;
}

std::string text_array(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& value : values) {
    out += out.size() == 1 ? "\"" : ",\"";
    for (char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

Task<Publication> load_publication(pg::Connection& db, std::string name) {
  Publication publication;
  Parameters parameters;
  parameters.emplace_back(name);
  std::string via_root = db.server_version() >= 130000 ? "pubviaroot" : "false";
  pg::Rows head = co_await db.query("SELECT puballtables, pubupdate, pubdelete, " + via_root +
                                        " FROM pg_catalog.pg_publication WHERE pubname = $1",
                                    parameters);
  if (head.empty()) co_return publication;
  publication.exists = true;
  publication.all_tables = truth(head, 0, 0);
  publication.updates = truth(head, 0, 1);
  publication.deletes = truth(head, 0, 2);
  publication.via_root = truth(head, 0, 3);
  // attnames always lists columns; a list that names all of them hides none. Generated ones are not in it.
  bool lists = db.server_version() >= 150000;
  pg::Rows rows = co_await db.query(std::string("SELECT schemaname, tablename") +
                                        (lists ? ", to_json(attnames), rowfilter" : ", NULL, NULL") +
                                        " FROM pg_catalog.pg_publication_tables WHERE pubname = $1",
                                    std::move(parameters));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Publication::Entry entry;
    if (auto columns = rows.at(i, 2)) {
      std::vector<std::string> names = json_strings(*columns);
      entry.columns.emplace(names.begin(), names.end());
    }
    entry.row_filter = rows.text(i, 3);
    publication.tables.emplace(cdc::TableName{rows.text(i, 0), rows.text(i, 1)}, std::move(entry));
  }
  co_return publication;
}

Task<std::vector<cdc::TableName>> list_tables(pg::Connection& db, bool as_partitions,
                                              std::vector<std::string> schemas) {
  std::string sql =
      "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
      "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "WHERE n.nspname NOT IN ('pg_catalog', 'pg_internal', 'information_schema', 'catalog_history', 'cron', "
      "'pglogical') AND c.relpersistence = 'p' ";
  sql += as_partitions ? "AND c.relkind = 'r'" : "AND NOT c.relispartition AND c.relkind IN ('r', 'p')";
  Parameters parameters;
  if (!schemas.empty()) {
    sql += " AND n.nspname = ANY($1::text[])";
    parameters.emplace_back(text_array(schemas));
  }
  co_return table_names(co_await db.query(std::move(sql), std::move(parameters)));
}

Task<std::vector<cdc::TableName>> list_roots_published_by_leaf(pg::Connection& db,
                                                               const std::string& publication) {
  // The inheritance of a partition leads up to its root, over any number of levels.
  std::string sql =
      "WITH RECURSIVE above AS (SELECT c.oid FROM pg_catalog.pg_publication_tables t "
      "JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname "
      "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename "
      "WHERE t.pubname = $1 AND c.relispartition "
      "UNION SELECT i.inhparent FROM above JOIN pg_catalog.pg_inherits i ON i.inhrelid = above.oid) "
      "SELECT n.nspname, c.relname FROM above JOIN pg_catalog.pg_class c ON c.oid = above.oid "
      "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT c.relispartition";
  Parameters parameters;
  parameters.emplace_back(publication);
  co_return table_names(co_await db.query(std::move(sql), std::move(parameters)));
}

Task<std::vector<Table>> load_tables(pg::Connection& db, const Publication& publication,
                                     std::vector<cdc::TableName> names) {
  std::sort(names.begin(), names.end());
  std::vector<Table> out;
  for (std::size_t first = 0; first < names.size(); first += tables_a_query) {
    std::vector<std::string> schemas, tables;
    for (std::size_t i = first; i < std::min(names.size(), first + tables_a_query); ++i) {
      schemas.push_back(names[i].schema);
      tables.push_back(names[i].table);
    }
    std::vector<Table> batch = co_await load_batch(db, publication, text_array(schemas), text_array(tables));
    std::move(batch.begin(), batch.end(), std::back_inserter(out));
  }
  std::sort(out.begin(), out.end(), [](const Table& a, const Table& b) { return a.name < b.name; });
  co_return out;
}

const std::vector<std::string>& fallback_key() {
  static const std::vector<std::string> key{"/_meta/source/loc/0", "/_meta/source/loc/1",
                                            "/_meta/source/loc/2"};
  return key;
}

cdc::TableSchema table_schema(const Table& table, const pg::TypeCatalog& types,
                              const std::set<std::string>& key, const pg::ValueOptions& values,
                              bool sourced) {
  cdc::TableSchema schema;
  schema.name = table.name;
  schema.key = table.key;
  for (const Column& column : table.columns) {
    if (!column.captured()) continue;
    std::string type = pg::column_schema(types, column.type, column.typmod, column.nullable && !sourced,
                                         key.contains(column.name), values);
    std::string description = describe(types, column, type == "{}");
    schema.columns.push_back({column.name, std::move(type), std::move(description)});
  }
  return schema;
}

cdc::SchemaOptions schema_options(const Settings& settings) {
  cdc::SchemaOptions options;
  options.source = {
      {"loc", R"({"type":"array","items":{"type":"integer"},"minItems":3,"maxItems":3})",
       "Location of this change as three integers: the end of the transaction before it, its own position, "
       "and "
       "the position of its transaction's commit in the write-ahead log. Backfilled rows have [-1, n, 0]."},
      {"txid", R"({"type":"integer"})", "The 32-bit id of the transaction that made this change."},
  };
  options.source_required = {"schema", "table", "loc"};
  options.history_mode = settings.config.history_mode;
  options.infer = settings.features.infer_schema;
  options.with_tag = !settings.config.advanced.source_tag.empty();
  return options;
}

}  // namespace sluice::source_postgres
