#include "sluice/testing/postgres.hpp"

#include "sluice/async/loop.hpp"

namespace sluice::testing {
namespace {

Task<pg::Rows> run_once(Context& context, pg::ConnectOptions options, std::string sql) {
  std::unique_ptr<pg::Connection> connection = co_await pg::Connection::connect(context, std::move(options));
  co_return co_await connection->run(std::move(sql));
}

PrivatePostgres::Options pacific_time() {
  PrivatePostgres::Options options;
  options.settings["timezone"] = "PST8PDT";
  return options;
}

}  // namespace

pg::ConnectOptions Database::options() const {
  pg::ConnectOptions options;
  options.host = server_->socket_folder();
  options.port = server_->port();
  options.user = PrivatePostgres::user;
  options.database = name_;
  return options;
}

pg::ConnectOptions Database::tcp_options() const {
  pg::ConnectOptions options = this->options();
  options.host = PrivatePostgres::host;
  options.password = Secret(server_->password());
  return options;
}

pg::Rows Database::execute(const std::string& sql) const {
  CpuPool pool(1);
  SteadyClock clock;
  Loop loop;
  Context context(loop.executor(), pool, clock, Log());
  return loop.run(run_once(context, options(), sql));
}

PostgresServer::PostgresServer() : server_(pacific_time()) {}

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

Database PostgresServer::fresh_database() {
  Database database(server_, "test_" + std::to_string(++databases_));
  Database(server_, "postgres").execute("CREATE DATABASE " + database.name());
  return database;
}

}  // namespace sluice::testing
