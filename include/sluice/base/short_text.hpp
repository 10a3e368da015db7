#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

// For texts as short as names, keys and numbers are: a call of memcmp or memchr, of which the standard library
// makes one for each character in find_first_of, is most of the cost there.
namespace sluice::text {

template <class Word>
Word load(const char* at, Word value = {}) {
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline bool same(std::string_view a, std::string_view b) {
  // Both ends, which overlap.
  auto ends = [&](auto word) {
    std::size_t last = a.size() - sizeof word;
    return load(a.data(), word) == load(b.data(), word) &&
           load(a.data() + last, word) == load(b.data() + last, word);
  };
  if (a.size() != b.size()) return false;
  if (a.size() > 16) return std::memcmp(a.data(), b.data(), a.size()) == 0;
  if (a.size() >= 8) return ends(std::uint64_t());
  if (a.size() >= 4) return ends(std::uint32_t());
  if (a.size() >= 2) return ends(std::uint16_t());
  return a.empty() || a[0] == b[0];
}

// The first eight bytes as a number that orders as they do; of a shorter text as if zeros followed.
inline std::uint64_t prefix(std::string_view text) {
  if constexpr (std::endian::native == std::endian::little) {
    if (text.size() >= 8) return __builtin_bswap64(load<std::uint64_t>(text.data()));
    // Both ends, which overlap.
    if (text.size() >= 4) {
      std::uint64_t first = __builtin_bswap32(load<std::uint32_t>(text.data()));
      std::uint64_t last = __builtin_bswap32(load<std::uint32_t>(text.data() + text.size() - 4));
      return first << 32 | last << 8 * (8 - text.size());
    }
    if (text.size() >= 2) {
      std::uint64_t first = __builtin_bswap16(load<std::uint16_t>(text.data()));
      auto last = static_cast<unsigned char>(text.back());
      return first << 48 | std::uint64_t{last} << 8 * (8 - text.size());
    }
  }
  std::uint64_t value = 0;
  std::size_t size = text.size() < 8 ? text.size() : 8;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(text[i]);
  return size == 0 ? 0 : value << 8 * (8 - size);
}

// Where the first of `characters` is, at or after `from`; npos if there is none.
template <class... Char>
std::size_t find_any(std::string_view text, std::size_t from, Char... characters) {
  for (; from < text.size(); ++from)
    if (((text[from] == characters) || ...)) return from;
  return text.npos;
}

}  // namespace sluice::text
