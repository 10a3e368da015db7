#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sluice::runtime {

// The exact sum of two decimal texts ("-12.50", "3", "1e-2") with as many fraction digits as the longer one
// has. Nothing if either is no decimal number, or its exponent is beyond ±1000.
std::optional<std::string> decimal_sum(std::string_view a, std::string_view b);

}  // namespace sluice::runtime
