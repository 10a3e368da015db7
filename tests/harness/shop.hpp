#pragma once
#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "harness/client.hpp"

// The shop: a PostgreSQL schema with what makes change capture hard (composite, text and changing keys, a
// keyless table, jsonb, numerics, arrays, ranges, TOASTed text that updates leave alone, a partitioned table,
// names that need quoting), and traffic on it.
namespace harness {

struct Table {
  std::string schema, name;
  // Properties in key order; empty for the keyless table, whose rows are told apart by `identity`.
  std::vector<std::string> key;
  // A SQL expression over the table that gives the expected document, without _meta, as jsonb.
  std::string expected;
  std::string identity;
};
const std::vector<Table>& shop_tables();

// Creates schema, publication flow_publication and about `rows` rows. Deterministic.
void create_shop(Client& client, int rows);

// Random transactions: inserts, updates, deletes, key changes, now and then a thousand rows at once, a
// rollback, One instance a connection.
class Traffic {
 public:
  // `lane` keeps the keys that several instances insert apart.
  Traffic(std::string dsn, std::uint64_t seed, int lane);
  // Runs one transaction and returns how many row changes it asked for. Throws std::runtime_error if it
  // fails: two lanes changed one key, or the server went away. The next one starts afresh, on a new
  // connection if need be, and an unknown outcome is as good as either.
  int transaction();

 private:
  std::string statement();
  int pick(int below) { return static_cast<int>(random_() % static_cast<std::uint64_t>(below)); }

  std::string dsn_;
  Client client_;
  std::mt19937_64 random_;
  int lane_;
  std::int64_t next_id_ = 0;
};

}  // namespace harness
