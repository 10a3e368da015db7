#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/cdc/names.hpp"

// The queries of backfill chunks, as text (capture-postgres §6.2, §6.3, §6.6).
namespace sluice::source_postgres {

struct ScanColumn {
  std::string name;
  bool nullable = false;
  bool by_c = false;      // compared by COLLATE "C"
  std::string operators;  // schema of its operators if they are not built in
};

// What every query of a table's scan has in common.
struct ScanTable {
  cdc::TableName name;
  bool only = true;  // not the rows of inheriting tables; a partitioned root has all its rows in those
  std::vector<std::string> columns;  // in the order of the result
  std::vector<std::string> filters;  // SQL expressions, all of which must hold
  std::optional<std::uint32_t> min_xid;
};

// The chunk after the row whose key are the SQL literals `after` ("NULL" for a null; empty: the first chunk).
std::string keyed_query(const ScanTable& table, const std::vector<ScanColumn>& key,
                        const std::vector<std::string>& after, std::uint64_t limit);

// A place in a table's file, as (block,offset).
struct Tid {
  std::uint32_t block = 0;
  std::uint16_t offset = 0;
  std::string text() const;
  static std::optional<Tid> parse(std::string_view text);
  friend auto operator<=>(const Tid&, const Tid&) = default;
};

// The rows beyond `after` and up to `last`. Servers before version 14 have no range scan of tids and get the
// tids listed.
std::string keyless_query(const ScanTable& table, Tid after, Tid last, int server_version);

// With a minimum XID the first column of the result is xmin; the server lets a trickle of excluded rows
// through, which this tells apart: 32-bit modular comparison.
bool xmin_passes(std::string_view xmin, std::uint32_t min_xid);

// Chooses the size of the next chunk: towards 12 MiB of documents or ten seconds, whichever comes first. A chunk
// is one transaction of the runtime, which should hold it in memory; a fence costs some milliseconds.
class ChunkSize {
 public:
  static constexpr std::uint64_t first = 10'000, least = 1'000, most = 500'000;
  static constexpr std::uint64_t target_bytes = 12u << 20;
  static constexpr double target_seconds = 10;

  // `limit`: what the user set, or 0.
  explicit ChunkSize(std::uint64_t limit = 0);
  std::uint64_t rows() const { return rows_; }
  void completed(std::uint64_t rows, std::uint64_t bytes, double seconds);
  // The statement timed out. False if the chunk cannot be made smaller.
  bool halve();

 private:
  std::uint64_t rows_, least_, most_;
};

}  // namespace sluice::source_postgres
