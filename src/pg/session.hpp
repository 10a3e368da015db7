#pragma once
#include <libpq-fe.h>

#include "sluice/async/context.hpp"
#include "sluice/base/error.hpp"
#include "sluice/pg/connection.hpp"
#include "socket.hpp"

// What the files of this module share about libpq. Not for other modules.
namespace sluice::pg {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ClearResult>;

struct FinishConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Handle = std::unique_ptr<PGconn, FinishConnection>;

struct Rows::Impl {
  Result result;
};

// The failure that a result of status FATAL_ERROR tells.
Error statement_failure(const PGresult* result);
// Why PQconnectPoll failed, from libpq's verbose text. Never holds the password.
Error connect_failure(const ConnectOptions& options, std::string_view where, std::string_view text);
// Whether another address may do better.
bool worth_another_address(const Error& failure);
// "host:port", or the socket's folder.
std::string place(const ConnectOptions& options);

// Connects and hands the session over with all settings in force.
Task<Handle> open_session(Context& context, const ConnectOptions& options, Socket& socket);
// `log` outlives the session.
void log_notices(PGconn* connection, const Log& log);

}  // namespace sluice::pg
