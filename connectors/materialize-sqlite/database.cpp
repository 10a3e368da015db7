#include "database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace sluice::sqlite {
namespace {

namespace fs = std::filesystem;
using Kind = Error::Kind;

constexpr int busy_timeout_ms = 5000;
constexpr int busy_timeout_at_open_ms = 30'000;  // while another program writes a file without a log
constexpr int page_bytes = 8192;                 // of a new file

const char* text_pointer(std::string_view value) { return value.data() ? value.data() : ""; }

std::string folder_of(const std::string& path) {
  fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

struct Advice {
  Kind kind;
  std::string hint;
};

Advice advice(int code, const std::string& path) {
  constexpr std::string_view nothing_lost =
      "Nothing is lost: the transaction was rolled back and will be repeated";
  switch (code & 0xff) {
    case SQLITE_FULL:
      return {Kind::transient,
              fmt::format("Free space on the file system of '{}', or move the file and change "
                          "`path`. {}.",
                          path, nothing_lost)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Kind::transient,
              "Close the other program that writes to the file, or give each task a file of its own."};
    case SQLITE_READONLY:
      if (code == SQLITE_READONLY_DBMOVED)
        return {Kind::transient,
                "The file was moved or deleted while in use; it is opened again from its path."};
      return {Kind::config,
              fmt::format("Make the file and its folder '{}' writable for this user, or change `path`.",
                          folder_of(path))};
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return {Kind::config,
              fmt::format("The file and its folder '{}' must exist and be readable and writable for this "
                          "user; `path` in the configuration names another.",
                          folder_of(path))};
    case SQLITE_NOTADB:
      return {Kind::config, "Another kind of file is there: change `path`, or move that file away."};
    case SQLITE_CORRUPT:
      return {Kind::config,
              "Restore the file from a backup, or move it away: then everything is materialized again."};
    case SQLITE_IOERR:
      return {Kind::transient,
              fmt::format("Check the file system of '{}' and its limits. {}.", path, nothing_lost)};
    case SQLITE_TOOBIG:
      return {Kind::config, "SQLite takes values and rows of up to 1,000,000,000 bytes: exclude the field."};
    case SQLITE_CONSTRAINT:
      return {Kind::config,
              "The table's constraints do not allow what is to be stored: remove the constraint, or "
              "increment the "
              "binding's backfill counter to re-create the table."};
    case SQLITE_MISMATCH:
      return {Kind::config,
              "An integer primary key takes whole numbers of 64 bits only: increment the binding's "
              "backfill counter to re-create the table."};
    case SQLITE_NOMEM:
      return {Kind::transient, {}};
    default:
      return {Kind::transient, {}};
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }

void Statement::bind_null(int parameter) { check(sqlite3_bind_null(handle_.get(), parameter)); }

void Statement::bind(int parameter, std::int64_t value) {
  check(sqlite3_bind_int64(handle_.get(), parameter, value));
}

void Statement::bind(int parameter, double value) {
  check(sqlite3_bind_double(handle_.get(), parameter, value));
}

void Statement::bind_text(int parameter, std::string_view value) {
  check(sqlite3_bind_text64(handle_.get(), parameter, text_pointer(value), value.size(), SQLITE_STATIC,
                            SQLITE_UTF8));
}

void Statement::bind_blob(int parameter, std::string_view value) {
  check(sqlite3_bind_blob64(handle_.get(), parameter, text_pointer(value), value.size(), SQLITE_STATIC));
}

bool Statement::step() {
  int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) failed(code);
  return false;
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

void Statement::reset() noexcept { sqlite3_reset(handle_.get()); }

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }

std::string_view Statement::text(int column) const {
  const void* data = sqlite3_column_blob(handle_.get(), column);
  auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
  return {static_cast<const char*>(data), data ? size : 0};
}

void Statement::failed(int code) {
  Error error = database_->failure(code);
  reset();
  throw error;
}

void Database::Close::operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }

Database::Database(std::string path, Access access) : path_(std::move(path)) {
  require_place(path_);
  sqlite3* handle = nullptr;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (access == Access::create) flags |= SQLITE_OPEN_CREATE;
  int code = sqlite3_open_v2(path_.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) throw failure(code);
  sqlite3_busy_timeout(handle, busy_timeout_at_open_ms);
  // "x" is always an identifier.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  query_integer("PRAGMA schema_version");  // reads the header
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  if (sqlite3_db_readonly(handle, "main") == 1)
    throw Error(Kind::config, fmt::format("database file '{}' is not writable", path_),
                "Make it writable for this user, or change `path`.");
}

bool Database::prepare_file() const {
  if (query_integer("PRAGMA page_count") == 0) execute(fmt::format("PRAGMA page_size={}", page_bytes));
  // It takes the file for itself and does not wait for that, whatever the busy timeout.
  if (!unless_busy("PRAGMA journal_mode=WAL")) return false;
  std::string mode = query_text("PRAGMA journal_mode");
  if (mode != "wal")
    throw Error(
        Kind::config,
        fmt::format("database '{}' cannot have a write-ahead log: its journal mode stays '{}'", path_, mode),
        "Move the file to a local disk: a network file system lacks the shared memory that it needs.");
  // A table may be replaced while views refer to its name.
  execute("PRAGMA legacy_alter_table=ON");
  return true;
}

// What SQLite would report as "unable to open database file".
void Database::require_place(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw Error(Kind::config, fmt::format("database path '{}' is a folder", path),
                "Name a file in it: `path` in the configuration.");
  std::string folder = folder_of(path);
  if (!fs::is_directory(folder, ignored))
    throw Error(Kind::config, fmt::format("folder '{}' of database path '{}' does not exist", folder, path),
                "Create it, or change `path`.");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw Error(
        Kind::config,
        fmt::format(
            "folder '{}' of database path '{}' is not writable, and SQLite keeps its log beside the file",
            folder, path),
        "Make it writable for this user, or change `path`.");
}

Statement Database::prepare(std::string_view sql) const { return prepare(sql, 0); }

Statement Database::prepare_kept(std::string_view sql) const {
  return prepare(sql, SQLITE_PREPARE_PERSISTENT);
}

Statement Database::prepare(std::string_view sql, unsigned flags) const {
  Statement statement;
  statement.database_ = this;
  sqlite3_stmt* handle = nullptr;
  int code =
      sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), flags, &handle, nullptr);
  statement.handle_.reset(handle);
  if (code != SQLITE_OK) throw failure(code);
  return statement;
}

