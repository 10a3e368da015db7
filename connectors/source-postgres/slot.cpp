#include "source-postgres/slot.hpp"

#include <fmt/format.h>

#include <charconv>

#include "sluice/async/retry.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/json/tree.hpp"

namespace sluice::source_postgres {
namespace {

using namespace std::chrono_literals;

constexpr const char* start_over =
    "Raise the backfill counter of every binding: the slot is then created anew and all tables are read "
    "again. What was deleted meanwhile stays in destinations unless they are filled anew, too.";

std::string text_member(const json::Tree& tree, std::string_view name) {
  const json::Node* node = tree.find(tree.root(), name);
  return node != nullptr && node->kind == json::Kind::string ? std::string(node->text) : std::string();
}

std::optional<pg::Lsn> lsn_member(const json::Tree& tree, std::string_view name) {
  return pg::Lsn::parse(text_member(tree, name));
}

bool true_member(const json::Tree& tree, std::string_view name) {
  const json::Node* node = tree.find(tree.root(), name);
  return node != nullptr && node->kind == json::Kind::boolean && node->truth;
}

Error refusal(std::string message, std::string hint = start_over) {
  return {Error::Kind::config, std::move(message), std::move(hint)};
}

std::vector<std::optional<std::string>> one(std::string parameter) {
  std::vector<std::optional<std::string>> parameters;
  parameters.emplace_back(std::move(parameter));
  return parameters;
}

std::vector<std::uint32_t> xids_of(const pg::Rows& rows) {
  std::vector<std::uint32_t> xids(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string_view xid = rows.at(i, 0).value();
    std::from_chars(xid.data(), xid.data() + xid.size(), xids[i]);
  }
  return xids;
}

Task<> watch_creation(Context& context, pg::Connection& db) {
  co_await context.clock.sleep(patience_with_transactions);
  for (;;) {
    context.log.status("waiting for open transactions to end before the replication slot can be created");
    co_await warn_of_oldest_transaction(context, db, {});
    co_await context.clock.sleep(between_warnings);
  }
}

Task<> create(pg::Connection& replication, std::string command, Scope& scope) {
  co_await replication.run(std::move(command));
  scope.cancel();
}

}  // namespace

Slot Slot::parse(std::string_view row_json) {
  json::Tree tree;
  tree.parse(row_json);
  Slot slot;
  slot.plugin = text_member(tree, "plugin");
  slot.type = text_member(tree, "slot_type");
  slot.database = text_member(tree, "database");
  slot.wal_status = text_member(tree, "wal_status");
  slot.invalidation_reason = text_member(tree, "invalidation_reason");
  if (slot.invalidation_reason.empty() && true_member(tree, "conflicting"))
    slot.invalidation_reason = "conflict with recovery";
  slot.active = true_member(tree, "active");
  if (const json::Node* pid = tree.find(tree.root(), "active_pid");
      pid != nullptr && pid->kind == json::Kind::number)
    std::from_chars(pid->text.data(), pid->text.data() + pid->text.size(), slot.active_pid);
  slot.restart = lsn_member(tree, "restart_lsn");
  slot.confirmed = lsn_member(tree, "confirmed_flush_lsn");
  return slot;
}

Task<std::optional<Slot>> load_slot(pg::Connection& db, std::string name) {
  pg::Rows rows =
      co_await db.query("SELECT row_to_json(s) FROM pg_catalog.pg_replication_slots s WHERE slot_name = $1",
                        one(std::move(name)));
  std::optional<Slot> slot;
  if (!rows.empty()) slot = Slot::parse(rows.text(0, 0));
  co_return slot;
}

Task<pg::Lsn> fence_position(pg::Connection& db, bool asynchronous_commits) {
  std::string here = asynchronous_commits ? "pg_current_wal_insert_lsn()" : "pg_current_wal_flush_lsn()";
  pg::Rows rows = co_await db.query(
      "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE " + here + " END");
  auto lsn = pg::Lsn::parse(rows.text(0, 0));
  if (!lsn)
    throw Error(Error::Kind::transient, "the server gave \"" + rows.text(0, 0) + "\" as its WAL position");
  co_return *lsn;
}

Task<pg::Lsn> server_position(pg::Connection& db) { return fence_position(db, false); }

Task<bool> commits_asynchronously(pg::Connection& db) {
  pg::Rows rows = co_await db.query("SHOW synchronous_commit");
  co_return rows.text(0, 0) == "off";
}

// Each holds a lock on its own id until others see how it ended; a snapshot does not tell of the youngest.
Task<std::vector<std::uint32_t>> open_transactions(pg::Connection& db) {
  pg::Rows rows = co_await db.query(
      "SELECT l.transactionid FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = "
      "l.pid LEFT JOIN pg_catalog.pg_database d ON d.oid = a.datid LEFT JOIN pg_catalog.pg_prepared_xacts p "
      "ON p.transaction = l.transactionid WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' "
      "AND coalesce(d.datname, p.database, current_database()) = current_database()");
  co_return xids_of(rows);
}

Task<> warn_of_oldest_transaction(Context& context, pg::Connection& db, std::vector<std::uint32_t> xids) {
  std::vector<std::optional<std::string>> parameters;
  parameters.emplace_back(fmt::format("{{{}}}", fmt::join(xids, ",")));
  // Of other roles' sessions only members of pg_read_all_stats see the state and the age.
  pg::Rows rows = co_await db.query(
      "SELECT pid, usename, application_name, coalesce(state, 'hidden'), "
      "coalesce(date_trunc('second', now() - xact_start)::text, 'hidden'), coalesce(wait_event, '') "
      "FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() "
      "AND ($1 = '{}' OR backend_xid::text = ANY ($1::text[])) ORDER BY age(backend_xid) DESC LIMIT 1",
      parameters);
  if (!rows.empty()) {
    std::string pid = rows.text(0, 0);
    bool replicates = rows.text(0, 5) == "SyncRep";
    context.log.warn(
        "an open transaction is waited for", kv("pid", pid), kv("user", rows.text(0, 1)),
        kv("application", rows.text(0, 2)), kv("state", rows.text(0, 3)), kv("age", rows.text(0, 4)),
        kv("remedy", replicates ? "start the standbys of synchronous_standby_names that its commit waits for"
                                : "end it, or run SELECT pg_terminate_backend(" + pid + ")"));
    co_return;
  }
  rows = co_await db.query(
      "SELECT gid, owner, date_trunc('second', now() - prepared) FROM pg_catalog.pg_prepared_xacts "
      "WHERE $1 = '{}' OR transaction::text = ANY ($1::text[]) ORDER BY age(transaction) DESC LIMIT 1",
      std::move(parameters));
  if (!rows.empty())
    context.log.warn(
        "a prepared transaction is waited for", kv("gid", rows.text(0, 0)), kv("user", rows.text(0, 1)),
        kv("age", rows.text(0, 2)),
        kv("remedy", "run ROLLBACK PREPARED " + pg::quote_literal(rows.text(0, 0)) + ", or COMMIT PREPARED"));
}

Task<std::vector<std::uint32_t>> waiting_commits(pg::Connection& db) {
  pg::Rows rows = co_await db.query(
      "SELECT backend_xid FROM pg_catalog.pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_xid IS "
      "NOT "
      "NULL");
  co_return xids_of(rows);
}

Task<std::chrono::milliseconds> sender_timeout(pg::Connection& db) {
  pg::Rows rows =
      co_await db.query("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'");
  std::int64_t ms = 0;
  std::string text = rows.empty() ? "" : rows.text(0, 0);
  std::from_chars(text.data(), text.data() + text.size(), ms);
  co_return std::chrono::milliseconds(ms);
}

Task<System> identify_system(pg::Connection& replication) {
  System system;
  try {
    pg::Rows rows = co_await replication.run("IDENTIFY_SYSTEM");
    system.id = rows.text(0, 0);
    std::string timeline = rows.text(0, 1);
    std::from_chars(timeline.data(), timeline.data() + timeline.size(), system.timeline);
  } catch (const Error& e) {
    if (replication.broken() || e.sqlstate() != "42601") throw;
    throw Error(
        Error::Kind::config, "the server does not know replication commands on this connection",
        "A connection pooler in between drops the replication parameter: give the direct address of the "
        "database.");
  }
  co_return system;
}

void check_start(const std::optional<Slot>& slot, const std::string& name, const std::string& database,
                 pg::Lsn cursor, pg::Lsn server, bool allow_gap, const Log& log) {
  if (!slot)
    throw refusal(fmt::format("replication slot \"{}\" is gone, and with it the changes since {}", name,
                              cursor.text()));
  if (slot->type != "logical" || slot->database != database || slot->plugin != "pgoutput")
    throw refusal(
        fmt::format(
            "replication slot \"{}\" is a {} slot of database \"{}\" with plugin \"{}\", not a logical "
            "one of \"{}\" with pgoutput",
            name, slot->type, slot->database, slot->plugin, database),
        "Set another /advanced/slotName.");
  if (slot->invalidated())
    throw refusal(fmt::format("replication slot \"{}\" was invalidated by the server ({})", name,
                              slot->invalidation_reason.empty() ? "max_slot_wal_keep_size was exceeded"
                                                                : slot->invalidation_reason));
  if (cursor > server)
    throw refusal(
        fmt::format("the capture has read up to {}, but the server's log ends at {}: it is another server, "
                    "or was restored from a backup",
                    cursor.text(), server.text()));
  if (slot->confirmed && cursor < *slot->confirmed) {
    std::string what = fmt::format(
        "replication slot \"{}\" starts at {}, beyond {} where the capture stopped: it was "
        "created anew or is used by another capture, and the changes between are lost",
        name, slot->confirmed->text(), cursor.text());
    if (!allow_gap)
      throw refusal(std::move(what),
                    std::string(start_over) + " To accept the gap set the feature flag allow_slot_gap.");
    log.warn("changes are missing", kv("cause", what),
             kv("remedy", "raise the backfill counter of every binding to have all rows again"));
  }
}

Task<> warn_of_lost_slot(pg::Connection& db, std::string name, Log log) {
  std::optional<Slot> slot = co_await load_slot(db, name);
  if (slot && !slot->invalidated()) co_return;
  log.warn(slot ? "the replication slot was invalidated by the server: if the capture has run, it cannot go on"
                : "the replication slot does not exist: if the capture has run, it cannot go on",
           kv("slot", name), kv("remedy", start_over));
}

Task<> recreate_slot(Context& context, pg::Connection& replication, pg::Connection& db, std::string name) {
  std::string quoted = pg::quote_identifier(name);
  std::optional<Slot> old = co_await load_slot(db, name);
  if (old) {
    co_await await_slot(context, db, name);
    co_await replication.run("DROP_REPLICATION_SLOT " + quoted);
    context.log.info("replication slot dropped", kv("slot", name));
  }
  std::string command = "CREATE_REPLICATION_SLOT " + quoted + " LOGICAL pgoutput NOEXPORT_SNAPSHOT";
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(create(replication, std::move(command), scope));
    scope.spawn(watch_creation(context, db));
    co_return;
  });
  context.log.info("replication slot created", kv("slot", name));
}

