#include "sluice/connector/serve.hpp"
#include "source-postgres/source_postgres.hpp"

int main(int argc, char** argv) {
  return sluice::connector::serve_capture(argc, argv, "source-postgres",
                                          sluice::source_postgres::make_source_postgres);
}
