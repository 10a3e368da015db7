#include "source-postgres/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sluice/async/retry.hpp"
#include "sluice/base/error.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"
#include "source-postgres/prerequisites.hpp"
#include "source-postgres/slot.hpp"

namespace sluice::source_postgres {
namespace {

using namespace std::chrono_literals;

// When commits become a checkpoint (capture-postgres §5.8); the runtime merges checkpoints, but each costs
// it.
constexpr auto longest_unreported = 50ms;
// At least, on an idle stream. Few commits are passed on at once; of many, as when catching up, each would
// cost as much as its rows.
constexpr Clock::Duration checkpoint_interval = 500us, busy_checkpoint_interval = 5ms;
constexpr std::size_t few_commits = 8;
constexpr std::size_t most_unreported_bytes = 8u << 20;
constexpr std::size_t most_unreported_commits = 10'000;
// How often a quiet capture moves its position on.
constexpr auto idle_interval = 60s;
constexpr auto check_interval = 10min;
constexpr auto progress_interval = 5min;
// A fence by keepalive: how soon the server is asked again, and after how long without progress a watermark
// is written instead.
constexpr auto first_ask = 5ms;
constexpr auto last_ask = 1s;
constexpr auto watermark_after = 500ms;  // doubled each time
constexpr auto watermark_most = 5s;
constexpr auto flush_after = 20ms;  // where commits wait for the next one to be flushed
constexpr auto farewell = 2s;
// What was sent and is not seen yet usually is at once; a chunk waits this long for it.
constexpr auto settle_interval = 10ms;
constexpr auto settle_patience = 1s;
constexpr std::size_t most_unsettled = 50'000;
constexpr std::size_t frames_a_turn = 4096;
constexpr int reconnects = 10;

constexpr std::string_view delete_insert = "delete_insert", update_only = "update";

Settings session_settings(const protocol::capture::Open& open, pg::RepairCount& repaired) {
  if (!open.capture) throw Error(Error::Kind::transient, "the runtime opened a session without a capture");
  Settings settings = parse_settings(open.capture->config_json);
  settings.features.values.repaired = &repaired;
  return settings;
}

std::vector<Binding> read_bindings(const protocol::capture::Open& open) {
  std::vector<Binding> bindings;
  for (const auto& binding : open.capture->bindings)
    bindings.push_back(parse_binding(static_cast<std::uint32_t>(bindings.size()), binding));
  return bindings;
}

// What the state notes about the source as a whole.
struct SourceNote {
  std::string system;
  std::int64_t timeline = 0;
  std::string key_changes;

  static SourceNote parse(const std::string& text) {
    SourceNote note;
    if (text.empty()) return note;
    json::Tree tree;
    tree.parse(text);
    auto find = [&](const char* name) { return tree.find(tree.root(), name); };
    if (const json::Node* node = find("systemid")) note.system = node->text;
    if (const json::Node* node = find("timeline"))
      std::from_chars(node->text.data(), node->text.data() + node->text.size(), note.timeline);
    if (const json::Node* node = find("key_changes")) note.key_changes = node->text;
    return note;
  }
  std::string text() const {
    std::string out;
    json::Writer w(out);
    w.begin_object().key("systemid").string(system).key("timeline").integer(timeline);
    w.key("key_changes").string(key_changes).end_object();
    return out;
  }
};

// On for captures that began with this connector; a capture taken over goes on as it was.
bool key_change_as_delete_insert(const Settings& settings, const cdc::CaptureState& state) {
  if (settings.features.key_change_as_delete_insert) return *settings.features.key_change_as_delete_insert;
  std::string noted = SourceNote::parse(state.source_json()).key_changes;
  // A capture that was killed before its first position has a state without a note; it begins anew.
  return noted.empty() ? !state.cursor_json().has_value() : noted == delete_insert;
}

DocumentOptions document_options(const Settings& settings, const cdc::CaptureState& state) {
  DocumentOptions options;
  options.tag = settings.config.advanced.source_tag;
  options.server_timezone = settings.features.server_timezone;
  options.values = settings.features.values;
  options.key_change_as_delete_insert = key_change_as_delete_insert(settings, state);
  return options;
}

}  // namespace

// Until when the stream is read; always ends between transactions.
struct Session::Goal {
  std::optional<pg::Lsn> fence;  // everything before this position was taken
  Clock::TimePoint until = Clock::TimePoint::max();
  bool report = true;  // commits become checkpoints on the way
  // Waiting for the fence.
  Clock::TimePoint ask_at{}, progress_at{};
  Clock::Duration ask_delay = first_ask;
  // A fence may lie within a record that nobody hurries to flush; a watermark's commit flushes it.
  Clock::Duration patience = watermark_after;
};

Session::Session(Context& context, protocol::capture::Open open, protocol::CaptureIo io)
    : context_(context),
      open_(std::move(open)),
      io_(std::move(io)),
      settings_(session_settings(open_, repaired_)),
      state_(cdc::CaptureState::parse(open_.state_json)),
      output_(context, std::move(io_.out), state_),
      database_(context, settings_),
      inventory_(context, settings_, read_bindings(open_)),
      backfill_(context, settings_, inventory_, state_, output_, stop_),
      changes_(inventory_.types(), document_options(settings_, state_)),
      random_(static_cast<std::uint64_t>(context.clock.unix_nanoseconds())) {}

Task<> Session::run() {
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(read_acknowledgements(scope));
    scope.spawn(work(scope));
    co_return;
  });
  if (!closed_) output_.close();
}

