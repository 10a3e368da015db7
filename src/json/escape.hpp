#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#ifdef __x86_64__
#include <emmintrin.h>
#endif

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

// The first byte that needs an escape, or `end`. Many bytes at a time: a byte b < n has its top bit set in
// (b - n) & ~b.
inline const char* find_escape(const char* at, const char* end) {
#ifdef __x86_64__
  for (; end - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    int found = _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
    if (found != 0) return at + std::countr_zero(static_cast<unsigned>(found));
  }
#endif
  constexpr std::uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
  auto less = [](std::uint64_t word, std::uint64_t n) { return (word - n * ones) & ~word; };
  for (; end - at >= 8; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    std::uint64_t found = less(word, 0x20) | less(word ^ ('"' * ones), 1) | less(word ^ ('\\' * ones), 1);
    if ((found & tops) == 0) continue;
    // Above the first byte that is one, others may seem to be.
    if constexpr (std::endian::native == std::endian::little) return at + std::countr_zero(found & tops) / 8;
    break;
  }
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
