#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

// SQLite as C++ values. All calls block; a connection and its statements are used by one thread at a time.
namespace sluice::sqlite {

class Database;

// A prepared statement. What is bound is not copied: it must stay until the next reset().
class Statement {
 public:
  Statement() = default;
  explicit operator bool() const { return static_cast<bool>(handle_); }

  // Parameters count from 1, columns from 0.
  void bind_null(int parameter);
  void bind(int parameter, std::int64_t value);
  void bind(int parameter, double value);
  void bind_text(int parameter, std::string_view value);
  void bind_blob(int parameter, std::string_view value);

  // True on a row, false at the end. Throws Error that names the database, and resets.
  bool step();
  // To its end, then reset.
  void run();
  void reset() noexcept;

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  // Bytes of a text or blob, valid until the next step or reset.
  std::string_view text(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const noexcept;
  };
  void check(int code) {
    if (code) failed(code);
  }
  [[noreturn]] void failed(int code);

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  const Database* database_ = nullptr;
};

class Database {
 public:
  enum class Access {
    existing,
    create,  // unless it exists
  };

  // Throws Error{config} naming the path and the way out if there is no such file, no permission, or no
  // SQLite database in it.
  Database(std::string path, Access access);
  // Throws as the constructor does if `path` neither is a file nor could become one. Creates nothing.
  static void require_place(const std::string& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& path() const { return path_; }
  // Turns on the write-ahead log, which stays with the file, and what our statements rely on. False if
  // another connection is in the way.
  bool prepare_file() const;
  Statement prepare(std::string_view sql) const;
  // One that is kept and run many times.
  Statement prepare_kept(std::string_view sql) const;
  void execute(std::string_view sql) const { prepare(sql).run(); }
  std::string query_text(std::string_view sql) const;
  std::int64_t query_integer(std::string_view sql) const;

  // Begins a transaction with the write lock; false if another connection holds it.
  bool begin() const;
  void commit() const { execute("COMMIT"); }
  void rollback() const noexcept;
  // Rows that the last statement changed.
  std::int64_t changes() const;
  // The file is no longer the one at its path: what is written goes nowhere.
  bool moved() const;
  // Copies committed pages from the write-ahead log into the file; false if a reader kept some back.
  bool checkpoint() const;

  sqlite3* handle() const { return handle_.get(); }
  Error failure(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept;
  };
  Statement prepare(std::string_view sql, unsigned flags) const;
  // Runs it without waiting for a lock; false if another connection holds it.
  bool unless_busy(const char* sql) const;

  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// Rolls back what was begun unless it is committed.
class Transaction {
 public:
  explicit Transaction(const Database& begun) : database_(begun) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (!done_) database_.rollback();
  }
  void commit() {
    database_.commit();
    done_ = true;
  }

 private:
  const Database& database_;
  bool done_ = false;
};

}  // namespace sluice::sqlite
