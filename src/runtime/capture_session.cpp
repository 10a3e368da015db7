#include "sluice/runtime/capture_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "combine_binding.hpp"
#include "locate_uuid.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/collection.hpp"
#include "sluice/runtime/connector_state.hpp"
#include "sluice/runtime/inference.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

using namespace std::chrono_literals;
using protocol::Acknowledged;
using protocol::CaptureOutput;

constexpr std::size_t most_transaction_bytes = 32_MiB;
constexpr std::size_t piece_bytes = 2_MiB;  // of documents handled in one go on the pool
constexpr auto unread_acknowledgement = 10s;

// Documents up to a checkpoint, combined, and what they commit with.
struct Collected {
  explicit Collected(std::unique_ptr<Combiner> c, std::size_t bindings)
      : combiner(std::move(c)), stats(bindings) {}
  void clear() {
    combiner->clear();
    stats.assign(stats.size(), {});
    update = {};
    checkpoints = 0;
    received_bytes = 0;
  }
  std::size_t bytes() const { return sizeof *this; }  // channels of these are bounded by how many exist

  std::unique_ptr<Combiner> combiner;
  std::vector<BindingStats> stats;  // by binding
  StateUpdate update;
  std::uint32_t checkpoints = 0;
  std::size_t received_bytes = 0;
  Clock::TimePoint opened;
};

// The documents of some outputs, one after the other.
class Documents {
 public:
  explicit Documents(const std::vector<CaptureOutput>& outputs) : outputs_(outputs) {}

  std::optional<Batch::Document> next() {
    for (; output_ < outputs_.size(); ++output_, document_ = 0) {
      const Batch& documents = outputs_[output_].documents;
      if (document_ < documents.size()) return documents.doc(document_++);
    }
    return std::nullopt;
  }

 private:
  const std::vector<CaptureOutput>& outputs_;
  std::size_t output_ = 0, document_ = 0;
};

// A piece of them, on the pool. False when all are combined.
bool combine(Collected* into, Documents* documents) {
  for (std::size_t size = 0; size < piece_bytes;) {
    std::optional<Batch::Document> document = documents->next();
    if (!document) return false;
    if (document->binding >= into->stats.size())
      throw Error(Error::Kind::transient, fmt::format("invalid captured binding {}", document->binding));
    into->combiner->add(document->binding, document->json, false);
    into->stats[document->binding].right.add(document->json.size());
    size += document->json.size();
  }
  return true;
}

// The writing of one transaction, on the pool.
class Write {
 public:
  Write(Collected& from, StateStore& store, ProducerClock& clock, Producer producer, StateCommit commit)
      : from_(from), store_(store), clock_(clock), producer_(producer), commit_(std::move(commit)) {}

  void add(CollectionLog& log, std::unique_ptr<CollectionLog::Transaction> turn,
           std::string acknowledgement) {
    logs_.push_back({&log, std::move(turn), std::move(acknowledgement)});
  }
  void bind(std::size_t binding, std::size_t log) {
    if (by_binding_.size() <= binding) by_binding_.resize(binding + 1);
    by_binding_[binding] = log;
  }
  void restore() {
    for (Target& target : logs_) target.turn->restore();
    from_.combiner->finish();
  }
  // Writes documents; false when all are.
  bool piece(std::int64_t unix_nanoseconds);
  void put(std::string key, std::string value) { commit_.put(std::move(key), std::move(value)); }
  void commit(std::int64_t unix_nanoseconds);
  void publish() {
    for (Target& target : logs_) target.turn->publish();
  }
  bool touches_logs() const { return !logs_.empty(); }

 private:
  struct Target {
    CollectionLog* log;
    std::unique_ptr<CollectionLog::Transaction> turn;
    std::string acknowledgement;
  };
  Uuid stamp(char* placeholder, std::uint16_t flags, std::int64_t unix_nanoseconds) {
    Uuid uuid{clock_.next(unix_nanoseconds), flags, producer_};
    write_uuid(uuid, placeholder);
    return uuid;
  }

