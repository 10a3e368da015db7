#include "sluice/runtime/materialize_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "combine_binding.hpp"
#include "key_set.hpp"
#include "mutex.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/collection.hpp"
#include "sluice/runtime/connector_state.hpp"
#include "sluice/runtime/log_reader.hpp"
#include "sluice/runtime/row.hpp"
#include "sluice/runtime/uuid.hpp"
#include "source_filter.hpp"

namespace sluice::runtime {
namespace {

using namespace std::chrono_literals;
using protocol::Checkpoint;
using protocol::ConnectorState;
using protocol::MaterializeInput;
using protocol::MaterializeOutput;
using protocol::StoreBatch;
namespace materialize = protocol::materialize;

constexpr std::size_t piece_bytes = 1_MiB;  // of documents handled in one go on the pool
constexpr auto default_max_transaction = 5min;
// Greater than every packed key: all keys may exist.
constexpr std::string_view unknown_history = "\xff";

constexpr std::uint64_t no_limit = ~std::uint64_t{0};

Clock::Duration duration_of(const protocol::Duration& duration) {
  return std::chrono::duration_cast<Clock::Duration>(std::chrono::seconds(duration.seconds) +
                                                     std::chrono::nanoseconds(duration.nanos));
}

std::optional<std::string> get(StateStore* store, std::string task, std::string key) {
  return store->get(task, key);
}

// A binding of the session and where it is in its source. Used on the pool by one call at a time.
struct Source {
  Source(const protocol::MaterializationBinding& binding, CollectionLog& l, std::uint64_t epoch,
         const protocol::CheckpointSource& resume)
      : log(l),
        schema_epoch(epoch),
        reader(l.path(), resume),
        filter(binding),
        delta(binding.delta_updates),
        priority(binding.priority),
        offset(static_cast<std::uint64_t>(resume.read_through)) {
    const protocol::CollectionSpec& collection = *binding.collection;
    if (admits_captured(collection)) write_schema = schema_hash(collection.write_schema_json);
  }

  // What the spec of the session can read.
  std::uint64_t published() const { return log.published(schema_epoch); }

