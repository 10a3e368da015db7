#pragma once
#include <random>
#include <span>
#include <string>

#include "sluice/async/context.hpp"
#include "sluice/cdc/state.hpp"
#include "source-postgres/inventory.hpp"
#include "source-postgres/output.hpp"

namespace sluice::source_postgres {

// Reads the rows that tables hold already, one chunk at a time (capture-postgres §6). What a chunk has read
// becomes part of the state with it; whoever calls takes the changes up to a fence and then makes a
// checkpoint.
class Backfill {
 public:
  // All outlive this. `stop` is looked at between rows: a keyed chunk ends early when it becomes true.
  Backfill(Context& context, const Settings& settings, Inventory& inventory, cdc::CaptureState& state,
           Output& output, const bool& stop);

  // Takes up what the state says of tables that have been started before.
  void resume();
  // Starts pending tables, or those of them of which only changes are captured; those that were missing and
  // are found again become pending first. True if any was.
  bool start_pending(bool only_changes = false);
  // A table is read again from its start.
  void begin_again(BoundTable& table);

  // The table to read next, of those of the highest priority, or null.
  BoundTable* choose();
  // Reads one chunk of it. False if it was discovered again instead, as it is not what it was: then types()
  // of the inventory may have been loaded anew.
  Task<bool> read_chunk(Database& database, BoundTable& table);

  // " (backfilled 40% of 3 tables)" while tables are being read, else nothing.
  std::string progress() const;

 private:
  struct Chunk;

  void restart(BoundTable& table);
  void start(BoundTable& table);
  bool only_changes(const BoundTable& table) const;
  cdc::TableMode scan_mode(const BoundTable& table, const std::vector<std::string>& key) const;
  KeyCodec codec(const BoundTable& table, const std::vector<std::string>& key) const;
  void check_key(const BoundTable& table, const std::vector<std::string>& key, bool precise) const;
  void follow_state(BoundTable& table);

  Task<> lock(pg::Connection& db, BoundTable& table, Chunk& chunk);
  void follow_files(BoundTable& table, const Chunk& chunk);
  Task<> measure(pg::Connection& db, BoundTable& table, const Chunk& chunk);
  void plan(BoundTable& table, Chunk& chunk, int server_version);
  void plan_keyed(BoundTable& table, Chunk& chunk);
  void plan_keyless(BoundTable& table, Chunk& chunk, int server_version);
  Task<> explain(pg::Connection& db, BoundTable& table, const Chunk& chunk);
  Task<> copy(pg::Connection& db, BoundTable& table, Chunk& chunk);
  void take_row(BoundTable& table, Chunk& chunk, std::span<char> line);
  void take_key(BoundTable& table, Chunk& chunk);
  void complete(BoundTable& table, Chunk& chunk);
  ScanTable scan_table(const BoundTable& table) const;

  Context& context_;
  const Settings& settings_;
  Inventory& inventory_;
  cdc::CaptureState& state_;
  Output& output_;
  const bool& stop_;
  std::minstd_rand random_;
};

}  // namespace sluice::source_postgres
