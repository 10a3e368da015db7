#pragma once
#include <cstdint>
#include <string_view>

namespace sluice::runtime {

// Is this JSON number an integer? "1.0" and "12e-1e" aside, exactly: "1.50e1" is, "1e-400" is not.
bool is_integral(std::string_view token);
// Is `token` a multiple of `divisor`, a positive number? Exact wherever both have at most 38 digits once
// written with the same power of ten; by doubles beyond that.
bool is_multiple(std::string_view token, std::string_view divisor);

}  // namespace sluice::runtime
