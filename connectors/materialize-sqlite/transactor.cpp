#include "transactor.hpp"

#include <fmt/format.h>

#include "lock.hpp"
#include "sluice/base/error.hpp"

namespace sluice::sqlite {
namespace {

using protocol::ConnectorState;
using protocol::RangeSpec;
using protocol::StoreBatch;
namespace materialize = protocol::materialize;

// The leader-and-shards runtime, which asks for more than the first one (materialize-sql.md §1.7).
bool is_second_runtime(const protocol::MaterializationSpec& spec) {
  if (!spec.shard_template || !spec.shard_template->labels) return false;
  for (const protocol::Label& label : spec.shard_template->labels->labels)
    if (label.name == "estuary.dev/flag/enable-runtime-v2") return label.value == "true";
  return false;
}

RangeSpec range_of(const materialize::Open& request) {
  if (request.range) return *request.range;
  RangeSpec all;
  all.key_end = all.r_clock_end = 0xffffffff;
  return all;
}

bool is_whole(const RangeSpec& range) { return range.key_begin == 0 && range.key_end == 0xffffffff; }

std::unique_ptr<Session> make_session(SessionOptions options, protocol::MaterializationSpec spec,
                                      RangeSpec range, Log log) {
  return std::make_unique<Session>(std::move(options), std::move(spec), range, std::move(log));
}

Batch load_some(Session* session, bool* more) {
  Batch found;
  *more = session->load(found);
  return found;
}

std::size_t store_some(Session* session, const StoreBatch* documents, std::size_t from) {
  return session->store(*documents, from);
}

void commit(Session* session, const protocol::Checkpoint* checkpoint) { session->commit(*checkpoint); }

}  // namespace

// Holds the session for one coroutine.
class Transactor::Turn {
 public:
  static Task<Turn> take(Transactor& owner) {
    while (owner.busy_) co_await owner.freed_.wait();
    owner.busy_ = true;
    co_return Turn(owner);
  }
  Turn(Turn&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (!owner_) return;
    owner_->busy_ = false;
    owner_->freed_.notify_all();
  }

 private:
  explicit Turn(Transactor& owner) : owner_(&owner) {}
  Transactor* owner_;
};

Transactor::Transactor(Context& context, SessionOptions options)
    : context_(context), options_(std::move(options)), freed_(context.executor) {}

Transactor::~Transactor() = default;

Task<materialize::Opened> Transactor::open(materialize::Open request) {
  RangeSpec range = range_of(request);
  options_.every_commit_on_disk = is_second_runtime(*request.materialization);
  if (options_.every_commit_on_disk && !is_whole(range))
    throw Error(Error::Kind::config,
                fmt::format("'{}' has more than one shard, whose transactions cannot commit as one in SQLite",
                            request.materialization->name),
                "Run the materialization with a single shard.");
  materialize::Opened opened;
  opened.disable_load_optimization = options_.rules.allow_existing_tables_for_new_bindings ||
                                     options_.rules.retain_existing_data_on_backfill;
  session_ = co_await on_cpu(context_.cpu, make_session, options_, std::move(*request.materialization), range,
                             context_.log);
  co_await until_locked(context_, session_.get(), &Session::install, options_.path, patience_at_start);
  opened.runtime_checkpoint = session_->checkpoint();
  co_return opened;
}

Task<std::optional<ConnectorState>> Transactor::acknowledge(std::string) {
  Turn turn = co_await Turn::take(*this);
  co_await on_cpu(context_.cpu, &Session::tidy, session_.get());
  co_return std::nullopt;
}

Task<> Transactor::stage_loads(Reader<Batch> keys) {
  while (std::optional<Batch> batch = co_await keys.next()) {
    Turn turn = co_await Turn::take(*this);
    co_await on_cpu(context_.cpu, &Session::add_keys, session_.get(), std::move(*batch));
  }
}

Task<> Transactor::load(Writer<Batch> found) {
  for (bool more = true; more;) {
    Batch some = co_await on_cpu(context_.cpu, load_some, session_.get(), &more);
    if (!some.empty()) co_await found.send(std::move(some));
  }
  found.close();
}

Task<std::optional<ConnectorState>> Transactor::flush() { co_return std::nullopt; }

Task<> Transactor::store(Reader<StoreBatch> documents) {
  bool begun = false;
  while (std::optional<StoreBatch> batch = co_await documents.next()) {
    if (!begun)
      co_await until_locked(context_, session_.get(), &Session::begin, options_.path,
                            patience_in_transaction);
    begun = true;
    for (std::size_t at = 0; at < batch->size();)
      at = co_await on_cpu(context_.cpu, store_some, session_.get(), &*batch, at);
  }
}

Task<std::optional<ConnectorState>> Transactor::start_commit(materialize::StartCommit request) {
  co_await until_locked(context_, session_.get(), &Session::begin, options_.path, patience_in_transaction);
  protocol::Checkpoint checkpoint = request.runtime_checkpoint.value_or(protocol::Checkpoint());
  co_await on_cpu(context_.cpu, commit, session_.get(), &checkpoint);
  co_return std::nullopt;
}

Task<> Transactor::close() {
  co_await on_cpu(
      context_.cpu, [](std::unique_ptr<Session> session) { session.reset(); }, std::move(session_));
}

}  // namespace sluice::sqlite
