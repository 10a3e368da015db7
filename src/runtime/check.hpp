#pragma once
#include <cstdint>

namespace sluice::runtime::schema {

// A rule that was applied to the value of a node, as opposed to its kind, its name or its place, and whether
// it held. Lives as long as its schema.
struct Check {
  enum class Of : std::uint8_t { type, constant, enumeration, number, string, unique } of;
  bool holds;
  std::uint32_t node;
  const void* rule;
};

}  // namespace sluice::runtime::schema
