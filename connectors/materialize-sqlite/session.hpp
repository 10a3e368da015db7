#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "database.hpp"
#include "dialect.hpp"
#include "row_binder.hpp"
#include "sluice/base/log.hpp"
#include "sluice/data/batch.hpp"
#include "sluice/protocol/messages.hpp"
#include "sluice/protocol/session.hpp"
#include "sluice/sql/fence.hpp"
#include "sluice/sql/table.hpp"
#include "sluice/sql/validate.hpp"

namespace sluice::sqlite {

struct SessionOptions {
  std::string path;
  sql::Rules rules;
  bool hard_delete = false;
  bool strict_shard_ranges = true;
  bool every_commit_on_disk = false;  // synchronous=FULL, see README
  std::size_t memory_bytes = 0;       // of page cache and waiting keys
};

// One materialization session on its file: plain calls that block, for one thread at a time. The calls that
// work through many rows return after some 10 ms and are called again.
class Session {
 public:
  Session(SessionOptions options, protocol::MaterializationSpec spec, protocol::RangeSpec range, Log log);

  // Sets the file up, makes the tables fit where they do not, and fences older sessions; call before the
  // rest. False if another connection holds the write lock.
  bool install();
  // The stored checkpoint; unset if the runtime's own counts.
  std::optional<protocol::Checkpoint> checkpoint() const { return fence_.runtime_checkpoint(); }

  // Keys to look up in load(). Kept in memory up to a bound, beyond it in a temporary table.
  void add_keys(Batch keys);
  // Appends stored documents to `found`. False when every key was looked up.
  bool load(Batch& found);

  // Begins the transaction of store() and commit(), unless it has begun. False if another connection holds
  // the write lock.
  bool begin();
  // Stores documents from the index `from` on and returns the index after the last stored.
  std::size_t store(const protocol::StoreBatch& documents, std::size_t from);
  // Commits what was stored together with the checkpoint.
  void commit(const protocol::Checkpoint& checkpoint);

  // Bounds the write-ahead log.
  void tidy();

 private:
  struct Binding {
    explicit Binding(sql::Table t) : table(std::move(t)) {}
    sql::Table table;
    std::vector<Encoder> keys, values;
    bool nullable_key = false;
    Statement write, remove, select;
  };
  struct Key {
    std::uint32_t binding;
    std::string_view packed;
  };
  using Document = protocol::StoreBatch::Document;

  bool configure();
  void apply_plan();
  void read_bindings();
  void read_binding(Binding& binding, const sql::InfoSchema& info);
  void fence();

  bool next_keys();
  void spill(const Batch& keys);
  void look_up(const Key& key, Batch& found);

  void store(const Document& document);
  void write(Binding& binding, const Document& document);
  void remove(Binding& binding, std::string_view key);
  void widen(Binding& binding, const Encoder& column);

  Statement& kept(Statement& slot, const std::string& sql);
  void release_statements();
  std::string write_sql(const Binding& binding) const;
  std::string remove_sql(const Binding& binding) const;
  std::string select_sql(const Binding& binding) const;
  std::string where_key(const Binding& binding) const;
  void require_in_place() const;

  SessionOptions options_;
  protocol::MaterializationSpec spec_;
  protocol::RangeSpec range_;
  Log log_;
  Dialect dialect_;
  Database database_;
  sql::FenceSql fence_sql_;
  sql::Fence fence_;
  std::deque<Binding> bindings_;
  std::size_t kept_statements_ = 0;
  RowBinder binder_;

  std::deque<Batch> keys_;
  std::size_t key_bytes_ = 0;
  std::int64_t spilled_ = 0, spilled_read_ = 0;
  Batch current_keys_;
  std::vector<Key> sorted_keys_;
  std::size_t next_key_ = 0;
  bool reading_ = false;

  bool configured_ = false;
  bool writing_ = false;
  std::int64_t log_pages_ = 0;  // of the write-ahead log
  std::int64_t page_bytes_ = 0;
};

}  // namespace sluice::sqlite
