#pragma once
#include <fmt/format.h>

#include <string>

#include "sluice/data/batch.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/protocol/session.hpp"

// Documents of a size, such as connectors write: many short members, text with some escapes.
namespace sluice::bench {

inline std::string document(std::size_t size, std::size_t i) {
  std::string out =
      fmt::format(R"({{"_meta":{{"op":"u","uuid":"9f2952f3-c6a3-11ea-8802-080607050309"}},"id":{})", i);
  for (std::size_t k = 0; out.size() + 2 < size; ++k) {
    std::string member =
        fmt::format(R"(,"c{}":"value \"{}\" of column {}","n{}":{}.5)", k, i * k, k, k, i + k);
    if (out.size() + member.size() + 1 > size)
      member = fmt::format(R"(,"z":"{:x<{}}")", "", size - out.size() - 1);
    out += member;
  }
  return out + "}";
}

inline Batch documents(std::size_t size, std::size_t count) {
  Batch out;
  for (std::size_t i = 0; i < count; ++i) out.add(document(size, i), static_cast<std::uint32_t>(i % 3));
  return out;
}

inline protocol::StoreBatch stores(std::size_t size, std::size_t count) {
  protocol::StoreBatch out;
  std::string key, values;
  for (std::size_t i = 0; i < count; ++i) {
    key.clear();
    values.clear();
    data::pack(key, std::int64_t{42} * static_cast<std::int64_t>(i));
    data::pack_string(values, "a name");
    data::pack(values, 1.5);
    data::pack(values, true);
    data::pack_string(values, "2024-03-01T12:34:56.789Z");
    std::string doc = document(size, i);
    protocol::StoreBatch::Document store;
    store.key_packed = key;
    store.values_packed = values;
    store.doc = doc;
    store.exists = i % 2 == 0;
    out.add(store);
  }
  return out;
}

}  // namespace sluice::bench