  Collected& from_;
  StateStore& store_;
  ProducerClock& clock_;
  Producer producer_;
  StateCommit commit_;
  std::vector<Target> logs_;
  Target* current_ = nullptr;  // being written
  std::vector<std::size_t> by_binding_;
};

bool Write::piece(std::int64_t unix_nanoseconds) {
  for (std::size_t written = 0; written < piece_bytes;) {
    const Combined* document = from_.combiner->next();
    if (!document) return false;
    Target& target = logs_[by_binding_[document->binding]];
    if (current_ && current_ != &target) current_->turn->pause();
    current_ = &target;
    std::string& text = target.turn->text();
    std::size_t start = text.size();
    text += document->json;
    stamp(text.data() + start + document->uuid_at, Uuid::continue_txn, unix_nanoseconds);
    text += '\n';
    from_.stats[document->binding].out.add(document->json.size());
    written += document->json.size();
    target.turn->written();
  }
  return true;
}

void Write::commit(std::int64_t unix_nanoseconds) {
  protocol::Checkpoint checkpoint;
  for (Target& target : logs_) {
    auto at = locate_uuid(target.acknowledgement);
    SLUICE_CHECK(at);
    Uuid uuid = stamp(target.acknowledgement.data() + *at, Uuid::ack_txn, unix_nanoseconds);
    target.acknowledgement += '\n';
    checkpoint.ack_intents[target.log->collection()] = target.acknowledgement;
    commit_.logs.push_back({target.log->collection(), target.turn->prepare(target.acknowledgement, uuid)});
  }
  if (touches_logs()) commit_.put(keys::checkpoint, protocol::encode(checkpoint));
  if (touches_logs() || !commit_.entries.empty()) store_.commit(commit_);
  for (Target& target : logs_) target.turn->acknowledge();
}

// By collection.
std::map<std::string, std::string> stored_schemas(StateStore* store, std::string task) {
  std::map<std::string, std::string> schemas;
  for (auto& [key, schema] : store->list(task, keys::inferred))
    schemas.emplace(key.substr(std::string_view(keys::inferred).size()), std::move(schema));
  return schemas;
}

void restore(Write* write) { write->restore(); }
bool write_piece(Write* write, std::int64_t unix_nanoseconds) { return write->piece(unix_nanoseconds); }
void commit_write(Write* write, std::int64_t unix_nanoseconds) { write->commit(unix_nanoseconds); }

// Of documents captured by former write schemas, with the annotations of the present one.
Schema former_schema(const protocol::CollectionSpec& collection, const std::string& inferred) {
  CollectionDef def;
  def.name = collection.name;
  def.write_schema_json = collection.write_schema_json;
  def.read_schema_json = default_read_schema();
  return Schema::compile(bundle_read_schema(def, &inferred, MissingInference::write_schema));
}

void take_schema(Inference* inference, const protocol::capture::SourcedSchema* sourced) {
  inference->source(Schema::compile(sourced->schema_json));
}

// A collection whose schema is inferred.
struct Inferred {
  Inferred(CollectionLog& l, std::uint32_t b, Schema write_schema, std::string stored)
      : log(l), binding(b), inference(std::move(write_schema), std::move(stored)) {}
  CollectionLog& log;
  std::uint32_t binding;  // the first one
  Inference inference;
};

// Tells readers, before they see documents that need it. Also if the commit failed: it may have taken place,
// and then the next turn on a log publishes it.
class SchemaChange {
 public:
  SchemaChange() = default;
  SchemaChange(const SchemaChange&) = delete;
  SchemaChange& operator=(const SchemaChange&) = delete;
  ~SchemaChange() {
    for (const auto& [log, schema] : changed_) log->log.schema_changed();
  }
  void add(Inferred& of, std::string schema) { changed_.emplace_back(&of, std::move(schema)); }
  void log(const Log& log) const {
    for (const auto& [of, schema] : changed_)
      log.info("inferred schema updated", kv_json("schema", schema),
               kv("collection_name", of->log.collection()), kv("binding", of->binding));
  }

