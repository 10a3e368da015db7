#pragma once
#include <string>
#include <string_view>

namespace sluice::runtime {

// Names of tasks and collections: tokens of Unicode letters, digits, '-', '_' and '.', joined by '/'.
bool valid_name(std::string_view name);
// Its maximal valid parts joined by '_': "a b//c" becomes "a_b_c", "/x/y/" becomes "x/y".
std::string to_name(std::string_view text);
// Of partition fields.
bool valid_partition_field(std::string_view field);

}  // namespace sluice::runtime