Task<> Session::read_acknowledgements(Scope& scope) {
  while (auto message = co_await io_.acknowledgements.next()) {
    std::optional<pg::Lsn> position = output_.acknowledge(message->checkpoints);
    if (!position) continue;
    acknowledged_ = std::max(acknowledged_, *position);
    if (stream_) stream_->confirm(acknowledged_);
  }
  stop_ = true;
  if (interruptible_) scope.cancel();
}

// ---- from Open to the stream ----

Task<> Session::work(Scope& scope) {
  interruptible_ = true;
  co_await prepare();
  if (open_.range && open_.range->key_begin != 0) {
    // A slot has one reader: the shard that owns the start of the key space captures for all.
    context_.log.info("another shard of the task captures; this one idles");
    for (;;) co_await context_.clock.sleep(1h);
  }
  Backoff backoff(1s, 60s, 0.2, random_());
  for (int left = reconnects;; --left) {
    std::optional<Error> failure;
    pg::Lsn reported = output_.reported();
    try {
      co_await replicate();
    } catch (const Error& e) {
      failure = e;
    }
    stream_.reset();
    replication_.reset();
    if (!failure) break;
    bool progress = output_.reported() > reported;
    bool again =
        failure->kind() == Error::Kind::transient && resumable_ && !output_.bound() && (progress || left > 0);
    if (!again) throw *failure;
    if (progress) {  // this is another failure than the last
      left = reconnects;
      backoff.reset();
    }
    output_.drop_batch();
    safe_ = output_.reported();
    interruptible_ = true;
    context_.log.warn("the replication connection is opened again", kv("cause", failure->what()),
                      kv("position", safe_.text()));
    co_await context_.clock.sleep(backoff.next());
  }
  scope.cancel();
}

Task<> Session::check(pg::Connection& db) {
  if (settings_.features.skip_prerequisites) co_return;
  cdc::Problems problems;
  co_await check_server(db, settings_, context_.log, problems);
  std::vector<Binding> bindings;
  for (const BoundTable& table : inventory_.tables()) bindings.push_back(table.binding);
  if (!settings_.features.skip_table_prerequisites)
    co_await check_tables(db, settings_, context_.log, bindings, problems);
  problems.raise();
}

Task<> Session::prepare() {
  settings_.features.flags.log(context_.log);
  if (!settings_.config.advanced.max_backfill_xid.empty())
    context_.log.warn("max_backfill_xid has no effect",
                      kv("value", settings_.config.advanced.max_backfill_xid),
                      kv("remedy", "take it out of the configuration"));
  status("Connecting to the database");
  pg::Connection& db = *co_await database_.get();
  status("Verifying requirements");
  co_await check(db);
  co_await inventory_.discover(db);
  asynchronous_commits_ = co_await commits_asynchronously(db);
  co_await output_.opened();
  std::size_t count = inventory_.tables().size();
  status(count == 0 ? "Capture started (no bindings enabled)"
                    : fmt::format("Capture started with {} binding{}", count, count == 1 ? "" : "s"));
  co_await send_schemas();
  std::vector<std::string> keys;
  for (BoundTable& table : inventory_.tables()) {
    keys.push_back(table.binding.state_key);
    changes_.add(table);
  }
  state_.reconcile(keys);
  backfill_.resume();
  co_await output_.checkpoint(std::nullopt);
  schedule_rediscovery();
  checks_due_ = context_.clock.now();
  progress_due_ = context_.clock.now() + progress_interval;
}

