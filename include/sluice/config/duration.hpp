#pragma once
#include <chrono>
#include <string>
#include <string_view>

namespace sluice::config {

// The syntax of Go's time.ParseDuration: decimal numbers with the units ns, us, µs, ms, s, m, h, an optional
// sign, or "0". Throws Error{config} on other text, beyond 292 years, and on a value that is no multiple of
// `unit`.
std::chrono::nanoseconds parse_duration(std::string_view text,
                                        std::chrono::nanoseconds unit = std::chrono::nanoseconds(1));
// The shortest such text of whole numbers, largest unit first: "1h30m", "0s".
std::string write_duration(std::chrono::nanoseconds value);

}  // namespace sluice::config