  CollectionLog& log;
  std::uint64_t schema_epoch;
  LogReader reader;
  SourceFilter filter;
  SchemaHash write_schema;  // documents that were valid for it can be read; none if that is not known
  bool delta;
  std::uint32_t priority;
  std::uint64_t offset;                   // read so far, as the loop sees it
  std::uint64_t finish_limit = no_limit;  // where finish() ends
  std::uint64_t replay_limit = no_limit;  // where the transaction ends that is repeated
  bool at_boundary = true;
  std::int64_t newest_unix_ns = 0;  // when what was read last was published
  std::string prev_max, next_max;
  // As of the end of the last transaction that was closed.
  std::uint64_t closed_offset = 0;
  std::int64_t closed_unix_ns = 0;
};

// What one transaction gathers.
struct Transaction {
  Transaction(std::unique_ptr<Combiner> c, const protocol::MaterializationSpec& spec)
      : combiner(std::move(c)), stats(spec.bindings.size()) {
    for (const protocol::MaterializationBinding& binding : spec.bindings) {
      const protocol::FieldSelection& fields = *binding.field_selection;
      rows.emplace_back(*binding.collection, fields.values, binding.ser_policy);
      has_document.push_back(!fields.document.empty());
    }
  }
  void clear() {
    combiner->clear();
    loads.clear();
    unsent.clear();
    unsent_bytes = 0;
    stats.assign(stats.size(), {});
    documents = 0;
    drained = false;
    opened = {};
  }
  std::unique_ptr<Combiner> combiner;
  std::vector<RowReader> rows;     // by binding, of what the combiner gives: they know its layouts
  std::vector<bool> has_document;  // by binding: is it stored?
  KeySet loads;
  std::vector<Batch> unsent;  // keys to load that were read ahead
  std::size_t unsent_bytes = 0;
  std::vector<BindingStats> stats;
  std::uint64_t documents = 0;
  bool drained = false;  // the combiner has given everything
  Clock::TimePoint opened;
};

// On the pool: reads a piece of committed documents; the keys to load are added to `keys`.
LogReader::Scan read_piece(Source* source, Transaction* transaction, Batch* keys, std::uint32_t binding,
                           std::uint64_t limit, const std::vector<KnownTransaction>& known,
                           std::uint64_t valid_from, bool always_load) {
  LogReader::Scan scan = LogReader::Scan::found;
  if (source->reader.at_boundary()) scan = source->reader.scan(limit, known);
  for (std::size_t bytes = 0; scan == LogReader::Scan::found && bytes < piece_bytes;) {
    auto document = source->reader.next();
    if (!document) break;
    bytes += document->size();
    if (!source->filter.takes(*document)) continue;
    Combiner& combiner = *transaction->combiner;
    bool valid = source->reader.offset() - document->size() - 1 >= valid_from;
    std::string_view key = valid ? combiner.add_valid(binding, *document) : combiner.add(binding, *document);
    transaction->stats[binding].right.add(document->size());
    if (!source->delta && (always_load || key <= source->prev_max) && transaction->loads.insert(binding, key))
      keys->add(key, binding);
    if (key > source->next_max) source->next_max = key;
    ++transaction->documents;
  }
  return scan;
}

bool is_crowded(const Transaction& transaction) {
  const Combiner& combiner = *transaction.combiner;
  std::size_t keys = transaction.loads.size() * KeySet::bytes_per_key + transaction.unsent_bytes;
  return combiner.bytes() + keys >= combiner.capacity() / 2 || combiner.spilled_bytes() > 0;
}

void add_loaded(Transaction* transaction, const Batch* documents) {
  for (std::size_t i = 0; i < documents->size(); ++i) {
    Batch::Document document = documents->doc(i);
    transaction->combiner->add(document.binding, document.json, true);
    transaction->stats[document.binding].left.add(document.json.size());
  }
}

void finish_combining(Transaction* transaction) { transaction->combiner->finish(); }

// On the pool: the next store requests; empty at the end.
StoreBatch drain_piece(Transaction* transaction) {
  StoreBatch batch;
  batch.reserve(std::min(piece_bytes + piece_bytes / 8, 2 * transaction->combiner->bytes()), 0);
  std::string values;
  while (!transaction->drained && batch.bytes() < piece_bytes) {
    const Combined* document = transaction->combiner->next();
    transaction->drained = !document;
    if (!document) break;
    RowReader& row = transaction->rows[document->binding];
    values.clear();
    row.read(document->json, document->values, transaction->combiner->layouts(document->binding));
    row.pack(values);
    StoreBatch::Document store;
    store.binding = document->binding;
    store.key_packed = document->key;
    store.values_packed = values;
    if (transaction->has_document[document->binding]) store.doc = row.document();
    store.exists = document->front;
    store.is_delete = document->deleted;
    batch.add(store);
    transaction->stats[document->binding].out.add(document->json.size());
  }
  return batch;
}

// Is `source` that of `base` at any backfill: "base" or "base.v7"?
bool is_backfill_of(std::string_view source, std::string_view base) {
  if (!source.starts_with(base)) return false;
  source.remove_prefix(base.size());
  return source.empty() || (source.starts_with(".v") && source.size() > 2 &&
                            source.find_first_not_of("0123456789", 2) == std::string_view::npos);
}

[[noreturn]] void protocol_error(std::string what) {
  throw Error(Error::Kind::transient, "materialization connector protocol error: " + std::move(what));
}

}  // namespace

struct MaterializeSession::Impl {
  Impl(Context& c, StateStore& s, protocol::Materialize& connect, const protocol::MaterializationSpec& sp,
       std::string v, std::vector<CollectionLog*> l, MaterializeOptions o, Progress& p)
      : context(c),
        store(s),
        connector(connect),
        spec(sp),
        version(std::move(v)),
        logs(std::move(l)),
        options(std::move(o)),
        progress(p),
        changed(c.executor),
        combining(c.executor) {
    if (options.schema_epochs.empty())
      for (CollectionLog* log : logs) options.schema_epochs.push_back(log->schema_epoch());
  }

  // Where the protocol is; what the connector may say depends on it.
  enum class Phase { opening, loading, flushing, storing, committing, committed };

  Task<> run();
  Task<> session(materialize::Open open);
  Task<> connect(materialize::Open open, protocol::MaterializeIo io, Writer<MaterializeOutput>& out);
  Task<> transactions(Writer<MaterializeInput>& out);
  Task<> receive(Reader<MaterializeOutput>& in);
  Task<> watch(CollectionLog& log);
  Task<> limit_stop(Scope& scope);

