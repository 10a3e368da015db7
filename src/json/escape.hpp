#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sixteen.hpp"

namespace sluice::json {

// What follows the backslash of each byte: 0 for none, 'u' for the \u00XX form.
inline constexpr auto escapes = [] {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = 'u';
  table[static_cast<std::size_t>('\b')] = 'b';
  table[static_cast<std::size_t>('\f')] = 'f';
  table[static_cast<std::size_t>('\n')] = 'n';
  table[static_cast<std::size_t>('\r')] = 'r';
  table[static_cast<std::size_t>('\t')] = 't';
  table[static_cast<std::size_t>('"')] = '"';
  table[static_cast<std::size_t>('\\')] = '\\';
  return table;
}();

// The first byte that needs an escape, or `end`.
inline const char* find_escape(const char* at, const char* end) {
  for (; end - at >= Sixteen::size; at += Sixteen::size)
    if (Sixteen::Set found = Sixteen(at).escapes()) return at + Sixteen::first(found);
  while (at != end && !escapes[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

// Writes the escape of `c` and returns its end, at most 6 bytes on.
inline char* put_escape(char* at, unsigned char c) {
  constexpr char digits[] = "0123456789abcdef";
  *at++ = '\\';
  *at++ = escapes[c];
  if (escapes[c] != 'u') return at;
  *at++ = '0';
  *at++ = '0';
  *at++ = digits[c >> 4];
  *at++ = digits[c & 15];
  return at;
}

inline char* put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

}  // namespace sluice::json
