#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/json/tree.hpp"

// Sets of JSON types as bits. JSON schema's `number` covers `integer`, so the set has a bit for what is left.
namespace sluice::runtime::types {

using Set = std::uint8_t;
inline constexpr Set null = 1, boolean = 2, integer = 4, fraction = 8, string = 16, array = 32, object = 64;
inline constexpr Set number = integer | fraction;
inline constexpr Set any = 127;
inline constexpr Set none = 0;

// Of a number both bits: which one it is takes a look at its token.
inline Set of(json::Kind kind) {
  constexpr Set all[] = {null, boolean, number, string, array, object};
  return all[static_cast<std::size_t>(kind)];
}
// Of a number the right one of the two: 1.0 is an integer.
Set of(const json::Node& node);

// As JSON schema spells them, sorted: "number" stands for both bits, and for a fraction alone.
std::vector<std::string> names(Set set);
// For messages: "integer or string".
std::string text(Set set);

}  // namespace sluice::runtime::types