 private:
  std::vector<std::pair<Inferred*, std::string>> changed_;
};

std::string applied(const StateUpdate* update, const std::string* state) { return update->apply_to(*state); }

protocol::RangeSpec full_range() {
  protocol::RangeSpec range;
  range.key_end = range.r_clock_end = 0xffffffff;
  return range;
}

}  // namespace

struct CaptureSession::Impl {
  Impl(Context& c, StateStore& s, protocol::Capture& connect, const protocol::CaptureSpec& sp, std::string v,
       std::vector<CollectionLog*> l, CaptureOptions o, Progress& p)
      : context(c),
        store(s),
        connector(connect),
        spec(sp),
        version(std::move(v)),
        logs(std::move(l)),
        options(std::move(o)),
        progress(p),
        changed(c.executor) {}

  Task<> run();
  Task<> recover_logs();
  Task<> infer(std::vector<CombineBinding>& bindings);
  Task<> session(protocol::capture::Open open);
  Task<> connect(protocol::capture::Open open, protocol::CaptureIo io, Writer<CaptureOutput>& out);
  Task<> limit_stop(Scope& scope);
  Task<> receive(Reader<CaptureOutput>& in);
  Task<> collect(Reader<Collected>& empty, Writer<Collected>& filled);
  Task<bool> fill(Collected& transaction);
  std::vector<CaptureOutput> take_arrived();
  Task<> take(const std::vector<CaptureOutput>& outputs, Collected& transaction);
  Task<> take(const protocol::capture::SourcedSchema& sourced);
  Task<> commit_each(Reader<Collected>& filled, Writer<Collected>& empty,
                     Writer<Acknowledged>& acknowledgements);
  Task<> commit(Collected& transaction);
  void note(const Collected& transaction);
  Task<> acknowledge(Writer<Acknowledged>& acknowledgements, std::uint32_t checkpoints);
  void check_binding(std::uint32_t binding) const;
  bool checkpoint_arrived() const;
  bool full(const Collected& transaction) const;

  Context& context;
  StateStore& store;
  protocol::Capture& connector;
  const protocol::CaptureSpec& spec;
  std::string version;
  std::vector<CollectionLog*> logs;
  CaptureOptions options;
  Progress& progress;
  std::map<std::string, Inferred> inferred;  // by collection; outlives the combiners

  Event changed;                      // what follows
  std::deque<CaptureOutput> arrived;  // up to a checkpoint, if that is not too much
  std::size_t arrived_bytes = 0;
  bool ended = false;  // the connector says nothing more
  bool stopping = false;
  bool opened = false, explicit_acknowledgements = false;
  bool in_checkpoint = false;  // documents came since the last checkpoint
  std::string state;           // of the connector, as committed
  ProducerClock clock;
  Producer producer = random_producer();
  Clock::TimePoint all_read{};  // when the connector had last read all acknowledgements
};

Task<> CaptureSession::Impl::run() {
  progress.phase = "applying";
  progress.bindings.resize(spec.bindings.size());
  co_await recover_logs();
  co_await apply(context, store, connector, spec, options.config_json, version);
  progress.phase = "opening";
  state = co_await connector_state(context, store, spec.name);
  protocol::capture::Open open;
  open.capture = spec;
  open.capture->config_json = options.config_json;
  open.version = version;
  open.range = full_range();
  open.state_json = state;
  co_await session(std::move(open));
}

// A transaction that was committed, but not acknowledged in the log as the disk was full, is seen by nobody.
Task<> CaptureSession::Impl::recover_logs() {
  std::map<std::string, CollectionLog*> distinct;
  for (CollectionLog* log : logs) distinct[log->collection()] = log;
  for (const auto& [name, log] : distinct) co_await log->recover(context.cpu);
}

