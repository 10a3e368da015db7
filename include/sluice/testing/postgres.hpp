#pragma once
#include <string>

#include "sluice/pg/connection.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace sluice::testing {

// A database of a PostgresServer.
class Database {
 public:
  Database(PrivatePostgres& server, std::string name) : server_(&server), name_(std::move(name)) {}
  const std::string& name() const { return name_; }
  // As the superuser, through the Unix socket.
  pg::ConnectOptions options() const;
  // As the superuser, through TCP with its password.
  pg::ConnectOptions tcp_options() const;
  // Runs statements and waits; not from within a coroutine. Throws what Connection::run() throws.
  pg::Rows execute(const std::string& sql) const;

 private:
  PrivatePostgres* server_;
  std::string name_;
};

// The server of a test program, started by the first test that asks for it. Its own time zone is PST8PDT, so
// that what depends on the session's is noticed.
class PostgresServer {
 public:
  static PostgresServer& shared();

  // A new, empty database.
  Database fresh_database();
  PrivatePostgres& server() { return server_; }

 private:
  PostgresServer();
  PrivatePostgres server_;
  int databases_ = 0;
};

}  // namespace sluice::testing
