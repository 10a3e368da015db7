#pragma once
#include <string>
#include <string_view>

namespace sluice::pg {

// Appends a number of the server as a JSON number, NaN and the infinities as strings.
void append_real(std::string& out, std::string_view text);
// A number as a string without exponent, such as "0.00001" (keys).
void append_plain_real(std::string& out, std::string_view text);
void append_integer(std::string& out, std::string_view text);
void append_boolean(std::string& out, std::string_view text);
// Hex of bytea_output=hex as a base64 string, cut to max_value_bytes before.
void append_bytea(std::string& out, std::string_view text);
// An address with its prefix length, which the server leaves out where it is the full one. No quotes.
void append_inet(std::string& out, std::string_view text);

}  // namespace sluice::pg