Task<> Session::send_schemas() {
  std::vector<protocol::capture::SourcedSchema> schemas = inventory_.take_schemas();
  if (schemas.empty()) co_return;
  co_await output_.schemas(std::move(schemas));
  co_await output_.checkpoint(std::nullopt);
}

std::optional<pg::Lsn> Session::stored_cursor() const {
  if (settings_.features.forced_cursor) return settings_.features.forced_cursor;
  if (!state_.cursor_json()) return settings_.features.initial_cursor;
  json::Tree tree;
  tree.parse(*state_.cursor_json());
  auto lsn = pg::Lsn::parse(tree.root().text);
  if (!lsn)
    throw Error(Error::Kind::config,
                "the cursor " + *state_.cursor_json() + " in the capture's state is no WAL position",
                "Raise the backfill counter of every binding to start over.");
  return lsn;
}

// A position means nothing on another server.
void Session::adopt_system(const System& system, bool has_cursor) {
  SourceNote note = SourceNote::parse(state_.source_json());
  if (has_cursor && !note.system.empty() && note.system != system.id)
    throw Error(
        Error::Kind::config,
        fmt::format(
            "the server has the system id {}, but the capture was made from one with {}: it is another "
            "server, or was set up anew",
            system.id, note.system),
        "Connect to the former server, or raise the backfill counter of every binding to start over.");
  note.system = system.id;
  note.timeline = system.timeline;
  note.key_changes = key_change_as_delete_insert(settings_, state_) ? delete_insert : update_only;
  state_.set_source_json(note.text());
}

Task<pg::Lsn> Session::start_position() {
  const std::string& slot = settings_.config.advanced.slot;
  pg::Connection& db = *co_await database_.get();
  System system = co_await identify_system(*replication_);
  std::optional<pg::Lsn> cursor = safe_;
  if (!resumable_) cursor = stored_cursor();
  adopt_system(system, resumable_ || (cursor && !settings_.features.forced_cursor));
  if (settings_.features.forced_cursor && !resumable_)
    context_.log.warn("the cursor is overridden by force_reset_cursor: changes may be missing or repeated",
                      kv("cursor", cursor->text()),
                      kv("remedy", "take the flag out again once the capture has started"));
  if (!cursor) {
    status("Creating the replication slot");
    if (settings_.features.create_slot) co_await recreate_slot(context_, *replication_, db, slot);
    co_await await_slot(context_, db, slot);
    pg::Lsn now = co_await server_position(db);
    // What commits before that position is not sent, and may not be seen yet either.
    for (std::uint32_t xid : co_await open_transactions(db)) changes_.await(xid);
    co_return now;
  }
  if (!resumable_)  // a former session may have had them sent
    for (std::uint32_t xid : co_await waiting_commits(db)) changes_.await(xid);
  co_await await_slot(context_, db, slot);
  std::optional<Slot> found = co_await load_slot(db, slot);
  pg::Lsn server = co_await server_position(db);
  bool allow_gap =
      settings_.features.allow_slot_gap || (settings_.features.forced_cursor.has_value() && !resumable_);
  check_start(found, slot, settings_.config.database, *cursor, server, allow_gap, context_.log);
  co_return *cursor;
}

Task<> Session::replicate() {
  pg::ConnectOptions options = settings_.connect_options();
  options.replication = true;
  options.connect_timeout_s = 30;
  options.settings["statement_timeout"] = "0";
  replication_ = co_await pg::Connection::connect(context_, std::move(options));
  try {
    co_await open_stream();
  } catch (const Error& e) {
    throw explain_replication_failure(e, settings_.config.advanced.slot);
  }
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(stream_->keep_alive());
    scope.spawn(drive(scope));
    co_return;
  });
}

Task<> Session::open_stream() {
  pg::Lsn start = co_await start_position();
  safe_ = start;
  if (!resumable_) acknowledged_ = std::max(acknowledged_, start);
  changes_.start_at(start);
  pg::Connection& db = *co_await database_.get();
  std::chrono::milliseconds patience = co_await sender_timeout(db);
  stream_ = std::make_unique<Stream>(context_, *replication_, acknowledged_, patience);
  co_await stream_->start(settings_.config.advanced.slot, settings_.config.advanced.publication, start);
}

