#include "sluice/pg/connection.hpp"

#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

#include "session.hpp"
#include "sluice/base/text.hpp"

namespace sluice::pg {
namespace {

// For a cancelled statement to end; and how long to wait before asking again.
constexpr auto time_to_rest = std::chrono::seconds(5);
constexpr auto cancel_interval = std::chrono::milliseconds(200);

// A wait was longer than its deadline allows. Never leaves this file.
struct Expired {};

// Blocks: runs on the pool. Whether the request got through shows in the statement's end.
void request_cancel(std::shared_ptr<PGcancel> request) {
  char reason[256];
  PQcancel(request.get(), reason, sizeof reason);
}

LogLevel level_of(std::string_view severity) {
  if (severity == "WARNING") return LogLevel::warn;
  if (severity == "NOTICE" || severity == "INFO") return LogLevel::info;
  return LogLevel::debug;
}

void receive_notice(void* log, const PGresult* notice) {
  auto field = [&](int code) {
    const char* value = PQresultErrorField(notice, code);
    return std::string_view(value ? value : "");
  };
  static_cast<const Log*>(log)->write(
      level_of(field(PG_DIAG_SEVERITY_NONLOCALIZED)), "notice of the server",
      {kv("notice", field(PG_DIAG_MESSAGE_PRIMARY)), kv("detail", field(PG_DIAG_MESSAGE_DETAIL)),
       kv("hint", field(PG_DIAG_MESSAGE_HINT)), kv("sqlstate", field(PG_DIAG_SQLSTATE))});
}

// FATAL and PANIC.
bool ends_session(const PGresult* result) {
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity && (std::string_view(severity) == "FATAL" || std::string_view(severity) == "PANIC");
}

}  // namespace

void log_notices(PGconn* connection, const Log& log) {
  PQsetNoticeReceiver(connection, receive_notice, const_cast<Log*>(&log));
}

struct Connection::Impl {
  // A statement runs while busy; it may turn into a stream, which the caller reads or writes.
  enum class Phase { idle, busy, copy_out, copy_in, copy_both };
  enum class Fetch { row, none, end };
  using Deadline = std::optional<Clock::TimePoint>;

  Impl(Context& c, ConnectOptions o) : context(c), options(std::move(o)), socket(c.executor) {}
  ~Impl() {
    PQfreemem(row);
    socket.release();
  }

  Task<> open();
  Task<> apply_settings();

  void begin();
  // Runs a statement from its beginning, or what reads and writes its stream. If that is cancelled, the
  // session is brought to rest before the cancellation goes on.
  Task<> statement(Task<> work);
  Task<> guarded(Task<> work);
  Task<> after_failure();
  Task<> come_to_rest();
  Task<> discard(Deadline deadline);

  Task<> query(std::string sql, std::vector<std::optional<std::string>> parameters, Rows& rows);
  Task<> run(std::string sql, Rows& rows);
  Task<> start_copy(std::string sql, Phase wanted);
  Task<> next_row(std::optional<std::string_view>& next);
  Task<bool> more(Clock::TimePoint deadline);
  Task<> rest(Clock::TimePoint time);
  Task<> end_copy_in(std::optional<std::string> failure, Rows& rows);
  Task<> send_copy(std::string bytes);

  Task<Rows> finish(Deadline deadline = std::nullopt);
  Task<Result> next_result(Deadline deadline);
  Task<> flush();
  void sent(bool accepted);
  void consume();
  Fetch fetch();
  bool streams() const { return phase == Phase::copy_out || phase == Phase::copy_both; }
  std::string_view row_view() const { return {row, row_bytes}; }
  Error lost(const PGresult* last = nullptr);
  PGconn* pg() const { return handle.get(); }

