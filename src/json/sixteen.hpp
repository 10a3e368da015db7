#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#ifdef __x86_64__
#include <emmintrin.h>
#endif

namespace sluice::json {

// Sixteen bytes of a text, and sets of them: bit i for byte i.
class Sixteen {
 public:
  static constexpr std::ptrdiff_t size = 16;
  using Set = std::uint32_t;
  static constexpr Set all = 0xffff;
  static int first(Set set) { return std::countr_zero(set); }
  static Set below(int n) { return (Set{1} << n) - 1; }

#ifdef __x86_64__
  explicit Sixteen(const char* at) : bytes_(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))) {}
  Set same(const Sixteen& other) const { return set(_mm_cmpeq_epi8(bytes_, other.bytes_)); }
  // That need an escape in a string.
  Set escapes() const {
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes_, _mm_set1_epi8(0x1f)), bytes_);
    __m128i quote = _mm_cmpeq_epi8(bytes_, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes_, _mm_set1_epi8('\\'));
    return set(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
  }
  Set digits() const {
    __m128i values = _mm_sub_epi8(bytes_, _mm_set1_epi8('0'));
    return set(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values));
  }
  Set beyond_ascii() const { return set(bytes_); }

 private:
  static Set set(__m128i bytes) { return static_cast<Set>(_mm_movemask_epi8(bytes)); }
  __m128i bytes_;
#else
  explicit Sixteen(const char* at) { std::memcpy(bytes_, at, size); }
  Set same(const Sixteen& other) const {
    return set([&](int i) { return bytes_[i] == other.bytes_[i]; });
  }
  Set escapes() const {
    return set([&](int i) { return bytes_[i] < 0x20 || bytes_[i] == '"' || bytes_[i] == '\\'; });
  }
  Set digits() const {
    return set([&](int i) { return bytes_[i] >= '0' && bytes_[i] <= '9'; });
  }
  Set beyond_ascii() const {
    return set([&](int i) { return bytes_[i] >= 0x80; });
  }

 private:
  template <class In>
  static Set set(In in) {
    Set set = 0;
    for (int i = 0; i < size; ++i) set |= static_cast<Set>(in(i)) << i;
    return set;
  }
  unsigned char bytes_[size];
#endif
};

}  // namespace sluice::json
