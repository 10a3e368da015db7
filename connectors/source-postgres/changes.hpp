#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sluice/data/batch.hpp"
#include "sluice/pg/pgoutput.hpp"
#include "sluice/pg/types.hpp"
#include "source-postgres/binding.hpp"
#include "source-postgres/key_codec.hpp"

namespace sluice::source_postgres {

// A bound table of a running capture, as far as its documents are concerned.
struct Captured {
  Binding binding;
  Table table;          // as last discovered
  bool active = false;  // changes are captured
  // Precise mode: only rows whose key is not beyond the scanned position.
  bool precise = false;
  std::optional<std::string> scanned;
  std::vector<std::string> scan_key;
};

struct DocumentOptions {
  std::string tag;  // of /_meta/source, or empty
  bool key_change_as_delete_insert = true;
  bool server_timezone = false;
  pg::ValueOptions values;
};

// What a statement can see, as txid_current_snapshot() says; transactions by the 32 bits that the stream
// tells.
struct Snapshot {
  std::uint32_t end = 0;  // later transactions had not begun
  std::vector<std::uint32_t> running;

  static Snapshot parse(std::string_view text);
  bool sees(std::uint32_t xid) const;
};

// Turns the messages of a replication stream into documents. No I/O: bytes in, documents appended to a batch.
class Changes {
 public:
  // `types` outlives this; it may grow.
  Changes(const pg::TypeCatalog& types, DocumentOptions options);
  ~Changes();

  // `table` outlives this, or forget() it. Its members may change between messages; what was derived from
  // them is made anew by refresh().
  void add(Captured& table);
  void refresh();

  enum class Event : std::uint8_t {
    none,
    begin,
    commit,
    relation,  // a definition that was unknown or has changed: see changed_relation()
    truncate,  // of captured tables: see truncated()
  };
  // Applies one message. Documents are committed to `out` under the binding's index. Throws Error{transient}
  // on what no server sends, Error{config} on what cannot be captured (P-09, renamed tables).
  Event apply(const pg::XLogData& message, Batch& out);

  bool in_transaction() const { return begin_.has_value(); }
  // Whether `snapshot` sees the transaction that is being read.
  bool is_seen_by(const Snapshot& snapshot) const { return !begin_ || snapshot.sees(begin_->xid); }
  // End of the last commit, or where the stream started.
  pg::Lsn position() const { return position_; }
  void start_at(pg::Lsn position);

  // Transactions that came by the stream, or await() added, of which it is not known that others see them:
  // one is sent once its commit is in the log, which is before that, and long before if it waits for
  // synchronous replication. settle() forgets those that `snapshot` sees.
  const std::vector<std::uint32_t>& unsettled() const { return unsettled_; }
  void await(std::uint32_t xid) { unsettled_.push_back(xid); }
  void settle(const Snapshot& snapshot);

  // After Event::relation.
  const pg::pgoutput::Relation& changed_relation() const { return *changed_; }
  Captured* changed_table() const { return changed_table_; }
  const std::vector<cdc::TableName>& truncated() const { return truncated_; }

  std::uint64_t documents() const { return documents_; }
  // Changes of tables that are not captured, since the last call, most first, at most `limit`.
  std::vector<std::pair<cdc::TableName, std::uint64_t>> take_discarded(std::size_t limit);

 private:
  struct Relation;

  Relation& relation(pg::Oid oid);
  void learn(const pg::pgoutput::Relation& definition);
  void bind(Relation& r);
  void prepare(Relation& r);
  void insert(const pg::pgoutput::Insert& message, pg::Lsn at, Batch& out);
  void update(const pg::pgoutput::Update& message, pg::Lsn at, Batch& out);
  void remove(const pg::pgoutput::Delete& message, pg::Lsn at, Batch& out);
  void emit(Relation& r, char op, const pg::Field* row, const pg::Field* before, pg::Lsn at, Batch& out);
  void check_key(const Relation& r, const pg::Field* row, std::string_view what) const;
  bool passes(const Relation& r, const pg::Field* row);
  void check_width(const Relation& r, const pg::pgoutput::Tuple& tuple) const;

  const pg::TypeCatalog& types_;
  DocumentOptions options_;
  pg::pgoutput::Decoder decoder_;
  std::unordered_map<pg::Oid, std::unique_ptr<Relation>> relations_;
  Relation* last_ = nullptr;  // rows of one table come in runs
  std::map<cdc::TableName, Captured*> tables_;
  std::optional<pg::pgoutput::Begin> begin_;
  pg::Lsn position_;
  std::string transaction_meta_;  // of /_meta/source, the same for the transaction's documents
  std::string meta_, key_;
  std::vector<pg::Field> old_, new_, gone_;
  const pg::pgoutput::Relation* changed_ = nullptr;
  Captured* changed_table_ = nullptr;
  std::vector<cdc::TableName> truncated_;
  std::uint64_t documents_ = 0;
  std::vector<std::uint32_t> unsettled_;
};

// The members of /_meta/source that are the same for all documents of a table, as all members in the order
// of their names, so that the runtime need not sort them: "schema", "snapshot" of backfilled rows, "table",
// "tag" unless empty. They follow "loc".
std::string source_members(const cdc::TableName& name, bool snapshot, std::string_view tag);
// The columns of a row writer: names and types as sent, captured or not as discovery says.
std::vector<pg::RowColumn> row_columns(const Captured& table,
                                       const std::vector<pg::pgoutput::RelationColumn>& sent);

}  // namespace sluice::source_postgres