  Task<> recover();
  void forget_other_backfills();
  Task<> open_sources();
  Task<> replay();
  Task<> send_unsent(Writer<MaterializeInput>& out);
  Task<> collect(Writer<MaterializeInput>& out);
  Task<Batch> read(std::size_t binding);
  Task<> flush(Writer<MaterializeInput>& out);
  void close();
  Task<> read_ahead();
  Task<> store_closed(Writer<MaterializeInput>& out);
  Task<> store_documents(Writer<MaterializeInput>& out);
  Task<> start_commit(Writer<MaterializeInput>& out);
  Task<> until(Phase left);

  Task<> on_loaded(protocol::LoadedDocuments loaded);
  Task<> on_acknowledged(materialize::Acknowledged answer);
  Task<> fold_state(const std::optional<ConnectorState>& change, StateUpdate& update, StateCommit& commit);

  bool at_boundary() const { return sources.empty() || sources[last_read]->at_boundary; }
  std::optional<std::size_t> next_source() const;
  bool may_close() const;
  bool must_close() const;
  bool full() const;
  std::uint64_t limit_of(const Source& source) const;
  bool outdated() const;
  void finish();
  Checkpoint checkpoint() const;
  std::string source_name(std::size_t binding) const;
  void note();
  Task<> send(Writer<MaterializeInput>& out, MaterializeInput::Value value) {
    return out.send(MaterializeInput(std::move(value)));
  }

  Context& context;
  StateStore& store;
  protocol::Materialize& connector;
  const protocol::MaterializationSpec& spec;
  std::string version;
  std::vector<CollectionLog*> logs;
  MaterializeOptions options;
  Progress& progress;