// ---- the stream ----

Task<> Session::drive(Scope& scope) {
  interruptible_ = false;  // from here on as wait() says
  bool once = io_.stop_when_caught_up;
  if (!resumable_) {
    status("Catching up on changes");
    // Who names a position to begin at wants the changes from there; else they begin where the stream has
    // caught up.
    bool from_position = !state_.cursor_json() && settings_.features.initial_cursor;
    if (from_position && backfill_.start_pending(true)) changes_.refresh();
    Goal goal;
    goal.fence = co_await fence();
    goal.report = !once;
    co_await relay(goal);
    co_await checkpoint();
  }
  resumable_ = true;
  co_await activate_pending();
  while (!stop_) {
    read_again_ = false;
    Clock::TimePoint now = context_.clock.now();
    if (now >= rediscovery_due_) co_await rediscover();
    if (now >= checks_due_) co_await periodic_checks();
    if (now >= progress_due_) log_progress();
    if (BoundTable* table = backfill_.choose()) {
      co_await backfill(*table);
      continue;
    }
    if (once) break;
    status("Streaming change events");
    Clock::TimePoint end =
        std::min({context_.clock.now() + idle_interval, rediscovery_due_, checks_due_, progress_due_});
    co_await stream_until(end);
  }
  if (once && !stop_) co_await checkpoint();
  co_await await_last_acknowledgements();
  scope.cancel();
}

// The documents are out; what is acknowledged of them soon is still confirmed to the slot.
Task<> Session::await_last_acknowledgements() {
  output_.close();
  closed_ = true;
  interruptible_ = true;
  Clock::TimePoint deadline = context_.clock.now() + farewell;
  while (!stop_ && !output_.all_acknowledged() && context_.clock.now() < deadline)
    co_await context_.clock.sleep(10ms);
  stream_->ask();
  co_await context_.clock.sleep(1ms);
}

Task<pg::Lsn> Session::fence() {
  pg::Connection& db = *co_await database_.get();
  co_return co_await fence_position(db, asynchronous_commits_);
}

bool Session::reached(const Goal& goal, Clock::TimePoint now) const {
  if (changes_.in_transaction()) return false;
  if (goal.fence) return safe_ >= *goal.fence || (stop_ && goal.report);
  return stop_ || read_again_ || hurried_ || now >= goal.until;
}

// Reads the stream until the goal is reached. With `report` whatever was read is part of a checkpoint then;
// else that is left to the caller.
Task<> Session::relay(Goal goal) {
  stream_->resume_listening();
  Clock::TimePoint now = goal.progress_at = goal.ask_at = context_.clock.now();
  if (asynchronous_commits_) goal.patience = flush_after;
  for (;;) {
    std::optional<Stream::Frame> frame = stream_->poll();
    if (!frame) {
      now = context_.clock.now();
      if (reached(goal, now)) break;
      frame = co_await wait(goal, now);
      if (!frame) continue;
    }
    bool attention = take(*frame, goal);
    if (attention) co_await attend(goal);
    if (goal.fence && reached(goal, now)) break;
    if (++frames_since_yield_ < frames_a_turn) continue;
    frames_since_yield_ = 0;
    co_await yield();
  }
  if (goal.report && (commits_ > 0 || output_.uncommitted())) co_await checkpoint();
}

Task<> Session::stream_until(Clock::TimePoint end) {
  Goal goal;
  goal.until = end;
  co_await relay(goal);
  hurried_ = false;
  if (safe_ > output_.reported()) co_await checkpoint();
}

// Applies a frame. True if something has to be done before the next: attend().
bool Session::take(const Stream::Frame& frame, const Goal& goal) {
  if (const auto* keepalive = std::get_if<pg::Keepalive>(&frame)) {
    // All that was committed before this position has been sent; within a transaction it says nothing.
    if (changes_.in_transaction()) return false;
    safe_ = std::max(safe_, keepalive->wal_end);
    // It may be waiting for us to confirm this, before it shuts down.
    hurried_ = keepalive->reply_requested && safe_ > output_.reported();
    return false;
  }
  event_ = changes_.apply(std::get<pg::XLogData>(frame), output_.batch());
  switch (event_) {
    case Changes::Event::commit:
      safe_ = std::max(safe_, changes_.position());
      if (commits_++ == 0) first_commit_ = context_.clock.now();
      return output_.full() || (goal.report && report_due()) || changes_.unsettled().size() >= most_unsettled;
    case Changes::Event::relation:
    case Changes::Event::truncate:
      return true;
    case Changes::Event::none:
    case Changes::Event::begin:
      return output_.full();
  }
  return false;
}

