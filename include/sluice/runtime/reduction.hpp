#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"

namespace sluice::runtime {

// A `reduce` annotation of a collection schema: how a value is folded into the one before it (runtime.md §9).
struct Reduction {
  enum class Strategy : std::uint8_t {
    append,
    first_write_wins,
    json_schema_merge,
    last_write_wins,
    maximize,
    merge,
    minimize,
    set,
    sum,
  };
  Strategy strategy = Strategy::last_write_wins;
  std::vector<json::Pointer> key;  // of maximize, merge, minimize, set: locations within the compared values
  bool del = false;                // of last_write_wins, merge: `delete`
  bool associative = true;         // of last_write_wins

  // Reads the value of a `reduce` keyword. Throws Error{config} on anything but a known strategy with options
  // that it has.
  static Reduction parse(const json::Tree& tree, const json::Node& annotation);
  friend bool operator==(const Reduction&, const Reduction&) = default;
};
// As in the schema: "lastWriteWins".
std::string_view name(Reduction::Strategy strategy);

// A `redact` annotation (runtime.md §13.4).
enum class Redaction : std::uint8_t { none, block, sha256 };
// Reads the value of a `redact` keyword, {"strategy": "block" | "sha256"}. Throws Error{config} otherwise.
Redaction parse_redaction(const json::Tree& tree, const json::Node& annotation);

}  // namespace sluice::runtime
