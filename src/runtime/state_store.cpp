#include "sluice/runtime/state_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <mutex>

#include "file.hpp"
#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

constexpr char schema[] =
    "CREATE TABLE IF NOT EXISTS state (task TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY (task, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS logs (collection TEXT PRIMARY KEY, length INTEGER NOT NULL,"
    " acknowledgement BLOB NOT NULL) WITHOUT ROWID;";
constexpr int format_version = 1;  // PRAGMA user_version

Error failure(sqlite3* db, int code, const std::string& file, std::string_view doing) {
  std::string message = fmt::format("{} {}: {}", doing, file, db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Error(Error::Kind::transient, std::move(message),
                   "Free space there, or choose another state folder; nothing that was committed is lost.");
    case SQLITE_IOERR:
    case SQLITE_BUSY:
      return Error(Error::Kind::transient, std::move(message));
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return Error(Error::Kind::config, std::move(message),
                   "The state folder must be writable for this user; choose another with --state.");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Error(Error::Kind::config, std::move(message),
                   "Restore the state folder from a backup, or start over with a new one.");
    default:
      return Error(Error::Kind::transient, std::move(message));
  }
}

class Statement {
 public:
  Statement(sqlite3* db, const std::string& file, const char* sql) : db_(db), file_(file) {
    check(sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr));
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  Statement& text(std::string_view value) {
    check(sqlite3_bind_text64(statement_, ++bound_, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8));
    return *this;
  }
  Statement& blob(std::string_view value) {
    const char* data = value.empty() ? "" : value.data();  // null would bind NULL
    check(sqlite3_bind_blob64(statement_, ++bound_, data, value.size(), SQLITE_STATIC));
    return *this;
  }
  Statement& integer(std::uint64_t value) {
    check(sqlite3_bind_int64(statement_, ++bound_, static_cast<sqlite3_int64>(value)));
    return *this;
  }
  bool step() {
    int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    throw failure(db_, code, file_, "cannot use the task state in");
  }
  std::string bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data ? std::string(static_cast<const char*>(data), size) : std::string();
  }
  std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK) throw failure(db_, code, file_, "cannot use the task state in");
  }
  sqlite3* db_;
  const std::string& file_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

// Rolls back unless committed.
class Transaction {
 public:
  Transaction(sqlite3* db, const std::string& file) : db_(db), file_(file) {
    Statement(db_, file_, "BEGIN IMMEDIATE").step();
  }
  ~Transaction() {
    if (!done_) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  void commit() {
    Statement(db_, file_, "COMMIT").step();
    done_ = true;
  }

 private:
  sqlite3* db_;
  const std::string& file_;
  bool done_ = false;
};

}  // namespace

struct StateStore::Impl {
  Impl(std::string f, Faults hook) : file(std::move(f)), faults(std::move(hook)) {}
  ~Impl() { sqlite3_close(db); }

  void open(Mode mode);
  void configure(Mode mode);
  void execute(const char* sql) {
    int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) throw failure(db, code, file, "cannot use the task state in");
  }
  Statement prepare(const char* sql) { return Statement(db, file, sql); }
  void put(const std::string& task, const StateCommit::Entry& entry);

  std::string file;
  Faults faults;
  sqlite3* db = nullptr;
  std::mutex mutex;
};

void StateStore::Impl::open(Mode mode) {
  int flags = mode == Mode::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  if (mode == Mode::write) File(file, File::Mode::create);  // 0600; SQLite gives its -wal and -shm the same
  int code = sqlite3_open_v2(file.c_str(), &db, flags | SQLITE_OPEN_FULLMUTEX, nullptr);
  if (code != SQLITE_OK) throw failure(db, code, file, "cannot open the task state");
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, 10'000);  // `sluice state` reads beside a run
  configure(mode);
}

void StateStore::Impl::configure(Mode mode) {
  if (mode == Mode::write) execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  std::uint64_t version = 0;
  {
    Statement query = prepare("PRAGMA user_version");
    if (query.step()) version = query.number(0);
  }
  if (version > format_version)
    throw Error(Error::Kind::config, fmt::format("the task state in {} was written by a newer Sluice", file),
                "Use that version, or another state folder.");
  if (version == format_version || mode == Mode::read) return;
  execute(schema);
  execute(fmt::format("PRAGMA user_version={}", format_version).c_str());
}

void StateStore::Impl::put(const std::string& task, const StateCommit::Entry& entry) {
  if (entry.value)
    prepare("INSERT OR REPLACE INTO state VALUES (?, ?, ?)")
        .text(task)
        .blob(entry.key)
        .blob(*entry.value)
        .step();
  else
    prepare("DELETE FROM state WHERE task = ? AND key = ?").text(task).blob(entry.key).step();
}

StateStore::StateStore(const std::filesystem::path& file, Mode mode, Faults faults)
    : impl_(std::make_unique<Impl>(file.native(), std::move(faults))) {
  impl_->open(mode);
}
StateStore::StateStore(StateStore&&) noexcept = default;
StateStore::~StateStore() = default;

std::optional<std::string> StateStore::get(std::string_view task, std::string_view key) {
  std::lock_guard lock(impl_->mutex);
  Statement query = impl_->prepare("SELECT value FROM state WHERE task = ? AND key = ?");
  if (!query.text(task).blob(key).step()) return std::nullopt;
  return query.bytes(0);
}

std::vector<std::pair<std::string, std::string>> StateStore::list(std::string_view task,
                                                                  std::string_view prefix) {
  std::lock_guard lock(impl_->mutex);
  Statement query = impl_->prepare("SELECT key, value FROM state WHERE task = ? AND key >= ? ORDER BY key");
  query.text(task).blob(prefix);
  std::vector<std::pair<std::string, std::string>> entries;
  while (query.step()) {
    std::string key = query.bytes(0);
    if (key.compare(0, prefix.size(), prefix) != 0) break;
    entries.emplace_back(std::move(key), query.bytes(1));
  }
  return entries;
}

std::vector<std::string> StateStore::tasks() {
  std::lock_guard lock(impl_->mutex);
  Statement query = impl_->prepare("SELECT DISTINCT task FROM state ORDER BY task");
  std::vector<std::string> names;
  while (query.step()) names.push_back(query.bytes(0));
  return names;
}

LogPosition StateStore::log_position(std::string_view collection) {
  std::lock_guard lock(impl_->mutex);
  Statement query = impl_->prepare("SELECT length, acknowledgement FROM logs WHERE collection = ?");
  LogPosition position;
  if (!query.text(collection).step()) return position;
  position.length = query.number(0);
  position.acknowledgement = query.bytes(1);
  return position;
}

std::vector<std::string> StateStore::collections() {
  std::lock_guard lock(impl_->mutex);
  Statement query = impl_->prepare("SELECT collection FROM logs ORDER BY collection");
  std::vector<std::string> names;
  while (query.step()) names.push_back(query.bytes(0));
  return names;
}

void StateStore::commit(const StateCommit& commit) {
  reach(impl_->faults, "before state commit");
  {
    std::lock_guard lock(impl_->mutex);
    Transaction transaction(impl_->db, impl_->file);
    for (const StateCommit::Entry& entry : commit.entries) impl_->put(commit.task, entry);
    for (const StateCommit::Log& log : commit.logs)
      impl_->prepare("INSERT OR REPLACE INTO logs VALUES (?, ?, ?)")
          .text(log.collection)
          .integer(log.position.length)
          .blob(log.position.acknowledgement)
          .step();
    transaction.commit();
  }
  reach(impl_->faults, "after state commit");
}

}  // namespace sluice::runtime
