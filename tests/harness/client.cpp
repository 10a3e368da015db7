#include "harness/client.hpp"

#include <libpq-fe.h>

#include <stdexcept>

namespace harness {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

Result execute(pg_conn* connection, const std::string& sql) {
  Result result(PQexec(connection, sql.c_str()));
  ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    throw std::runtime_error(std::string(PQerrorMessage(connection)) + " in " + sql.substr(0, 200));
  return result;
}

}  // namespace

void Client::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

Client::Client(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str())) {
  if (!alive()) throw std::runtime_error(PQerrorMessage(connection_.get()));
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
}

bool Client::alive() const { return PQstatus(connection_.get()) == CONNECTION_OK; }

void Client::run(const std::string& sql) { execute(connection_.get(), sql); }

std::vector<Client::Row> Client::query(const std::string& sql) {
  Result result = execute(connection_.get(), sql);
  int columns = PQnfields(result.get());
  std::vector<Row> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (int c = 0; c < columns; ++c) {
      int row = static_cast<int>(r);
      if (PQgetisnull(result.get(), row, c))
        rows[r].push_back(std::nullopt);
      else
        rows[r].emplace_back(std::string(PQgetvalue(result.get(), row, c),
                                         static_cast<std::size_t>(PQgetlength(result.get(), row, c))));
    }
  return rows;
}

std::string Client::scalar(const std::string& sql) {
  std::vector<Row> rows = query(sql);
  if (rows.size() != 1 || rows[0].size() != 1) throw std::runtime_error("not one value: " + sql);
  return rows[0][0].value_or("");
}

void Client::copy_in(const std::string& sql, const std::string& data) {
  PGconn* connection = connection_.get();
  Result start(PQexec(connection, sql.c_str()));
  bool sent = PQresultStatus(start.get()) == PGRES_COPY_IN &&
              PQputCopyData(connection, data.data(), static_cast<int>(data.size())) == 1 &&
              PQputCopyEnd(connection, nullptr) == 1;
  Result end(PQgetResult(connection));
  bool stored = sent && PQresultStatus(end.get()) == PGRES_COMMAND_OK;
  std::string message = PQerrorMessage(connection);
  while (PGresult* rest = PQgetResult(connection)) PQclear(rest);
  if (!stored) throw std::runtime_error(message + " in " + sql);
}

}  // namespace harness
