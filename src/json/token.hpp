#pragma once
#include "sixteen.hpp"

namespace sluice::json {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline const char* skip_digits(const char* at, const char* end) {
  for (; end - at >= Sixteen::size; at += Sixteen::size)
    if (Sixteen::Set others = ~Sixteen(at).digits() & Sixteen::all) return at + Sixteen::first(others);
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
