#pragma once
#include <bit>
#include <cstdint>

#include "sluice/base/short_text.hpp"

namespace sluice::json {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Eight bytes at a time: the top bit of one is set below if it is less than '0' or more than '9', and so are
// perhaps those of bytes above it.
inline const char* skip_digits(const char* at, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr std::uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    for (; end - at >= 8; at += 8) {
      auto word = text::load<std::uint64_t>(at);
      std::uint64_t others = ((word - '0' * ones) | (word + (0x7f - '9') * ones) | word) & tops;
      if (others) return at + std::countr_zero(others) / 8;
    }
  }
  while (at != end && is_digit(*at)) ++at;
  return at;
}

// Behind the longest number that begins at `at` (RFC 8259 §6); null if none does or it lacks digits at its
// end.
inline const char* number_end(const char* at, const char* end) {
  if (at != end && *at == '-') ++at;
  if (at == end || !is_digit(*at)) return nullptr;
  at = *at == '0' ? at + 1 : skip_digits(at, end);
  if (at != end && *at == '.') {
    const char* first = ++at;
    at = skip_digits(at, end);
    if (at == first) return nullptr;
  }
  if (at != end && (*at | 0x20) == 'e') {
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    const char* first = at;
    at = skip_digits(at, end);
    if (at == first) return nullptr;
  }
  return at;
}

}  // namespace sluice::json