Task<> CaptureSession::Impl::session(protocol::capture::Open open) {
  auto [out, in] = channel<CaptureOutput>(context.executor, options.memory_bytes / 16);
  std::size_t combiner_bytes = options.memory_bytes / 8 * 3;  // each of two
  auto [acknowledgements, acknowledged] = channel<Acknowledged>(context.executor, 64_KiB);
  auto [filled, to_commit] = channel<Collected>(context.executor, 2 * sizeof(Collected));
  auto [emptied, to_fill] = channel<Collected>(context.executor, 2 * sizeof(Collected));
  std::vector<CombineBinding> bindings = combine_bindings(spec);
  co_await infer(bindings);
  for (int i = 0; i < 2; ++i) {
    auto combiner = std::make_unique<Combiner>(bindings, combiner_bytes, options.spill_folder);
    Collected empty(std::move(combiner), bindings.size());
    co_await emptied.send(std::move(empty));
  }
  protocol::CaptureIo io(out.share(), std::move(acknowledged), options.stop_when_caught_up);
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(limit_stop(scope));
    scope.spawn(then_cancel(all(connect(std::move(open), std::move(io), out), receive(in),
                                collect(to_fill, filled), commit_each(to_commit, emptied, acknowledgements)),
                            scope));
    co_return;
  });
}

Task<> CaptureSession::Impl::infer(std::vector<CombineBinding>& bindings) {
  auto known = co_await on_cpu(context.cpu, stored_schemas, &store, spec.name);
  for (std::uint32_t i = 0; i < bindings.size(); ++i) {
    const protocol::CollectionSpec& collection = *spec.bindings[i].collection;
    if (!uses_inferred_schema(collection.read_schema_json)) continue;
    auto stored = known.find(collection.name);
    auto [at, fresh] = inferred.try_emplace(collection.name, *logs[i], i, bindings[i].schema,
                                            stored == known.end() ? std::string() : stored->second);
    bindings[i].inference = &at->second.inference;
    // The source may still have changes from before its schema was discovered again.
    if (stored != known.end()) bindings[i].former = former_schema(collection, stored->second);
  }
}

// What is not done by itself some time after stop() is dropped; it was not committed.
Task<> CaptureSession::Impl::limit_stop(Scope& scope) {
  while (!stopping) co_await changed.wait();
  co_await context.clock.sleep(options.stop_grace);
  context.log.warn("stopping without the open transaction; it is captured again");
  scope.cancel();
}

// Ends when the connector has; its channel then is at its end, too.
Task<> CaptureSession::Impl::connect(protocol::capture::Open open, protocol::CaptureIo io,
                                     Writer<CaptureOutput>& out) {
  co_await connector.run(std::move(open), std::move(io));
  out.close();
}

// Lets collect() wait for output and for stop() at once, and see whether a whole checkpoint is there.
Task<> CaptureSession::Impl::receive(Reader<CaptureOutput>& in) {
  while (auto output = co_await in.next()) {
    while (checkpoint_arrived() || arrived_bytes >= options.memory_bytes / 16) co_await changed.wait();
    arrived_bytes += output->bytes();
    arrived.push_back(std::move(*output));
    changed.notify_all();
  }
  ended = true;
  changed.notify_all();
}

Task<> CaptureSession::Impl::collect(Reader<Collected>& empty, Writer<Collected>& filled) {
  for (bool more = true; more;) {
    auto transaction = co_await empty.next();
    more = co_await fill(*transaction);
    if (transaction->checkpoints > 0) co_await filled.send(std::move(*transaction));
  }
  filled.close();
  // After stop(): what the connector still says is not committed, so it will say it again.
  while (!ended) {
    arrived.clear();
    arrived_bytes = 0;
    changed.notify_all();
    co_await changed.wait();
  }
}