  Context& context;
  ConnectOptions options;
  Socket socket;
  Handle handle;
  Phase phase = Phase::idle;
  bool broken = false;
  bool rows_ended = false;  // of the stream
  char* row = nullptr;      // given last, of libpq's heap
  std::size_t row_bytes = 0;
};

// Opening.

Task<> Connection::Impl::open() {
  handle = co_await open_session(context, options, socket);
  socket.borrow(PQsocket(pg()));
  PQsetErrorVerbosity(pg(), PQERRORS_DEFAULT);
  if (PQsetnonblocking(pg(), 1) != 0) throw lost();
  co_await apply_settings();
}

// Variables of this process's environment (PGTZ, PGDATESTYLE) win over `options` in the server: where it
// reports another value than was wanted, it is told again.
Task<> Connection::Impl::apply_settings() {
  std::string sql;
  for (const auto& [name, value] : options.settings) {
    const char* actual = PQparameterStatus(pg(), name.c_str());
    if (!actual || text::lower_ascii(actual).starts_with(text::lower_ascii(value))) continue;
    sql += fmt::format("SET {} = {};", quote_identifier(text::lower_ascii(name)), quote_literal(value));
  }
  // Such a database holds any bytes, and the server would refuse to send those that are not UTF-8.
  const char* encoding = PQparameterStatus(pg(), "server_encoding");
  if (encoding && std::string_view(encoding) == "SQL_ASCII") sql += "SET client_encoding = SQL_ASCII;";
  if (sql.empty()) co_return;
  Rows none;
  co_await statement(run(std::move(sql), none));
}

// What every statement is made of.

void Connection::Impl::begin() {
  if (broken) throw Error(Error::Kind::transient, "the connection to " + place(options) + " is lost");
  SLUICE_CHECK(phase == Phase::idle);  // one statement at a time
  phase = Phase::busy;
  rows_ended = false;
}

void Connection::Impl::sent(bool accepted) {
  if (!accepted) throw lost();
}

Task<> Connection::Impl::flush() {
  for (bool waited = false;; waited = true) {
    int left = PQflush(pg());
    if (left < 0) throw lost();
    if (left > 0) {
      co_await socket.wait(Socket::write, context.clock);
      continue;
    }
    // libpq reads while it cannot write: the socket might not tell it to who waits for reading.
    if (waited) socket.wake();
    co_return;
  }
}

void Connection::Impl::consume() {
  if (!PQconsumeInput(pg())) throw lost();
  // TLS: what did not fit libpq's buffer of a record is in OpenSSL, and the socket does not show it.
  if (PQsslInUse(pg()) && !PQconsumeInput(pg())) throw lost();
}

Error Connection::Impl::lost(const PGresult* last) {
  broken = true;
  std::string message = "connection to " + place(options) + " lost";
  bool ready = !last && (PQstatus(pg()) == CONNECTION_BAD || !PQisBusy(pg()));  // else it would block
  Result pending(ready ? PQgetResult(pg()) : nullptr);
  if (!last) last = pending.get();
  // The server's last words, such as "terminating connection due to administrator command".
  if (last && PQresultErrorField(last, PG_DIAG_SQLSTATE)) {
    Error told = statement_failure(last);
    Error error(Error::Kind::transient, message + ": " + told.message(), told.hint());
    return error.set_sqlstate(told.sqlstate());
  }
  std::string words = PQerrorMessage(pg());
  std::string_view first = text::trim(std::string_view(words).substr(0, words.find('\n')));
  return Error(Error::Kind::transient,
               message + ": " + std::string(first.empty() ? "unexpected end" : first));
}

Task<Result> Connection::Impl::next_result(Deadline deadline) {
  while (PQisBusy(pg())) {
    bool ready = co_await socket.wait(Socket::read, context.clock, deadline);
    if (!ready) throw Expired();
    consume();
  }
  co_return Result(PQgetResult(pg()));
}

// Reads results to the end of the statement, or to where it becomes a stream. Returns the last result or
// throws the first failure.
Task<Rows> Connection::Impl::finish(Deadline deadline) {
  Rows rows;
  std::optional<Error> failure;
  for (;;) {
    Result result = co_await next_result(deadline);
    if (!result) break;
    switch (PQresultStatus(result.get())) {
      case PGRES_COPY_OUT:
        phase = Phase::copy_out;
        co_return rows;
      case PGRES_COPY_BOTH:
        phase = Phase::copy_both;
        co_return rows;
      case PGRES_COPY_IN:
        if (!rows_ended) {
          phase = Phase::copy_in;
          co_return rows;
        }
        // The server has ended its half of a replication stream: so do we.
        sent(PQputCopyEnd(pg(), nullptr) > 0);
        co_await flush();
        break;
      case PGRES_FATAL_ERROR:
      case PGRES_BAD_RESPONSE:
        if (ends_session(result.get()) || PQstatus(pg()) == CONNECTION_BAD) throw lost(result.get());
        if (!failure) failure = statement_failure(result.get());
        break;
      default:
        rows.impl_->result = std::move(result);
    }
  }
  phase = Phase::idle;
  if (failure) throw std::move(*failure);
  co_return rows;
}

// Cancelling.

Task<> Connection::Impl::statement(Task<> work) {
  begin();  // here: a coroutine that was cancelled before does not get to it
  co_await guarded(std::move(work));
}

Task<> Connection::Impl::guarded(Task<> work) {
  std::exception_ptr failure;
  try {
    co_await std::move(work);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  if (is_cancelled(failure)) co_await asio::this_coro::reset_cancellation_state();
  co_await after_failure();
  std::rethrow_exception(failure);
}

// A failure told by the server has ended the statement; after any other something may still be running.
Task<> Connection::Impl::after_failure() {
  if (broken || phase == Phase::idle || phase == Phase::copy_both) co_return;
  try {
    co_await come_to_rest();
  } catch (...) {
    broken = true;  // what the caller rethrows says why
  }
}

Task<> Connection::Impl::come_to_rest() {
  Clock::TimePoint last = context.clock.now() + time_to_rest;
  while (phase != Phase::idle) {
    std::shared_ptr<PGcancel> request(PQgetCancel(pg()), PQfreeCancel);  // shared with the pool's job
    co_await on_cpu(context.cpu, request_cancel, request);
    try {
      while (phase != Phase::idle) co_await discard(std::min(last, context.clock.now() + cancel_interval));
    } catch (const Expired&) {
      // The server ignores a request that comes before the statement's first byte: ask again.
      if (context.clock.now() >= last) throw;
    }
  }
}

// Reads what the cancelled statement still sends.
Task<> Connection::Impl::discard(Deadline deadline) {
  if (phase == Phase::copy_in) {
    phase = Phase::busy;
    sent(PQputCopyEnd(pg(), "cancelled") > 0);
    co_await flush();
  }
  for (bool more = phase == Phase::copy_out; more;) {
    Fetch fetched = fetch();
    more = fetched != Fetch::end;
    if (fetched != Fetch::none) continue;
    bool ready = co_await socket.wait(Socket::read, context.clock, deadline);
    if (!ready) throw Expired();
    consume();
  }
  try {
    co_await finish(deadline);
  } catch (const Error&) {
    if (phase != Phase::idle) throw;
  }
}

// Statements.

Task<> Connection::Impl::query(std::string sql, std::vector<std::optional<std::string>> parameters,
                               Rows& rows) {
  std::vector<const char*> values;
  for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  sent(PQsendQueryParams(pg(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                         nullptr, 0) == 1);
  co_await flush();
  rows = co_await finish();
  if (phase != Phase::idle) throw Error(Error::Kind::bug, "COPY was started as an ordinary statement");
}

Task<> Connection::Impl::run(std::string sql, Rows& rows) {
  sent(PQsendQuery(pg(), sql.c_str()) == 1);
  co_await flush();
  rows = co_await finish();
  if (phase != Phase::idle) throw Error(Error::Kind::bug, "COPY was started as an ordinary statement");
}

Task<> Connection::Impl::start_copy(std::string sql, Phase wanted) {
  sent(PQsendQuery(pg(), sql.c_str()) == 1);
  co_await flush();
  co_await finish();
  if (phase != wanted) throw Error(Error::Kind::bug, "the statement does not start the COPY that was meant");
}

// Streams.

Connection::Impl::Fetch Connection::Impl::fetch() {
  PQfreemem(row);
  row = nullptr;
  row_bytes = 0;
  if (rows_ended) return Fetch::end;
  SLUICE_CHECK(streams());
  int bytes = PQgetCopyData(pg(), &row, 1);
  if (bytes == 0) return Fetch::none;
  if (bytes == -2) throw lost();
  rows_ended = bytes == -1;
  row_bytes = rows_ended ? 0 : static_cast<std::size_t>(bytes);
  return rows_ended ? Fetch::end : Fetch::row;
}

Task<> Connection::Impl::next_row(std::optional<std::string_view>& next) {
  for (;;) {
    Fetch fetched = fetch();
    if (fetched == Fetch::end) break;
    if (fetched == Fetch::row) {
      next = row_view();
      co_return;
    }
    co_await socket.wait(Socket::read, context.clock);
    consume();
  }
  if (phase != Phase::idle) co_await finish();
}

// What the server says of the end comes before what we say of it.
Task<bool> Connection::Impl::more(Clock::TimePoint deadline) {
  SLUICE_CHECK(phase == Phase::copy_both || rows_ended);
  if (rows_ended) {
    if (phase != Phase::idle) co_await finish();
    throw Error(Error::Kind::transient, "the server ended the replication stream");
  }
  bool ready = co_await socket.wait(Socket::read, context.clock, deadline);
  consume();  // also what came too late to be told in time
  co_return ready;
}

Task<> Connection::Impl::rest(Clock::TimePoint time) {
  SLUICE_CHECK(phase == Phase::copy_both || rows_ended);
  if (broken) throw lost();  // libpq has closed the socket
  {
    Socket::Quiet quiet(socket);
    co_await context.clock.sleep_until(time);
  }
  if (!rows_ended) consume();
}

Task<> Connection::Impl::send_copy(std::string bytes) {
  // In pieces: libpq keeps what the socket does not take.
  for (std::string_view rest = bytes; !rest.empty();) {
    std::string_view piece = rest.substr(0, 256_KiB);
    sent(PQputCopyData(pg(), piece.data(), static_cast<int>(piece.size())) > 0);
    co_await flush();
    rest.remove_prefix(piece.size());
  }
}

Task<> Connection::Impl::end_copy_in(std::optional<std::string> failure, Rows& rows) {
  sent(PQputCopyEnd(pg(), failure ? failure->c_str() : nullptr) > 0);
  phase = Phase::busy;
  co_await flush();
  rows = co_await finish();
}

// The interface.

Connection::Connection() = default;
Connection::~Connection() = default;

Task<std::unique_ptr<Connection>> Connection::connect(Context& context, ConnectOptions options) {
  std::unique_ptr<Connection> connection(new Connection());
  connection->impl_ = std::make_unique<Impl>(context, std::move(options));
  co_await connection->impl_->open();
  co_return connection;
}

Task<Rows> Connection::query(std::string sql, std::vector<std::optional<std::string>> parameters) {
  for (const auto& parameter : parameters)
    if (parameter && parameter->find('\0') != std::string::npos)
      throw Error(Error::Kind::config, "a text parameter holds a zero byte, which PostgreSQL cannot store");
  Rows rows;
  // A walsender knows only the simple protocol.
  if (impl_->options.replication && parameters.empty())
    co_await impl_->statement(impl_->run(std::move(sql), rows));
  else
    co_await impl_->statement(impl_->query(std::move(sql), std::move(parameters), rows));
  co_return rows;
}

Task<Rows> Connection::run(std::string sql) {
  Rows rows;
  co_await impl_->statement(impl_->run(std::move(sql), rows));
  co_return rows;
}

Task<> Connection::start_copy_out(std::string sql) {
  co_await impl_->statement(impl_->start_copy(std::move(sql), Impl::Phase::copy_out));
}

Task<> Connection::start_copy_in(std::string sql) {
  co_await impl_->statement(impl_->start_copy(std::move(sql), Impl::Phase::copy_in));
}

Task<> Connection::start_replication(std::string command) {
  co_await impl_->statement(impl_->start_copy(std::move(command), Impl::Phase::copy_both));
}

std::optional<std::string_view> Connection::poll_copy() {
  if (impl_->fetch() != Impl::Fetch::row) return std::nullopt;
  return impl_->row_view();
}

std::span<char> Connection::copy_bytes() { return {impl_->row, impl_->row_bytes}; }

Task<std::optional<std::string_view>> Connection::next_copy() {
  if (std::optional<std::string_view> row = poll_copy()) co_return row;
  std::optional<std::string_view> row;
  co_await impl_->guarded(impl_->next_row(row));
  co_return row;
}

Task<bool> Connection::more_until(Clock::TimePoint deadline) { return impl_->more(deadline); }
Task<> Connection::rest_until(Clock::TimePoint time) { return impl_->rest(time); }

Task<std::optional<std::string>> Connection::next_copy_block(std::size_t bytes) {
  std::string block;
  while (block.size() < bytes) {
    std::optional<std::string_view> row = poll_copy();
    if (!row) row = co_await next_copy();
    if (!row) break;
    if (block.empty()) block.reserve(bytes + row->size());
    block += *row;
  }
  if (block.empty()) co_return std::nullopt;
  co_return block;
}

Task<> Connection::cancel_copy() {
  if (impl_->broken || impl_->phase == Impl::Phase::idle) co_return;
  SLUICE_CHECK(impl_->phase == Impl::Phase::copy_out);
  co_await impl_->guarded(impl_->come_to_rest());
}

Task<> Connection::send_copy(std::string bytes) {
  SLUICE_CHECK(impl_->phase == Impl::Phase::copy_in || impl_->phase == Impl::Phase::copy_both);
  co_await impl_->guarded(impl_->send_copy(std::move(bytes)));
}

Task<std::int64_t> Connection::finish_copy_in() {
  SLUICE_CHECK(impl_->phase == Impl::Phase::copy_in);
  Rows rows;
  co_await impl_->guarded(impl_->end_copy_in(std::nullopt, rows));
  co_return rows.affected();
}

Task<> Connection::fail_copy_in(std::string reason) {
  SLUICE_CHECK(impl_->phase == Impl::Phase::copy_in);
  Rows rows;
  try {
    co_await impl_->guarded(impl_->end_copy_in(std::move(reason), rows));
  } catch (const Error& e) {
    if (e.sqlstate() != "57014") throw;  // "COPY from stdin failed": what was asked for
  }
}

int Connection::server_version() const { return PQserverVersion(impl_->pg()); }
std::uint32_t Connection::backend_pid() const {
  return static_cast<std::uint32_t>(PQbackendPID(impl_->pg()));
}
bool Connection::broken() const { return impl_->broken; }

}  // namespace sluice::pg
