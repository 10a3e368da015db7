#pragma once
#include <fmt/format.h>

#include <string>

namespace sluice::bench {

// The i-th change of a table, in the order in which source-postgres writes its members.
inline std::string order(std::size_t i, std::size_t id) {
  return fmt::format(
      R"({{"_meta":{{"op":"u","source":{{"loc":[1,2,{}],"schema":"public","table":"orders","ts_ms":{}}}}},)"
      R"("amount":{}.{:02},"created":"2024-03-{:02}T12:34:56.789Z","currency":"EUR","customer":"customer {}",)"
      R"("email":"c{}@example.com","id":{},"note":null,"paid":{},"qty":{},"region":"eu-west-1","tag":"t{}"}})",
      i, 1712345678901 + i, i * 13, i % 100, 1 + i % 28, i * 7, i, id, i % 2 ? "true" : "false", i % 50,
      i % 9);
}

}  // namespace sluice::bench