  Event changed;    // anything below, a log, or a wish of the owner
  Mutex combining;  // the transaction's combiner: read documents and loaded ones meet there
  Phase phase = Phase::opening;
  bool acknowledged = false;
  bool stopping = false, finishing = false, ended = false;
  std::optional<materialize::Opened> opened;
  std::optional<ConnectorState> answer;                               // of Flushed or StartedCommit
  StateUpdate acknowledged_update, flushed_update, committed_update;  // for statePatches
  std::string state;                                                  // of the connector, as committed
  Clock::Duration min_transaction{}, max_transaction = default_max_transaction;
  std::vector<std::unique_ptr<Source>> sources;  // stay put while the pool uses them
  std::unique_ptr<Transaction> transaction;      // gathers
  std::unique_ptr<Transaction> closed;           // is stored meanwhile, or empty
  Checkpoint closing;                            // of it
  bool committed = false;                        // it is
  std::exception_ptr failed_ahead;               // what reading the next one ended with
  std::size_t last_read = 0;                     // binding
  bool crowded = false;  // the transaction that gathers holds about what memory allows
  Checkpoint recovered;
  bool replaying = false;  // the first transaction repeats one that the endpoint may have committed
};

Task<> MaterializeSession::Impl::run() {
  progress.phase = "applying";
  progress.bindings.resize(spec.bindings.size());
  co_await apply(context, store, connector, spec, options.config_json, version);
  progress.phase = "opening";
  state = co_await connector_state(context, store, spec.name);
  materialize::Open open;
  open.materialization = spec;
  open.materialization->config_json = options.config_json;
  open.version = version;
  open.range.emplace();
  open.range->key_end = open.range->r_clock_end = 0xffffffff;
  open.state_json = state;
  co_await session(std::move(open));
}

Task<> MaterializeSession::Impl::session(materialize::Open open) {
  std::size_t budget = options.memory_bytes / 8;
  auto [requests, to_connector] = channel<MaterializeInput>(context.executor, budget);
  auto [responses, from_connector] = channel<MaterializeOutput>(context.executor, budget);
  protocol::MaterializeIo io(std::move(to_connector), responses.share());
  std::set<CollectionLog*> distinct(logs.begin(), logs.end());
  co_await scoped([&](Scope& scope) -> Task<> {
    for (CollectionLog* log : distinct) scope.spawn(watch(*log));
    scope.spawn(limit_stop(scope));
    scope.spawn(then_cancel(all(connect(std::move(open), std::move(io), responses), receive(from_connector),
                                transactions(requests)),
                            scope));
    co_return;
  });
}

// What is not done by itself some time after stop() is dropped; it was not committed.
Task<> MaterializeSession::Impl::limit_stop(Scope& scope) {
  while (!stopping) co_await changed.wait();
  co_await context.clock.sleep(options.stop_grace);
  context.log.warn("stopping without the open transaction; it is read again");
  scope.cancel();
}

Task<> MaterializeSession::Impl::connect(materialize::Open open, protocol::MaterializeIo io,
                                         Writer<MaterializeOutput>& out) {
  co_await connector.run(std::move(open), std::move(io));
  out.close();
}

Task<> MaterializeSession::Impl::watch(CollectionLog& log) {
  for (;;) {
    // Other logs are read no further than they are now, or the session would not end while they grow.
    if (outdated() && !finishing) finish();
    co_await log.grown().wait();
    changed.notify_all();
  }
}

bool MaterializeSession::Impl::outdated() const {
  for (std::size_t i = 0; i < logs.size(); ++i)
    if (logs[i]->schema_epoch() > options.schema_epochs[i]) return true;
  return false;
}

void MaterializeSession::Impl::finish() {
  finishing = true;
  for (auto& source : sources) source->finish_limit = source->log.published();
  changed.notify_all();
}

// ---- what the connector says ----

Task<> MaterializeSession::Impl::receive(Reader<MaterializeOutput>& in) {
  while (auto output = co_await in.next()) {
    if (phase == Phase::storing) protocol_error("no response or EOF during Store phase");
    if (auto* first = std::get_if<materialize::Opened>(&output->value)) {
      if (opened) protocol_error("a second Opened");
      opened = std::move(*first);
    } else if (!opened) {
      protocol_error("the first response is not Opened");
    } else if (auto* loaded = std::get_if<protocol::LoadedDocuments>(&output->value)) {
      co_await on_loaded(std::move(*loaded));
    } else if (auto* done = std::get_if<materialize::Acknowledged>(&output->value)) {
      co_await on_acknowledged(std::move(*done));
    } else if (auto* flushed = std::get_if<materialize::Flushed>(&output->value)) {
      if (phase != Phase::flushing) protocol_error("Flushed without Flush");
      answer = std::move(flushed->state);
      phase = Phase::storing;
    } else if (auto* started = std::get_if<materialize::StartedCommit>(&output->value)) {
      if (phase != Phase::committing) protocol_error("StartedCommit without StartCommit");
      answer = std::move(started->state);
      phase = Phase::committed;
    }
    changed.notify_all();
  }
  if (phase == Phase::storing) protocol_error("no response or EOF during Store phase");
  if (!ended) throw Error(Error::Kind::transient, "unexpected materialization connector EOF");
}

Task<> MaterializeSession::Impl::on_loaded(protocol::LoadedDocuments loaded) {
  if (!acknowledged) protocol_error("Loaded before Acknowledged");
  if (phase != Phase::loading && phase != Phase::flushing) protocol_error("Loaded outside of loading");
  for (std::size_t i = 0; i < loaded.documents.size(); ++i) {
    std::uint32_t binding = loaded.documents.doc(i).binding;
    if (binding >= sources.size() || sources[binding]->delta)
      protocol_error(fmt::format("Loaded of binding {}, which loads nothing", binding));
  }
  Mutex::Guard guard = co_await combining.lock();
  co_await on_cpu(context.cpu, add_loaded, transaction.get(), &std::as_const(loaded.documents));
}

Task<> MaterializeSession::Impl::on_acknowledged(materialize::Acknowledged done) {
  if (acknowledged || phase != Phase::loading) protocol_error("connector sent duplicate Acknowledge");
  StateCommit change(spec.name);
  co_await fold_state(done.state, acknowledged_update, change);
  if (!change.entries.empty()) co_await commit(context, store, std::move(change));
  acknowledged = true;
}

Task<> MaterializeSession::Impl::fold_state(const std::optional<ConnectorState>& change, StateUpdate& update,
                                            StateCommit& commit) {
  update = StateUpdate();
  if (!change) co_return;
  update.add(*change);
  std::string next = update.apply_to(state);
  if (next == state) co_return;
  state = std::move(next);
  commit.put(keys::connector_state, state);
}

// Waits until the connector's answer has ended `left`.
Task<> MaterializeSession::Impl::until(Phase left) {
  while (phase == left) co_await changed.wait();
}

// ---- transactions ----

Task<> MaterializeSession::Impl::transactions(Writer<MaterializeInput>& out) {
  while (!opened) co_await changed.wait();
  co_await recover();
  progress.phase = "running";
  for (;;) {
    phase = Phase::loading;
    acknowledged = false;
    materialize::Acknowledge acknowledge;
    acknowledge.state_patches_json = committed_update.patches();
    co_await send(out, std::move(acknowledge));
    bool last = stopping;  // what was read ahead is read again by the next session
    if (!last) {
      co_await send_unsent(out);
      co_await collect(out);
    }
    while (!acknowledged) co_await changed.wait();
    if (last || transaction->documents == 0) break;
    co_await flush(out);
    close();
    co_await all(store_closed(out), read_ahead());
    if (failed_ahead && !stopping) std::rethrow_exception(failed_ahead);
  }
  ended = true;
  out.close();
}

// Reads and loads until the transaction should close; without documents: until the session should end.
Task<> MaterializeSession::Impl::collect(Writer<MaterializeInput>& out) {
  for (;;) {
    bool boundary = at_boundary();
    if (boundary && must_close()) co_return;
    std::optional<std::size_t> next = boundary ? next_source() : last_read;
    if (next && !(boundary && full())) {
      Batch keys = co_await read(*next);
      if (!keys.empty()) co_await send(out, protocol::Loads(std::move(keys)));
      continue;
    }
    if (!next && replaying && transaction->documents == 0) {
      replaying = false;  // there was nothing to repeat
      continue;
    }
    if (!next && may_close()) co_return;
    Clock::TimePoint due = transaction->opened + min_transaction;
    if (transaction->documents > 0 && due > context.clock.now())
      co_await context.clock.wait(changed, due);
    else
      co_await changed.wait();
  }
}

// Of the transaction that is now open, what was read before it was.
Task<> MaterializeSession::Impl::send_unsent(Writer<MaterializeInput>& out) {
  if (transaction->documents > 0) transaction->opened = context.clock.now();
  for (Batch& keys : transaction->unsent) co_await send(out, protocol::Loads(std::move(keys)));
  transaction->unsent.clear();
  transaction->unsent_bytes = 0;
}

// Adds a piece to the transaction; the keys that are to be loaded for it.
Task<Batch> MaterializeSession::Impl::read(std::size_t binding) {
  Source& source = *sources[binding];
  Batch keys;
  LogReader::Scan scan;
  std::uint64_t limit = limit_of(source);
  {
    Mutex::Guard guard = co_await combining.lock();
    std::vector<KnownTransaction> known;
    if (source.at_boundary) known = source.log.known_from(source.offset);
    scan = co_await on_cpu(context.cpu, read_piece, &source, transaction.get(), &keys,
                           static_cast<std::uint32_t>(binding), limit, std::move(known),
                           source.log.valid_from(source.write_schema), opened->disable_load_optimization);
    crowded = is_crowded(*transaction);
  }
  source.at_boundary = source.reader.at_boundary();
  if (std::uint64_t clock = source.reader.newest_clock()) source.newest_unix_ns = unix_of_clock(clock);
  source.offset = scan == LogReader::Scan::none ? limit : source.reader.offset();
  last_read = binding;
  if (transaction->documents > 0 && transaction->opened == Clock::TimePoint())
    transaction->opened = context.clock.now();
  co_return keys;
}

// Of those that have something to read the ones of the highest priority, in turn.
std::optional<std::size_t> MaterializeSession::Impl::next_source() const {
  std::optional<std::size_t> best;
  for (std::size_t i = 1; i <= sources.size(); ++i) {
    std::size_t candidate = (last_read + i) % sources.size();
    const Source& source = *sources[candidate];
    if (source.offset >= limit_of(source)) continue;
    if (!best || source.priority > sources[*best]->priority) best = candidate;
  }
  return best;
}

// Input is idle.
bool MaterializeSession::Impl::may_close() const {
  if (finishing || stopping) return true;
  if (transaction->documents == 0 || !acknowledged) return false;
  return replaying || context.clock.now() >= transaction->opened + min_transaction;
}

bool MaterializeSession::Impl::must_close() const {
  if (replaying) return false;
  if (stopping) return true;
  if (transaction->documents == 0 || !acknowledged) return false;
  return full() || context.clock.now() >= transaction->opened + max_transaction;
}

// What is gathered should not grow until it has to go to disk, and stored documents may be as much again.
bool MaterializeSession::Impl::full() const { return !replaying && transaction->documents > 0 && crowded; }

std::uint64_t MaterializeSession::Impl::limit_of(const Source& source) const {
  std::uint64_t limit = std::min(source.published(), source.finish_limit);
  return replaying ? std::min(limit, source.replay_limit) : limit;
}

Task<> MaterializeSession::Impl::flush(Writer<MaterializeInput>& out) {
  phase = Phase::flushing;
  materialize::Flush request;
  request.state_patches_json = acknowledged_update.patches();
  co_await send(out, std::move(request));
  co_await until(Phase::flushing);
  StateCommit change(spec.name);
  co_await fold_state(answer, flushed_update, change);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    Source& source = *sources[i];
    if (source.delta || source.next_max == source.prev_max) continue;
    change.put(keys::max_key(spec.bindings[i].state_key), source.next_max);
    source.prev_max = source.next_max;
  }
  closing = checkpoint();
  if (!opened->runtime_checkpoint) change.put(keys::hinted_checkpoint, protocol::encode(closing));
  if (!change.entries.empty()) co_await commit(context, store, std::move(change));
}

