// A private PostgreSQL for the benchmark runner: prints where it listens as one JSON line, and lives until
// its standard input ends.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <iostream>

#include "sluice/testing/private_postgres.hpp"

int main() {
  try {
    sluice::testing::PrivatePostgres::Options options;
    options.settings = {
        {"shared_buffers", "1GB"}, {"max_wal_size", "8GB"}, {"checkpoint_timeout", "30min"}};
    sluice::testing::PrivatePostgres server(options);
    fmt::print(R"({{"host":"{}","port":"{}","user":"{}","password":"{}","socket":"{}"}})"
               "\n",
               server.host, server.port(), server.user, server.password(), server.socket_folder());
    std::fflush(stdout);
    while (std::cin.get() != EOF) {
    }
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
