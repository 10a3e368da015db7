#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::text {

std::string hex(std::string_view bytes);
// Accepts upper and lower case; nothing if the text is not hex of whole bytes.
std::optional<std::string> unhex(std::string_view text);

// RFC 4648 §4, padded.
std::string base64(std::string_view bytes);
// Also accepts the URL-safe alphabet and missing padding; nothing if it is not base64.
std::optional<std::string> unbase64(std::string_view text);
// Appends the bytes to `out`; false, and nothing appended, if it is not base64.
bool unbase64(std::string& out, std::string_view text);

// Keeps ASCII letters, digits and the characters of `keep`; every other byte becomes %XX (RFC 3986 §2.1).
std::string percent_encode(std::string_view text, std::string_view keep);

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);
std::string lower_ascii(std::string_view text);

// The longest prefix of at most `bytes` bytes that does not cut a UTF-8 sequence.
std::string_view cut_utf8(std::string_view text, std::size_t bytes);
bool valid_utf8(std::string_view text);
// Each byte that belongs to no valid sequence becomes U+FFFD.
std::string clean_utf8(std::string_view text);

// RFC 3339 in UTC with `Z`; nanoseconds since 1970, printed with as many of 0, 3, 6, 9 digits as `digits` says.
std::string rfc3339(std::int64_t unix_nanoseconds, int digits);

}  // namespace sluice::text