// The next transaction gathers from here on.
void MaterializeSession::Impl::close() {
  std::swap(transaction, closed);
  crowded = committed = false;
  for (auto& source : sources) {
    source->closed_offset = source->offset;
    source->closed_unix_ns = source->newest_unix_ns;
  }
}

Task<> MaterializeSession::Impl::store_closed(Writer<MaterializeInput>& out) {
  co_await store_documents(out);
  co_await start_commit(out);
  closed->clear();
  committed = true;
  changed.notify_all();
}

// Reads for the next transaction while this one is stored: as much as it may hold, whose keys are loaded
// then. What fails here must not keep this one from being committed.
Task<> MaterializeSession::Impl::read_ahead() {
  while (!committed) {
    bool boundary = at_boundary();
    std::optional<std::size_t> next = boundary ? next_source() : last_read;
    if (!next || full() || stopping) {
      co_await changed.wait();
      continue;
    }
    Batch keys;
    try {
      keys = co_await read(*next);
    } catch (const Error&) {
      failed_ahead = std::current_exception();
      co_return;
    }
    if (keys.empty()) continue;
    transaction->unsent_bytes += keys.bytes();
    transaction->unsent.push_back(std::move(keys));
  }
}

Task<> MaterializeSession::Impl::store_documents(Writer<MaterializeInput>& out) {
  co_await on_cpu(context.cpu, finish_combining, closed.get());
  for (;;) {
    StoreBatch batch = co_await on_cpu(context.cpu, drain_piece, closed.get());
    if (batch.empty()) break;
    co_await send(out, std::move(batch));
  }
}

