#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/base/error.hpp"
#include "sluice/pg/connection.hpp"
#include "source-postgres/config.hpp"

// The replication slot and where in it a session starts (capture-postgres §5.2, §5.3).
namespace sluice::source_postgres {

// A row of pg_replication_slots.
struct Slot {
  std::string plugin, type, database, wal_status, invalidation_reason;
  bool active = false;
  std::int64_t active_pid = 0;
  std::optional<pg::Lsn> restart, confirmed;

  // Has the server dropped what it kept for the slot? Then it is of no use any more.
  bool invalidated() const { return wal_status == "lost" || !invalidation_reason.empty(); }

  // `row_json` is row_to_json of the row: columns that the server's version lacks are absent.
  static Slot parse(std::string_view row_json);
};
Task<std::optional<Slot>> load_slot(pg::Connection& db, std::string name);

// The end of what is certainly in the write-ahead log: the replay position on a standby.
Task<pg::Lsn> server_position(pg::Connection& db);
// A position that no transaction visible by now is beyond (§5.7). That is server_position(), unless commits
// are not flushed before they become visible (synchronous_commit off): then it is the end of what was
// inserted, which the stream passes once that is flushed.
Task<pg::Lsn> fence_position(pg::Connection& db, bool asynchronous_commits);
Task<bool> commits_asynchronously(pg::Connection& db);
// Transactions of this database that have written and not ended.
Task<std::vector<std::uint32_t>> open_transactions(pg::Connection& db);
// For how long they are waited for in silence, and then between warnings.
constexpr std::chrono::seconds patience_with_transactions{10}, between_warnings{60};
// Warns of the oldest of these, or with none of all that have written, with the way out.
Task<> warn_of_oldest_transaction(Context& context, pg::Connection& db, std::vector<std::uint32_t> xids);
// Those of them whose commit is in the log, but waits for synchronous replication; as far as the role may
// know.
Task<std::vector<std::uint32_t>> waiting_commits(pg::Connection& db);
// How long a walsender of this role hears nothing before it gives up; 0: for ever.
Task<std::chrono::milliseconds> sender_timeout(pg::Connection& db);

// What IDENTIFY_SYSTEM says on a replication connection.
struct System {
  std::string id;
  std::int64_t timeline = 0;
};
// Throws Error{config} (C-03) if something between drops the replication parameter.
Task<System> identify_system(pg::Connection& replication);

// Whether a stream may start at `cursor`. Throws Error{config} (R-03 … R-06, P-04) with the way out.
void check_start(const std::optional<Slot>& slot, const std::string& name, const std::string& database,
                 pg::Lsn cursor, pg::Lsn server, bool allow_gap, const Log& log);

// The same for Validate, which does not know the cursor: warns that the slot is gone or invalidated.
Task<> warn_of_lost_slot(pg::Connection& db, std::string name, Log log);

// Drops the slot, if there is one, and creates it. Warns of the oldest transaction while it has to wait for
// some, by `db`.
Task<> recreate_slot(Context& context, pg::Connection& replication, pg::Connection& db, std::string name);

// Waits until no other session uses the slot, for a minute and with a warning, as a former one may just be
// dying; then R-02.
Task<> await_slot(Context& context, pg::Connection& db, std::string name);

// Gives failures of a replication command their meaning (R-01 …, P-13).
Error explain_replication_failure(Error failure, const std::string& slot);

}  // namespace sluice::source_postgres
