// The limit of change capture: receives a slot's stream by plain libpq and throws it away, up to an LSN.
// usage: bench_discard DSN SLOT PUBLICATION X/Y
#include <libpq-fe.h>
#include <poll.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace {

std::uint64_t parse_lsn(const char* text) {
  unsigned high = 0, low = 0;
  std::sscanf(text, "%X/%X", &high, &low);
  return std::uint64_t(high) << 32 | low;
}

std::uint64_t big_endian(const char* p) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(p[i]);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "usage: bench_discard DSN SLOT PUBLICATION LSN\n"), 2;
  PGconn* connection = PQconnectdb((std::string(argv[1]) + " replication=database").c_str());
  std::string start = std::string("START_REPLICATION SLOT \"") + argv[2] +
                      "\" LOGICAL 0/0 (proto_version '1', publication_names '" + argv[3] + "')";
  PGresult* result = PQexec(connection, start.c_str());
  if (PQresultStatus(result) != PGRES_COPY_BOTH)
    return std::fprintf(stderr, "%s", PQerrorMessage(connection)), 1;
  PQclear(result);
  std::uint64_t target = parse_lsn(argv[4]), reached = 0, messages = 0, bytes = 0;
  while (reached < target) {
    char* data = nullptr;
    int n = PQgetCopyData(connection, &data, 1);
    if (n == 0) {
      pollfd wait{PQsocket(connection), POLLIN, 0};
      ::poll(&wait, 1, 10'000);
      if (!PQconsumeInput(connection)) break;
      continue;
    }
    if (n < 0) break;
    ++messages;
    bytes += static_cast<std::uint64_t>(n);
    // A commit tells its end; a keepalive how far the server is.
    if (data[0] == 'w' && n > 26 && data[25] == 'C') reached = big_endian(data + 25 + 10);
    if (data[0] == 'k') reached = std::max(reached, big_endian(data + 1));
    PQfreemem(data);
  }
  std::printf("{\"messages\":%llu,\"bytes\":%llu}\n", static_cast<unsigned long long>(messages),
              static_cast<unsigned long long>(bytes));
  PQfinish(connection);
  return reached >= target ? 0 : 1;
}