Task<> Session::attend(const Goal& goal) {
  if (event_ == Changes::Event::relation) co_await on_relation();
  if (event_ == Changes::Event::truncate)
    for (const cdc::TableName& table : changes_.truncated())
      context_.log.warn("a table was truncated, which is not captured: its documents stay",
                        kv("table", table.text()),
                        kv("remedy",
                           "fill destinations anew: raise the backfill counters of the capture's and the "
                           "materialization's binding, and let its source begin now (notBefore)"));
  if (changes_.unsettled().size() >= most_unsettled) {
    Snapshot seen = co_await snapshot();
    changes_.settle(seen);
  }
  bool between = !changes_.in_transaction();
  if (goal.report && between && commits_ > 0 && (output_.full() || report_due()))
    co_await checkpoint();
  else if (output_.full())
    co_await output_.flush();
  stream_->resume_listening();
}

bool Session::report_due() const {
  return commits_ >= most_unreported_commits || output_.uncommitted_bytes() >= most_unreported_bytes ||
         (commits_ > 1 && context_.clock.now() - first_commit_ >= longest_unreported);
}

Task<> Session::checkpoint() {
  commits_ = 0;
  if (repaired_ > 0 && !std::exchange(repair_said_, true))
    context_.log.warn("values hold bytes that are no text, which were replaced by U+FFFD",
                      kv("remedy", "correct them in the source, to have them captured as they are meant"));
  co_await output_.checkpoint(safe_);
}

// Nothing has arrived: does what is due, then waits for a frame or for the next thing to do.
Task<std::optional<Stream::Frame>> Session::wait(Goal& goal, Clock::TimePoint now) {
  std::optional<Stream::Frame> frame;
  bool between = !changes_.in_transaction();
  // A transaction is read to its end, however long after the goal's time.
  Clock::TimePoint deadline = between ? goal.until : Clock::TimePoint::max();
  if (goal.report && between && commits_ > 0) {
    bool few = commits_ <= few_commits;
    if (few && !output_.batch().empty()) {
      // Documents need not wait for their checkpoint: they are written before that is prepared.
      co_await output_.flush();
      now = context_.clock.now();
    }
    Clock::TimePoint due = output_.last_checkpoint() + (few ? checkpoint_interval : busy_checkpoint_interval);
    if (now >= due) {
      co_await checkpoint();
      stream_->resume_listening();
      co_return frame;
    }
    deadline = std::min(deadline, due);
  }
  if (goal.fence) {
    co_await press(goal, now);
    stream_->resume_listening();
    deadline = std::min(deadline, goal.ask_at);
  }
  interruptible_ = goal.report && between && commits_ == 0 && !output_.uncommitted();
  pg::Lsn before = safe_;
  try {
    frame = co_await stream_->next(deadline);
  } catch (const Error& e) {
    throw explain_replication_failure(e, settings_.config.advanced.slot);
  }
  interruptible_ = false;
  if (frame && (std::holds_alternative<pg::XLogData>(*frame) || safe_ > before))
    goal.progress_at = context_.clock.now();
  co_return frame;
}

// Towards a fence: asks the server for its position, and if nothing moves makes sure that something is
// committed.
Task<> Session::press(Goal& goal, Clock::TimePoint now) {
  if (now < goal.ask_at) co_return;
  stream_->ask();
  goal.ask_at = now + goal.ask_delay;
  goal.ask_delay = std::min<Clock::Duration>(2 * goal.ask_delay, last_ask);
  if (settings_.config.advanced.read_only || now - goal.progress_at < goal.patience) co_return;
  goal.progress_at = now;
  goal.patience = std::min<Clock::Duration>(2 * goal.patience, watermark_most);
  co_await write_watermark();
}

