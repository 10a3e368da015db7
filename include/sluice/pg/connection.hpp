#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/base/secret.hpp"

namespace sluice::pg {

struct ConnectOptions {
  ConnectOptions() = default;
  std::string host, port = "5432";  // a host that starts with '/' is a socket folder
  std::string user, database;
  Secret password;
  std::string sslmode;        // empty: libpq's prefer
  std::string ssl_root_cert;  // path, or empty
  std::string application_name = "sluice";
  int connect_timeout_s = 20;
  bool replication = false;  // replication=database
  // Session settings sent at start-up, such as {"TimeZone", "UTC"}.
  std::map<std::string, std::string> settings;
};

// Session settings under which text output has one form (capture-postgres §4.1).
std::map<std::string, std::string> pinned_settings();

// The rows of a small result, text format, all in memory.
class Rows {
 public:
  Rows();
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) noexcept;
  ~Rows();
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  std::size_t columns() const;
  std::string_view name(std::size_t column) const;
  // Nothing for NULL. Views live as long as the Rows.
  std::optional<std::string_view> at(std::size_t row, std::size_t column) const;
  // The text, or empty for NULL.
  std::string text(std::size_t row, std::size_t column) const;
  std::int64_t affected() const;  // rows of a command tag

 private:
  friend class Connection;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One session with a server. Statements run one after the other; a connection serves one coroutine at a time.
// Failures throw Error with the SQLSTATE, message, detail and hint of the server; a lost connection is
// transient. Cancelling a coroutine that waits for a statement cancels the statement in the server first.
// Dies before its loop and its Context; destroying it ends the session at once.
class Connection {
 public:
  // Throws Error: 28P01, 28000 wrong user or password, 3D000 no such database, refused, timed out … each
  // naming host, port, user or database and the way out; never the password.
  static Task<std::unique_ptr<Connection>> connect(Context& context, ConnectOptions options);
  ~Connection();

  // A statement with text parameters ($1 …; nothing is NULL).
  Task<Rows> query(std::string sql, std::vector<std::optional<std::string>> parameters = {});
  // One or several statements without parameters, by the simple protocol; the last result is returned.
  Task<Rows> run(std::string sql);

  // Starts COPY … TO STDOUT. Then next_copy() gives row after row (one line each with its newline, as sent)
  // until nothing is returned. The view lives until the next call. Leaving early: cancel_copy().
  Task<> start_copy_out(std::string sql);
  Task<std::optional<std::string_view>> next_copy();
  // A line that has arrived already: no suspension on the hot path. Nothing: use next_copy().
  std::optional<std::string_view> poll_copy();
  // The bytes of the row given last, which the caller may change until the next call: for split_copy_line().
  std::span<char> copy_bytes();
  // Rows in blocks, for work on the CPU pool: whole rows of at least `bytes` in total, less only at the end;
  // then nothing. Rows of COPY text are told apart by their newlines, which values never hold.
  Task<std::optional<std::string>> next_copy_block(std::size_t bytes);
  Task<> cancel_copy();

  // Starts COPY … FROM STDIN. Then send_copy(), and one of the two below.
  Task<> start_copy_in(std::string sql);
  // Says that all was sent; returns how many rows the server took.
  Task<std::int64_t> finish_copy_in();
  // Gives up: the statement fails in the server.
  Task<> fail_copy_in(std::string reason);

  // START_REPLICATION …; after it messages flow both ways by next_copy()/poll_copy() and send_copy(), which
  // two coroutines may use at the same time. Cancelling either leaves the stream as it is.
  Task<> start_replication(std::string command);
  // Waits until more of the stream has arrived, for poll_copy() to look at: true; false if nothing did until
  // `deadline` of the context's clock. Gives the loop a turn whatever the deadline. Throws Error{transient}
  // at the end of the stream.
  Task<bool> more_until(Clock::TimePoint deadline);
  // Lets time go by, in which arriving messages do not wake the loop one by one, and then takes in what has
  // come, for poll_copy() to look at. Throws Error{transient} if the connection is lost.
  Task<> rest_until(Clock::TimePoint time);
  Task<> send_copy(std::string bytes);

  int server_version() const;  // as 150004
  std::uint32_t backend_pid() const;
  // The session is of no more use: lost, or not to be brought to rest after a cancellation.
  bool broken() const;

 private:
  Connection();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "x" with inner quotes doubled: the one function that quotes identifiers.
std::string quote_identifier(std::string_view name);
// "s"."t".
std::string quote_table(std::string_view schema, std::string_view table);
// 'x' with inner quotes doubled; E'…' if it holds a backslash.
std::string quote_literal(std::string_view text);

// A WAL position; X/Y in hex (PostgreSQL manual, type pg_lsn).
struct Lsn {
  std::uint64_t value = 0;
  std::string text() const;
  static std::optional<Lsn> parse(std::string_view text);
  friend auto operator<=>(const Lsn&, const Lsn&) = default;
};

}  // namespace sluice::pg
