#include "materialize_sqlite.hpp"
#include "sluice/connector/serve.hpp"

int main(int argc, char** argv) {
  sluice::forgo_sqlite_memory_count();
  return sluice::connector::serve_materialize(argc, argv, "materialize-sqlite",
                                              sluice::make_materialize_sqlite);
}