Task<> MaterializeSession::Impl::start_commit(Writer<MaterializeInput>& out) {
  StateCommit change(spec.name);
  change.put(keys::checkpoint, protocol::encode(closing));
  if (!opened->runtime_checkpoint) change.erase(keys::hinted_checkpoint);
  materialize::StartCommit request;
  request.runtime_checkpoint = std::move(closing);
  request.state_patches_json = flushed_update.patches();
  phase = Phase::committing;
  co_await send(out, std::move(request));
  co_await until(Phase::committing);
  co_await fold_state(answer, committed_update, change);
  co_await commit(context, store, std::move(change));
  replaying = false;
  note();
}

Checkpoint MaterializeSession::Impl::checkpoint() const {
  Checkpoint all = recovered;  // sources of inactive bindings stay as they were
  for (std::size_t i = 0; i < sources.size(); ++i)
    all.sources[source_name(i)] = sources[i]->reader.checkpoint();
  return all;
}

std::string MaterializeSession::Impl::source_name(std::size_t binding) const {
  return logs[binding]->collection() + ';' + spec.bindings[binding].journal_read_suffix;
}

void MaterializeSession::Impl::note() {
  ++progress.transactions;
  progress.behind_bytes = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Source& source = *sources[i];
    progress.bindings[i] += closed->stats[i];
    progress.behind_bytes += source.log.published() - std::min(source.closed_offset, source.log.published());
    progress.newest_unix_ns = std::max(progress.newest_unix_ns, source.closed_unix_ns);
  }
  progress.open_seconds += std::chrono::duration<double>(context.clock.now() - closed->opened).count();
}

// ---- recovery ----