// Collects up to a checkpoint at which the transaction should end; false if it is the last one.
Task<bool> CaptureSession::Impl::fill(Collected& transaction) {
  for (;;) {
    // Documents whose checkpoint is still to come do not hold back those that have theirs.
    bool may_end = transaction.checkpoints > 0 && !in_checkpoint;
    if (may_end && (!checkpoint_arrived() || full(transaction))) co_return true;
    while (arrived.empty() && !ended && !(stopping && !in_checkpoint)) co_await changed.wait();
    if (stopping && !in_checkpoint) co_return false;
    if (arrived.empty() && in_checkpoint)
      throw Error(Error::Kind::transient, "unexpected capture connector EOF while within a checkpoint");
    if (arrived.empty()) co_return false;
    std::vector<CaptureOutput> outputs = take_arrived();
    changed.notify_all();
    co_await yield();  // receive() shows what else is there
    co_await take(outputs, transaction);
  }
}

// At least one output, and those behind it that say no more than documents and, the last one, a checkpoint.
std::vector<CaptureOutput> CaptureSession::Impl::take_arrived() {
  std::vector<CaptureOutput> outputs;
  std::size_t size = 0;
  do {
    size += arrived.front().bytes();
    outputs.push_back(std::move(arrived.front()));
    arrived.pop_front();
  } while (!arrived.empty() && size < piece_bytes && !outputs.back().checkpoint && !arrived.front().opened &&
           arrived.front().sourced_schemas.empty());
  arrived_bytes -= size;
  return outputs;
}

Task<> CaptureSession::Impl::take(const std::vector<CaptureOutput>& outputs, Collected& transaction) {
  const CaptureOutput &first = outputs.front(), &last = outputs.back();
  if (first.opened) {
    explicit_acknowledgements = first.opened->explicit_acknowledgements;
    progress.phase = "running";
  }
  if (transaction.checkpoints == 0 && transaction.received_bytes == 0)
    transaction.opened = context.clock.now();
  for (const protocol::capture::SourcedSchema& sourced : first.sourced_schemas) {
    check_binding(sourced.binding);
    in_checkpoint = true;
    co_await take(sourced);
  }
  std::size_t count = 0, size = 0;
  for (const CaptureOutput& output : outputs) {
    count += output.documents.size();
    size += output.documents.text_bytes();
  }
  if (count > 0) {
    in_checkpoint = true;
    Documents documents(outputs);
    // GCC 12 may take an empty loop around an await for unreachable.
    for (bool more = true; more;) more = co_await on_cpu(context.cpu, combine, &transaction, &documents);
  }
  transaction.received_bytes += size;
  progress.received_docs += count;
  progress.received_bytes += size;
  if (!last.checkpoint) co_return;
  if (last.checkpoint->updated_json.empty())
    throw Error(Error::Kind::transient, "the capture connector sent a checkpoint without a state");
  transaction.update.add(*last.checkpoint);
  ++transaction.checkpoints;
  in_checkpoint = false;
}

Task<> CaptureSession::Impl::take(const protocol::capture::SourcedSchema& sourced) {
  auto of = inferred.find(spec.bindings[sourced.binding].collection->name);
  if (of == inferred.end()) co_return;
  try {
    co_await on_cpu(context.cpu, take_schema, &of->second.inference, &sourced);
  } catch (Error& e) {
    e.add("sourced schema of collection '" + of->first + "'");
    throw;
  }
}

Task<> CaptureSession::Impl::commit_each(Reader<Collected>& filled, Writer<Collected>& empty,
                                         Writer<Acknowledged>& acknowledgements) {
  while (auto transaction = co_await filled.next()) {
    co_await commit(*transaction);
    note(*transaction);
    if (explicit_acknowledgements) co_await acknowledge(acknowledgements, transaction->checkpoints);
    transaction->clear();
    co_await empty.send(std::move(*transaction));
  }
  acknowledgements.close();
}