Task<> Session::write_watermark() {
  pg::Connection& db = *co_await database_.get();
  const cdc::TableName& table = settings_.watermarks;
  std::string value = fmt::format("'{:016x}{:016x}'", random_(), random_());
  // One implicit transaction, of which nothing is left if it fails. "local": flushed, whoever waits for
  // standbys.
  co_await db.run("SELECT set_config('synchronous_commit', 'local', true); INSERT INTO " +
                  pg::quote_table(table.schema, table.table) + " (slot, watermark) VALUES (" +
                  pg::quote_literal(settings_.config.advanced.slot) + ", " + value +
                  ") ON CONFLICT (slot) DO UPDATE SET watermark = " + value);
  context_.log.debug("watermark written", kv("table", table.text()));
}

// A table's columns are not what discovery knew: looks again, so that the schema precedes the first document
// of its new form.
Task<> Session::on_relation() {
  if (changes_.changed_table() == nullptr || !changes_.changed_table()->active) co_return;
  auto& table = static_cast<BoundTable&>(*changes_.changed_table());
  std::string sent = shape(changes_.changed_relation());
  pg::Oid oid = changes_.changed_relation().oid;
  auto known = [&] { return sent == replicated_shape(table.table) && oid == table.table.oid; };
  if (known()) co_return;
  std::string looked_up = sent + " " + std::to_string(oid);
  if (looked_up == table.looked_up) co_return;
  table.looked_up = std::move(looked_up);
  context_.log.info("a table has changed", kv("table", table.binding.name.text()));
  pg::Connection& db = *co_await database_.get();
  // The change of the table may be of this very transaction, which is sent a moment before others see it.
  for (Clock::TimePoint end = context_.clock.now() + settle_patience;;) {
    Snapshot seen = co_await snapshot();
    co_await inventory_.discover(db, table);
    if (known() || changes_.is_seen_by(seen) || context_.clock.now() >= end) break;
    co_await context_.clock.sleep(settle_interval);
  }
  follow_recreated(table);
  changes_.refresh();
  std::vector<protocol::capture::SourcedSchema> schemas = inventory_.take_schemas(table);
  if (!schemas.empty()) co_await output_.schemas(std::move(schemas));
}

// ---- tables ----

Task<> Session::activate_pending() {
  if (!backfill_.start_pending()) co_return;
  changes_.refresh();
  co_await checkpoint();
}

Task<Snapshot> Session::snapshot() {
  pg::Connection& db = *co_await database_.get();
  pg::Rows rows = co_await db.query("SELECT txid_current_snapshot()");
  co_return Snapshot::parse(rows.text(0, 0));
}

// Whether a chunk would see all that the stream has brought: else it would bring old rows back.
Task<bool> Session::settle() {
  Clock::TimePoint end = context_.clock.now() + settle_patience;
  while (!changes_.unsettled().empty()) {
    Snapshot seen = co_await snapshot();
    changes_.settle(seen);
    if (changes_.unsettled().empty()) break;
    if (context_.clock.now() >= end) co_return false;
    co_await context_.clock.sleep(settle_interval);
  }
  co_return true;
}

// A chunk, and with it every change up to a fence that was sampled after it.
Task<> Session::backfill(BoundTable& table) {
  bool settled = co_await settle();
  if (!settled) {
    status(
        fmt::format("Waiting to read tables until {} open transactions have ended, or their commits are let "
                    "through by synchronous replication",
                    changes_.unsettled().size()));
    if (!warn_unsettled_at_) warn_unsettled_at_ = context_.clock.now() + patience_with_transactions;
    if (context_.clock.now() >= *warn_unsettled_at_) {
      pg::Connection& db = *co_await database_.get();
      co_await warn_of_oldest_transaction(context_, db, changes_.unsettled());
      warn_unsettled_at_ = context_.clock.now() + between_warnings;
    }
    co_await stream_until(context_.clock.now() + settle_patience);
    co_return;
  }
  warn_unsettled_at_.reset();
  status("Backfilling tables" + backfill_.progress());
  bool read = co_await backfill_.read_chunk(database_, table);
  output_.bind();
  if (!read) {
    follow_recreated(table);
    changes_.refresh();
  }
  std::vector<protocol::capture::SourcedSchema> schemas = inventory_.take_schemas(table);
  if (!schemas.empty()) co_await output_.schemas(std::move(schemas));
  Goal goal;
  goal.fence = co_await fence();
  goal.report = false;
  co_await relay(goal);
  if (!table.found) lose(table);
  co_await checkpoint();
}

// Changes that come before its first chunk are part of what that reads.
void Session::follow_recreated(BoundTable& table) {
  bool again = std::exchange(table.recreated, false) && table.active && table.found;
  if (!again || !settings_.features.rebackfill_recreated_tables) return;
  backfill_.begin_again(table);
  read_again_ = true;
}

