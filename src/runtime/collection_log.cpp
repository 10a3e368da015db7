#include "sluice/runtime/collection_log.hpp"

#include <fmt/format.h>
#include <highwayhash/c_bindings.h>

#include <algorithm>

#include "file.hpp"
#include "sluice/async/cpu.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::runtime {
namespace {
constexpr std::size_t write_bytes = 1_MiB;
constexpr std::size_t kept_bytes = 4_MiB;  // a larger buffer is freed after use
constexpr std::size_t longest_name = 255;  // of a file
constexpr std::size_t most_known = 256;    // transactions: some KiB a log
}  // namespace

std::filesystem::path log_path(const std::filesystem::path& folder, std::string_view collection) {
  std::string name = text::percent_encode(collection, "-_.~$&+:=@") + ".ndjson";
  if (name.size() > longest_name)
    throw Error(Error::Kind::config,
                fmt::format("the collection name '{}' is too long for a file name", collection),
                "Use a name of at most 248 characters, counting '/' as three.");
  return folder / name;
}

// Known to this process only, so the keys of the hash are free to choose.
SchemaHash schema_hash(std::string_view write_schema) {
  const HHKey low{1, 2, 3, 4}, high{5, 6, 7, 8};
  return {HighwayHash64(low, write_schema.data(), write_schema.size()),
          HighwayHash64(high, write_schema.data(), write_schema.size())};
}

struct CollectionLog::Tail {
  explicit Tail(std::filesystem::path p) : path(std::move(p)) {}
  void flush() {
    file->write_at(end, text);
    end += text.size();
    text.clear();
    if (text.capacity() > kept_bytes) free_text();
  }
  void free_text() { std::string().swap(text); }

  std::filesystem::path path;
  std::optional<File> file;  // open during a transaction, so that thousands of idle logs take no descriptors
  std::string text;          // appended and not yet written
  std::uint64_t end = 0;     // where text goes
  LogPosition position;      // as last committed or prepared
  bool clean = false;        // the file ends after the acknowledgement of the last committed transaction
};

CollectionLog::CollectionLog(Executor executor, StateStore& store, const std::filesystem::path& folder,
                             std::string collection, Faults faults)
    : store_(store),
      collection_(std::move(collection)),
      faults_(std::move(faults)),
      tail_(std::make_unique<Tail>(log_path(folder, collection_))),
      grown_(executor),
      released_(executor) {
  taken_ = true;
  Transaction recovery(*this, {});
  recovery.restore();
  recovery.publish();
}

CollectionLog::~CollectionLog() = default;

const std::filesystem::path& CollectionLog::path() const { return tail_->path; }

Task<std::unique_ptr<CollectionLog::Transaction>> CollectionLog::begin(SchemaHash write_schema) {
  while (taken_) co_await released_.wait();
  taken_ = true;
  co_return std::make_unique<Transaction>(*this, write_schema);
}

namespace {
void restore(CollectionLog::Transaction* turn) { turn->restore(); }
}  // namespace

Task<> CollectionLog::recover(CpuPool& cpu) {
  auto turn = co_await begin();
  if (tail_->clean && published_ == tail_->end) co_return;
  co_await on_cpu(cpu, restore, turn.get());
  turn->publish();
}

void CollectionLog::schema_changed() {
  schema_changes_.push_back(published_);
  grown_.notify_all();
}

std::vector<KnownTransaction> CollectionLog::known_from(std::uint64_t offset) const {
  auto before = [](const KnownTransaction& known, std::uint64_t at) { return known.begin < at; };
  std::vector<KnownTransaction> following;
  for (auto at = std::lower_bound(known_.begin(), known_.end(), offset, before); at != known_.end(); ++at) {
    if (at->begin != offset) break;
    following.push_back(*at);
    offset = at->next;
  }
  return following;
}

CollectionLog::Transaction::Transaction(CollectionLog& log, const SchemaHash& write_schema)
    : log_(log), write_schema_(write_schema) {}

CollectionLog::Transaction::~Transaction() {
  log_.tail_->file.reset();
  log_.tail_->free_text();
  log_.taken_ = false;
  log_.released_.notify_all();
}

void CollectionLog::Transaction::restore() {
  Tail& tail = *log_.tail_;
  tail.file.emplace(tail.path, File::Mode::create);
  first_ = tail.end;
  if (tail.clean) return;
  tail.position = log_.store_.log_position(log_.collection_);
  std::uint64_t size = tail.file->size();
  if (size < tail.position.length)
    throw Error(Error::Kind::config,
                fmt::format("the log of collection '{}' in {} holds {} bytes, but {} bytes are committed",
                            log_.collection_, tail.path.native(), size, tail.position.length),
                "Restore the file, or start over with a new state folder.");
  reach(log_.faults_, "before log restore");
  tail.end = tail.position.length;
  // First the acknowledgement, which may be there and published already: no reader sees a file without it.
  tail.text = tail.position.acknowledgement;
  tail.flush();
  if (size > tail.end) tail.file->truncate(tail.end);
  tail.clean = true;
  first_ = tail.end;
  reach(log_.faults_, "after log restore");
}

std::string& CollectionLog::Transaction::text() {
  log_.tail_->clean = false;
  return log_.tail_->text;
}

void CollectionLog::Transaction::written() {
  if (log_.tail_->text.size() < write_bytes) return;
  reach(log_.faults_, "before log write");
  log_.tail_->flush();
  reach(log_.faults_, "after log write");
}

void CollectionLog::Transaction::pause() {
  if (!log_.tail_->text.empty()) log_.tail_->flush();
  log_.tail_->free_text();
}

LogPosition CollectionLog::Transaction::prepare(std::string acknowledgement, std::optional<Uuid> known) {
  Tail& tail = *log_.tail_;
  tail.clean = false;
  known_ = known;
  reach(log_.faults_, "before log sync");
  tail.flush();
  tail.file->sync();
  if (tail.position.length == 0) sync_folder(tail.path.parent_path());
  reach(log_.faults_, "after log sync");
  tail.position.length = tail.end;
  tail.position.acknowledgement = std::move(acknowledgement);
  return tail.position;
}

void CollectionLog::Transaction::acknowledge() {
  Tail& tail = *log_.tail_;
  reach(log_.faults_, "before log acknowledgement");
  tail.text = tail.position.acknowledgement;
  tail.flush();
  tail.clean = true;
  reach(log_.faults_, "after log acknowledgement");
}

void CollectionLog::Transaction::publish() {
  SLUICE_CHECK(log_.tail_->clean);
  // What stands before its documents and was not published is of a turn that failed.
  if (first_ != log_.published_ || write_schema_ != log_.valid_.schema) log_.valid_ = {write_schema_, first_};
  log_.published_ = log_.tail_->end;
  if (known_) {
    if (log_.known_.size() == most_known) log_.known_.pop_front();
    log_.known_.push_back({first_, log_.tail_->position.length, log_.published_, *known_});
  }
  log_.grown_.notify_all();
}

}  // namespace sluice::runtime