Task<> CaptureSession::Impl::commit(Collected& transaction) {
  std::string next =
      co_await on_cpu(context.cpu, applied, &std::as_const(transaction.update), &std::as_const(state));
  StateCommit change(spec.name);
  if (next != state) change.put(keys::connector_state, next);
  Write write(transaction, store, clock, producer, std::move(change));
  std::map<std::string, std::vector<std::size_t>> touched;  // bindings by collection, ascending
  for (std::size_t i = 0; i < transaction.stats.size(); ++i)
    if (transaction.stats[i].right.docs > 0) touched[logs[i]->collection()].push_back(i);
  std::size_t target = 0;
  for (const auto& [name, bindings] : touched) {
    CollectionLog& log = *logs[bindings.front()];
    const protocol::CollectionSpec& collection = *spec.bindings[bindings.front()].collection;
    auto turn = co_await log.begin(schema_hash(collection.write_schema_json));
    write.add(log, std::move(turn), collection.ack_template_json);
    for (std::size_t binding : bindings) write.bind(binding, target);
    ++target;
  }
  if (write.touches_logs()) {
    co_await on_cpu(context.cpu, restore, &write);
    // GCC 12 may take an empty loop around an await for unreachable.
    for (bool more = true; more;)
      more = co_await on_cpu(context.cpu, write_piece, &write, context.clock.unix_nanoseconds());
  }
  // Only now: draining infers, too. What the next transaction has added meanwhile does no harm.
  {
    SchemaChange schemas;
    for (auto& [name, of] : inferred) {
      std::optional<std::string> schema = of.inference.take_change();
      if (!schema) continue;
      write.put(keys::inferred + name, *schema);
      schemas.add(of, std::move(*schema));
    }
    co_await on_cpu(context.cpu, commit_write, &write, context.clock.unix_nanoseconds());
    schemas.log(context.log);
  }
  write.publish();
  state = std::move(next);
}

void CaptureSession::Impl::note(const Collected& transaction) {
  for (std::size_t i = 0; i < transaction.stats.size(); ++i) progress.bindings[i] += transaction.stats[i];
  ++progress.transactions;
  progress.newest_unix_ns = context.clock.unix_nanoseconds();
  progress.open_seconds += std::chrono::duration<double>(context.clock.now() - transaction.opened).count();
}

Task<> CaptureSession::Impl::acknowledge(Writer<Acknowledged>& acknowledgements, std::uint32_t checkpoints) {
  Clock::TimePoint now = context.clock.now();
  if (acknowledgements.queued_bytes() == 0) all_read = now;
  if (now - all_read > unread_acknowledgement)
    throw Error(Error::Kind::transient,
                "connector requested acknowledgements but is not processing its input");
  try {
    co_await acknowledgements.send(Acknowledged(checkpoints));
  } catch (const Broken&) {
    // It does not wait for the last ones; whether it ended well is for connect() to see.
  }
}

void CaptureSession::Impl::check_binding(std::uint32_t binding) const {
  if (binding >= spec.bindings.size())
    throw Error(Error::Kind::transient, fmt::format("invalid captured binding {}", binding));
}

bool CaptureSession::Impl::checkpoint_arrived() const {
  return !arrived.empty() && arrived.back().checkpoint;
}

// At half of its combiner, so that a transaction that may be divided does not spill.
bool CaptureSession::Impl::full(const Collected& transaction) const {
  return transaction.combiner->bytes() >= transaction.combiner->capacity() / 2 ||
         transaction.received_bytes >= most_transaction_bytes ||
         context.clock.now() - transaction.opened >= options.max_transaction;
}

CaptureSession::CaptureSession(Context& context, StateStore& store, protocol::Capture& connector,
                               const protocol::CaptureSpec& spec, std::string version,
                               std::vector<CollectionLog*> logs, CaptureOptions options, Progress& progress)
    : impl_(std::make_unique<Impl>(context, store, connector, spec, std::move(version), std::move(logs),
                                   std::move(options), progress)) {}
CaptureSession::~CaptureSession() = default;

Task<> CaptureSession::run() { return impl_->run(); }

void CaptureSession::stop() {
  impl_->stopping = true;
  impl_->changed.notify_all();
}

}  // namespace sluice::runtime
