#include "source-postgres/scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sluice/pg/connection.hpp"

namespace sluice::source_postgres {
namespace {

// Rows written by transaction M or later and before the snapshot's end, by signed 32-bit comparison; and one
// in a thousand of the others, so that the position advances through long excluded stretches.
std::string xid_filter(std::uint32_t min_xid) {
  return fmt::format(
      "(random() < 0.001 OR (xmin::text::bigint >= 3 AND (((xmin::text::bigint - {}::bigint) << 32) >> 32) "
      ">= 0 "
      "AND (((txid_snapshot_xmax(txid_current_snapshot()) - xmin::text::bigint) << 32) >> 32) >= 0))",
      min_xid);
}

std::string select(const ScanTable& table) {
  std::string sql = "SELECT ";
  if (table.min_xid) sql += "xmin::text AS xmin, ";
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    sql += (i == 0 ? "" : ", ") + pg::quote_identifier(table.columns[i]);
  sql += table.only ? " FROM ONLY " : " FROM ";
  return sql + pg::quote_table(table.name.schema, table.name.table);
}

std::string where(const ScanTable& table, std::string position) {
  std::vector<std::string> conditions;
  if (!position.empty()) conditions.push_back(std::move(position));
  if (table.min_xid) conditions.push_back(xid_filter(*table.min_xid));
  for (const std::string& filter : table.filters) conditions.push_back("(" + filter + ")");
  std::string sql;
  for (const std::string& condition : conditions) sql += (sql.empty() ? " WHERE " : " AND ") + condition;
  return sql;
}

std::string expression(const ScanColumn& column) {
  return pg::quote_identifier(column.name) + (column.by_c ? " COLLATE \"C\"" : "");
}

// (k1, k2) > (a, b), which an index can serve.
std::string row_comparison(const std::vector<ScanColumn>& key, const std::vector<std::string>& after) {
  std::string left, right;
  for (std::size_t i = 0; i < key.size(); ++i) {
    left += (i == 0 ? "" : ", ") + expression(key[i]);
    right += (i == 0 ? "" : ", ") + after[i];
  }
  return "(" + left + ") > (" + right + ")";
}

std::string operation(const ScanColumn& column, const std::string& name) {
  return column.operators.empty() ? name
                                  : "OPERATOR(" + pg::quote_identifier(column.operators) + "." + name + ")";
}

// The same order written out, with nulls last and each column's own operators.
std::string long_comparison(const std::vector<ScanColumn>& key, const std::vector<std::string>& after,
                            std::size_t i) {
  std::string name = expression(key[i]);
  bool null = after[i] == "NULL";
  std::string equal = null ? name + " IS NULL" : name + " " + operation(key[i], "=") + " " + after[i];
  std::string beyond;
  if (!null) {
    beyond = name + " " + operation(key[i], ">") + " " + after[i];
    if (key[i].nullable) beyond += " OR " + name + " IS NULL";
  }
  if (i + 1 < key.size()) {
    std::string next = "(" + equal + " AND " + long_comparison(key, after, i + 1) + ")";
    beyond += (beyond.empty() ? "" : " OR ") + next;
  }
  return beyond.empty() ? "false" : "(" + beyond + ")";
}

}  // namespace

std::string keyed_query(const ScanTable& table, const std::vector<ScanColumn>& key,
                        const std::vector<std::string>& after, std::uint64_t limit) {
  bool plain = std::none_of(key.begin(), key.end(),
                            [](const ScanColumn& c) { return c.nullable || !c.operators.empty(); });
  std::string position;
  if (!after.empty()) position = plain ? row_comparison(key, after) : long_comparison(key, after, 0);
  std::string sql = select(table) + where(table, std::move(position)) + " ORDER BY ";
  for (std::size_t i = 0; i < key.size(); ++i) sql += (i == 0 ? "" : ", ") + expression(key[i]);
  return sql + fmt::format(" LIMIT {}", limit);
}

std::string Tid::text() const { return fmt::format("({},{})", block, offset); }

std::optional<Tid> Tid::parse(std::string_view text) {
  Tid tid;
  const char *at = text.data(), *end = at + text.size();
  if (at == end || *at != '(') return std::nullopt;
  auto block = std::from_chars(at + 1, end, tid.block);
  if (block.ec != std::errc() || block.ptr == end || *block.ptr != ',') return std::nullopt;
  auto offset = std::from_chars(block.ptr + 1, end, tid.offset);
  if (offset.ec != std::errc() || offset.ptr == end || *offset.ptr != ')') return std::nullopt;
  return tid;
}

std::string keyless_query(const ScanTable& table, Tid after, Tid last, int server_version) {
  std::string range = fmt::format("ctid > '{}' AND ctid <= '{}'", after.text(), last.text());
  // A page has at most 291 rows of the smallest kind at the usual 8 kB; 2048 covers pages of 32 kB.
  if (server_version < 140000)
    range = fmt::format(
        "ctid = ANY(ARRAY(SELECT format('(%s,%s)', b, o)::tid FROM generate_series({}::bigint, {}::bigint) "
        "b, "
        "generate_series(0, 2048) o)) AND {}",
        after.block, last.block, range);
  return select(table) + where(table, std::move(range));
}

bool xmin_passes(std::string_view xmin, std::uint32_t min_xid) {
  std::uint32_t xid = 0;
  std::from_chars(xmin.data(), xmin.data() + xmin.size(), xid);
  return xid >= 3 && static_cast<std::int32_t>(xid - min_xid) >= 0;
}

ChunkSize::ChunkSize(std::uint64_t limit)
    : rows_(limit == 0 ? first : std::min(limit, first)),
      least_(limit == 0 ? least : std::min(limit, least)),
      most_(limit == 0 ? most : limit) {}

void ChunkSize::completed(std::uint64_t rows, std::uint64_t bytes, double seconds) {
  if (rows == 0) return;
  double by_bytes =
      static_cast<double>(target_bytes) / static_cast<double>(std::max<std::uint64_t>(bytes, 1));
  double by_time = target_seconds / std::max(seconds, 0.001);
  double factor = std::clamp(std::min(by_bytes, by_time), 0.25, 2.0);
  auto wanted = static_cast<std::uint64_t>(static_cast<double>(rows) * factor);
  rows_ = std::clamp(std::max(wanted, rows_ / 4), least_, most_);
}

bool ChunkSize::halve() {
  if (rows_ <= 1) return false;
  rows_ = std::max<std::uint64_t>(rows_ / 2, 1);
  return true;
}

}  // namespace sluice::source_postgres
