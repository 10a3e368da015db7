#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "sluice/protocol/messages.hpp"

namespace sluice::protocol {

// RFC 3339 with offset "+00:00" and 0, 3, 6 or 9 fractional digits, as upstream prints it; the years 1 to
// 9999.
std::string write_timestamp(const Timestamp& time);
// Accepts any offset, `Z` and up to 9 fractional digits.
std::optional<Timestamp> parse_timestamp(std::string_view text);

// Seconds with 0, 3, 6 or 9 fractional digits and an `s`: "62.250s".
std::string write_duration(const Duration& duration);
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace sluice::protocol
