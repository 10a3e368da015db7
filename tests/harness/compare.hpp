#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/shop.hpp"

namespace harness {

struct Difference {
  std::string table;
  std::int64_t source_rows = 0, destination_rows = 0;
  std::int64_t missing = 0, surplus = 0;  // rows of the source not in the destination, and the reverse
  std::int64_t wrong_columns = 0;         // stored columns that disagree with the stored document
  std::vector<std::string> examples;      // a few of them
  bool equal() const { return missing == 0 && surplus == 0 && wrong_columns == 0; }
};

// Compares every row of a table with its SQLite copy. PostgreSQL is the judge: the destination's documents go
// into a temporary jsonb table, and the server takes the differences of both multisets. Rows that hold a
// deletion (_meta/op = d) do not count. The keyless table is compared as a set (capture-postgres §3.2).
Difference compare(Client& client, const std::string& sqlite_path, const std::string& sqlite_table,
                   const Table& table);

}  // namespace harness
