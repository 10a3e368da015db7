#pragma once
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/async/event.hpp"
#include "sluice/async/task.hpp"
#include "sluice/runtime/faults.hpp"
#include "sluice/runtime/sequencer.hpp"
#include "sluice/runtime/state_store.hpp"

namespace sluice {
class CpuPool;
}

namespace sluice::runtime {

// The file in `folder` that holds the log of a collection: its percent-encoded name.
std::filesystem::path log_path(const std::filesystem::path& folder, std::string_view collection);

// Tells write schemas apart; all zero for none.
struct SchemaHash {
  std::uint64_t low = 0, high = 0;
  friend bool operator==(const SchemaHash&, const SchemaHash&) = default;
};
SchemaHash schema_hash(std::string_view write_schema);

// The documents of one collection: newline-delimited JSON in one file. Transactions lie in it one after the
// other, each closed by an acknowledgement line. What a crash or failure left behind the last committed
// transaction is cut off before anything is appended, so that a reader sees committed documents only.
class CollectionLog {
 public:
  class Transaction;

  // `store` says where the log ends and outlives it. Blocks: restores the file (recovery of §12.2).
  CollectionLog(Executor executor, StateStore& store, const std::filesystem::path& folder,
                std::string collection, Faults faults = {});
  ~CollectionLog();

  const std::string& collection() const { return collection_; }
  const std::filesystem::path& path() const;
  // Everything below this offset is committed and acknowledged.
  std::uint64_t published() const { return published_; }
  // How often the schema inferred for the collection has changed since the process started.
  std::uint64_t schema_epoch() const { return schema_changes_.size(); }
  // Everything below this offset is published, and admitted by the schema that was stored in that epoch.
  std::uint64_t published(std::uint64_t epoch) const {
    return epoch < schema_epoch() ? schema_changes_[epoch] : published_;
  }
  // From this offset on all documents were found valid for the write schema, or for what their collection's
  // schema is inferred from, when this process captured them; npos if the last ones were not.
  std::uint64_t valid_from(const SchemaHash& write_schema) const {
    return write_schema == valid_.schema && write_schema != SchemaHash() ? valid_.from : npos;
  }
  static constexpr std::uint64_t npos = ~std::uint64_t{0};
  // Of the last transactions of this process, which are published, those that follow `offset` without a gap.
  std::vector<KnownTransaction> known_from(std::uint64_t offset) const;
  // What is published from now on may need another schema, which the store has already.
  void schema_changed();
  // Notified when published() grows and when the schema changes.
  Event& grown() { return grown_; }
  // Waits until no other transaction writes this log and starts one. Several logs are taken in ascending
  // order of their names, or two tasks could wait for each other.
  // `write_schema` is what every document of the transaction was validated with, if that is known.
  Task<std::unique_ptr<Transaction>> begin(SchemaHash write_schema = {});
  // Lets readers see what is committed although its writer failed before the end of its turn.
  Task<> recover(CpuPool& cpu);

 private:
  struct Tail;
  StateStore& store_;
  std::string collection_;
  Faults faults_;
  std::unique_ptr<Tail> tail_;  // touched by the holder of the transaction only
  Event grown_, released_;
  std::uint64_t published_ = 0;
  std::vector<std::uint64_t> schema_changes_;  // published() at each
  struct {
    SchemaHash schema;
    std::uint64_t from = 0;
  } valid_;  // of what is published
  std::deque<KnownTransaction> known_;
  bool taken_ = false;
};

// One writer's turn on a log, ended by destroying it. Unless publish() was reached, what was appended is cut
// off by the next turn, or kept if the store knows it as committed after all.
class CollectionLog::Transaction {
 public:
  Transaction(CollectionLog& log, const SchemaHash& write_schema);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // The calls below block and belong on the pool, one at a time and in this order.

  // Opens the file and brings it to the end of the last committed transaction.
  void restore();
  // Appends complete lines; text() is for building them in place, and written() must follow each.
  std::string& text();
  void written();
  // Other logs are written next: keeps no memory meanwhile.
  void pause();
  // Everything appended is on the disk. The position is what the store must commit. `known` is the UUID of
  // the acknowledgement, of a writer that vouches for what KnownTransaction says.
  LogPosition prepare(std::string acknowledgement, std::optional<Uuid> known = {});
  // After that commit: appends the acknowledgement line.
  void acknowledge();

  // On the loop: lets readers see it.
  void publish();

 private:
  CollectionLog& log_;
  SchemaHash write_schema_;
  std::uint64_t first_ = 0;  // where its documents begin
  std::optional<Uuid> known_;
};

}  // namespace sluice::runtime