std::string Database::query_text(std::string_view sql) const {
  Statement statement = prepare(sql);
  return statement.step() ? std::string(statement.text(0)) : std::string();
}

std::int64_t Database::query_integer(std::string_view sql) const {
  Statement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

bool Database::begin() const { return unless_busy("BEGIN IMMEDIATE"); }

bool Database::unless_busy(const char* sql) const {
  sqlite3_busy_timeout(handle_.get(), 0);
  int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  sqlite3_busy_timeout(handle_.get(), busy_timeout_ms);
  if ((code & 0xff) == SQLITE_BUSY) return false;
  if (code != SQLITE_OK) throw failure(code);
  return true;
}

void Database::rollback() const noexcept {
  if (!sqlite3_get_autocommit(handle_.get()))
    sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }

bool Database::moved() const {
  int moved = 0;
  sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

bool Database::checkpoint() const {
  int in_log = 0, copied = 0;
  int code = sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED)
    throw failure(code);
  return code == SQLITE_OK && in_log == copied;
}

Error Database::failure(int code) const {
  std::string what = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  int system = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
  int primary = code & 0xff;
  if (system && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN))
    what += fmt::format(" ({})", std::strerror(system));
  Advice a = advice(code, path_);
  return Error(a.kind, fmt::format("database '{}': {}", path_, what), std::move(a.hint));
}

}  // namespace sluice::sqlite