void Session::lose(BoundTable& table) {
  context_.log.warn("a table is gone; the others are captured on", kv("table", table.binding.name.text()),
                    kv("remedy", "remove its binding, or create the table again"));
  state_.change(table.binding.state_key).mode = cdc::TableMode::missing;
  table.active = false;
}

Task<> Session::rediscover() {
  schedule_rediscovery();
  pg::Connection& db = *co_await database_.get();
  bool changed = co_await inventory_.discover(db);
  for (BoundTable& table : inventory_.tables()) follow_recreated(table);
  if (changed) changes_.refresh();
  bool lost = false;
  for (BoundTable& table : inventory_.tables()) lost = lost || (table.active && !table.found);
  if (lost) {
    // What the stream still holds of them comes first.
    Goal goal;
    goal.fence = co_await fence();
    co_await relay(goal);
    for (BoundTable& table : inventory_.tables())
      if (table.active && !table.found) lose(table);
    co_await checkpoint();
  }
  co_await send_schemas();
  co_await activate_pending();
}

void Session::schedule_rediscovery() {
  std::uniform_real_distribution<double> factor(0.5, 1.5);
  auto interval = std::chrono::duration_cast<Clock::Duration>(settings_.config.advanced.rediscovery_interval *
                                                              factor(random_));
  rediscovery_due_ = context_.clock.now() + interval;
}

Task<> Session::periodic_checks() {
  checks_due_ = context_.clock.now() + check_interval;
  pg::Connection& db = *co_await database_.get();
  pg::Rows now = co_await db.query(
      "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE txid_snapshot_xmax(txid_current_snapshot()) % "
      "4294967296 END");
  context_.log.debug("current transaction id", kv("xid", now.text(0, 0)));
  if (!changes_.unsettled().empty()) {  // ids are compared as 32 bits that wrap around
    Snapshot seen = co_await snapshot();
    changes_.settle(seen);
  }
  std::vector<std::optional<std::string>> parameters;
  parameters.emplace_back(settings_.config.advanced.slot);
  pg::Rows slot = co_await db.query(
      "SELECT confirmed_flush_lsn - restart_lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 "
      "AND "
      "confirmed_flush_lsn - restart_lsn > 4294967296",
      std::move(parameters));
  if (!slot.empty())
    context_.log.warn("a long transaction keeps the server from removing old WAL",
                      kv("bytes", slot.text(0, 0)),
                      kv("remedy", "end the oldest transactions that have written"));
  pg::Rows old = co_await db.query(
      "SELECT pid, date_trunc('second', now() - xact_start), usename, application_name, state, left(query, "
      "200) "
      "FROM pg_catalog.pg_stat_activity WHERE xact_start < now() - interval '30 minutes' AND backend_type = "
      "'client "
      "backend' ORDER BY xact_start LIMIT 10");
  for (std::size_t i = 0; i < old.size(); ++i)
    context_.log.warn("a transaction is open for long", kv("pid", old.text(i, 0)), kv("age", old.text(i, 1)),
                      kv("user", old.text(i, 2)), kv("application", old.text(i, 3)),
                      kv("state", old.text(i, 4)), kv("query", old.text(i, 5)),
                      kv("remedy", "end it, or run SELECT pg_terminate_backend(" + old.text(i, 0) + ")"));
}

void Session::status(std::string text) {
  if (text == last_status_) return;
  context_.log.status(text);
  last_status_ = std::move(text);
}

void Session::log_progress() {
  progress_due_ = context_.clock.now() + progress_interval;
  std::uint64_t documents = output_.documents() - progress_documents_,
                bytes = output_.bytes() - progress_bytes_;
  progress_documents_ = output_.documents();
  progress_bytes_ = output_.bytes();
  double seconds = std::chrono::duration<double>(progress_interval).count();
  context_.log.info("progress", kv("documents", documents),
                    kv("mb_per_s", static_cast<double>(bytes) / 1e6 / seconds), kv("position", safe_.text()),
                    kv("confirmed", acknowledged_.text()));
  for (const auto& [table, changes] : changes_.take_discarded(20))
    context_.log.debug("changes of a table that is not captured", kv("table", table.text()),
                       kv("changes", changes));
}

}  // namespace sluice::source_postgres