Task<> MaterializeSession::Impl::recover() {
  auto stored = co_await on_cpu(context.cpu, get, &store, spec.name, std::string(keys::checkpoint));
  if (opened->runtime_checkpoint) {
    // The endpoint knows better, also when it knows of nothing yet (the "start from zero" checkpoint).
    recovered = *opened->runtime_checkpoint;
    recovered.unknown.clear();
    std::string encoded = protocol::encode(recovered);
    if (encoded != stored) {
      StateCommit change(spec.name);
      change.put(keys::checkpoint, std::move(encoded));
      co_await commit(context, store, std::move(change));
    }
  } else if (stored) {
    recovered = protocol::decode_checkpoint(*stored);
  }
  forget_other_backfills();
  co_await open_sources();
  if (!opened->runtime_checkpoint) co_await replay();
  if (const auto& shard = spec.shard_template) {
    if (shard->min_txn_duration) min_transaction = duration_of(*shard->min_txn_duration);
    if (shard->max_txn_duration) max_transaction = duration_of(*shard->max_txn_duration);
  }
  // One holds twice the documents that are read, the other, that is read ahead, once.
  std::size_t budget = options.memory_bytes / 12 * 5;
  std::vector<CombineBinding> bindings = combine_bindings(spec);
  for (std::unique_ptr<Transaction>* one : {&transaction, &closed}) {
    auto combiner = std::make_unique<Combiner>(bindings, budget, options.spill_folder);
    *one = std::make_unique<Transaction>(std::move(combiner), spec);
  }
}

// A change of the backfill counter empties the destination, also a change back to what it was before: where
// reading was then means nothing any more.
void MaterializeSession::Impl::forget_other_backfills() {
  std::set<std::string> current;
  for (std::size_t i = 0; i < spec.bindings.size(); ++i) current.insert(source_name(i));
  for (const protocol::MaterializationBinding& binding : spec.inactive_bindings)
    if (binding.collection) current.insert(binding.collection->name + ';' + binding.journal_read_suffix);
  for (std::size_t i = 0; i < spec.bindings.size(); ++i) {
    const std::string name = source_name(i), suffix = fmt::format(".v{}", spec.bindings[i].backfill);
    std::string_view base = name;
    if (spec.bindings[i].backfill > 0 && base.ends_with(suffix)) base.remove_suffix(suffix.size());
    std::erase_if(recovered.sources, [&](const auto& source) {
      return !current.contains(source.first) && is_backfill_of(source.first, base);
    });
  }
}

Task<> MaterializeSession::Impl::open_sources() {
  for (std::size_t i = 0; i < spec.bindings.size(); ++i) {
    auto known = recovered.sources.find(source_name(i));
    bool is_new = known == recovered.sources.end();
    protocol::CheckpointSource resume;
    if (!is_new) resume = known->second;
    auto source = std::make_unique<Source>(spec.bindings[i], *logs[i], options.schema_epochs[i], resume);
    auto max_key =
        co_await on_cpu(context.cpu, get, &store, spec.name, keys::max_key(spec.bindings[i].state_key));
    source->prev_max = max_key.value_or(is_new ? std::string() : std::string(unknown_history));
    source->next_max = source->prev_max;
    if (finishing) source->finish_limit = source->log.published();
    sources.push_back(std::move(source));
  }
}

// The endpoint may have committed the transaction that was open when the runtime ended: it gets the very same
// documents again.
Task<> MaterializeSession::Impl::replay() {
  auto hint = co_await on_cpu(context.cpu, get, &store, spec.name, std::string(keys::hinted_checkpoint));
  if (!hint) co_return;
  Checkpoint hinted = protocol::decode_checkpoint(*hint);
  replaying = true;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    auto source = hinted.sources.find(source_name(i));
    sources[i]->replay_limit = source == hinted.sources.end()
                                   ? sources[i]->offset
                                   : static_cast<std::uint64_t>(source->second.read_through);
  }
}

MaterializeSession::MaterializeSession(Context& context, StateStore& store, protocol::Materialize& connector,
                                       const protocol::MaterializationSpec& spec, std::string version,
                                       std::vector<CollectionLog*> logs, MaterializeOptions options,
                                       Progress& progress)
    : impl_(std::make_unique<Impl>(context, store, connector, spec, std::move(version), std::move(logs),
                                   std::move(options), progress)) {}
MaterializeSession::~MaterializeSession() = default;

Task<> MaterializeSession::run() { return impl_->run(); }

void MaterializeSession::stop() {
  impl_->stopping = true;
  impl_->changed.notify_all();
}

void MaterializeSession::finish() { impl_->finish(); }

bool MaterializeSession::outdated() const { return impl_->outdated(); }

}  // namespace sluice::runtime