Task<> await_slot(Context& context, pg::Connection& db, std::string name) {
  constexpr auto patience = 60s;
  Clock::TimePoint deadline = context.clock.now() + patience;
  Backoff backoff(100ms, 5s, 0.2, 1);
  for (int look = 1;; ++look) {
    std::optional<Slot> slot = co_await load_slot(db, name);
    if (!slot || !slot->active) co_return;
    if (context.clock.now() >= deadline)
      throw Error(
          Error::Kind::config,
          fmt::format("replication slot \"{}\" is in use by the server process {}", name, slot->active_pid),
          "Every capture needs its own slot: set another /advanced/slotName, or stop the other capture.");
    if (look == 2)  // a former session that was just dying is gone by now
      context.log.warn("waiting for the replication slot, which another session uses", kv("slot", name),
                       kv("pid", slot->active_pid), kv("patience_s", std::chrono::seconds(patience).count()),
                       kv("remedy", "stop the other run or capture, or set another /advanced/slotName"));
    co_await context.clock.sleep(backoff.next());
  }
}

Error explain_replication_failure(Error failure, const std::string& slot) {
  const std::string& code = failure.sqlstate();
  if (code == "55006")
    failure.set_hint(
        "Every capture needs its own slot: set another /advanced/slotName, or stop the other capture.");
  else if (code == "42704")
    failure.set_hint("The replication slot \"" + slot + "\" or the publication does not exist any more. " +
                     start_over);
  else if (code == "55000")
    failure.set_hint(start_over);
  else if (code == "53300")
    failure.set_hint(
        "Raise max_wal_senders or max_connections of the server, or stop another replication client.");
  else if (code == "53400")
    failure.set_hint("Raise max_replication_slots of the server, or drop slots that are not used any more.");
  else if (code == "42501")
    failure.set_hint("Give the role the REPLICATION attribute.");
  if (failure.message().find("while in recovery") != std::string::npos ||
      failure.message().find("during recovery") != std::string::npos)
    failure.set_hint("Decoding on a standby needs PostgreSQL 16 or later; capture from the primary.");
  return failure;
}

}  // namespace sluice::source_postgres
