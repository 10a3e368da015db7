#include "sluice/json/scan.hpp"

#include <bit>
#include <cstring>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "scalar.hpp"
#include "scan_paths.hpp"
#include "sluice/base/short_text.hpp"

namespace sluice::json {
namespace {

constexpr std::size_t npos = ContainerEnd::npos;
using State = ContainerEnd::State;

#ifdef __x86_64__
#define SLUICE_AVX2 gnu::target("avx2,bmi,popcnt,pclmul")

constexpr std::size_t block = 64;

// What every processor of the architecture can do: 64 bytes in four loads.
class Sse2 {
 public:
  explicit Sse2(const char* p) {
    for (int i = 0; i < 4; ++i) parts_[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
  }
  // Bit i is set where byte i is `c`.
  std::uint64_t equal(char c) const {
    __m128i pattern = _mm_set1_epi8(c);
    std::uint64_t mask = 0;
    for (int i = 0; i < 4; ++i) {
      auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(parts_[i], pattern)));
      mask |= static_cast<std::uint64_t>(bits) << (16 * i);
    }
    return mask;
  }
  // Bit i is the parity of the bits 0..i.
  static std::uint64_t parity(std::uint64_t bits) {
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
  }

 private:
  __m128i parts_[4];
};

class Avx2 {
 public:
  [[SLUICE_AVX2]] explicit Avx2(const char* p)
      : low_(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))),
        high_(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))) {}
  [[SLUICE_AVX2]] std::uint64_t equal(char c) const {
    __m256i pattern = _mm256_set1_epi8(c);
    auto low = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low_, pattern)));
    auto high = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high_, pattern)));
    return static_cast<std::uint64_t>(high) << 32 | low;
  }
  [[SLUICE_AVX2]] static std::uint64_t parity(std::uint64_t bits) {
    __m128i product =
        _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(bits)), _mm_set1_epi8(-1), 0);
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
  }

 private:
  __m256i low_, high_;
};

// What goes from block to block, all in registers and without branches on what documents hold.
struct Carry {
  std::uint64_t strings = 0;  // all bits: the block begins within a string
  std::uint64_t escaped = 0;  // 1: its first byte follows an unescaped backslash
  std::uint64_t depth = 0;
  std::uint64_t skip = 0;  // of the last block: bytes that follow such a backslash
};

// Which bytes follow an unescaped backslash, but for backslashes.
[[gnu::always_inline]] inline std::uint64_t escaped_bytes(std::uint64_t backslashes, Carry& carry) {
  constexpr std::uint64_t even = 0x5555'5555'5555'5555;
  std::uint64_t first = carry.escaped;
  backslashes &= ~first;
  // A run added to its first bit carries into the byte behind it, which it escapes if its length is odd: if
  // one of the two, where it starts and what is behind it, is even.
  std::uint64_t starts = backslashes & ~(backslashes << 1);
  std::uint64_t even_sum = backslashes + (starts & even), odd_sum = 0;
  carry.escaped = __builtin_add_overflow(backslashes, starts & ~even, &odd_sum) ? 1 : 0;
  return first | (((even_sum & ~even) | (odd_sum & even)) & ~backslashes);
}

// Of 64 bytes; where the container ends, or npos.
template <class Block>
[[gnu::always_inline]] inline std::size_t feed_block(Carry& carry, char open, char close, const char* p) {
  Block bytes(p);
  carry.skip = escaped_bytes(bytes.equal('\\'), carry);
  std::uint64_t strings = Block::parity(bytes.equal('"') & ~carry.skip) ^ carry.strings;
  carry.strings = static_cast<std::uint64_t>(static_cast<std::int64_t>(strings) >> 63);
  std::uint64_t opens = bytes.equal(open) & ~strings, closes = bytes.equal(close) & ~strings;
  auto closing = static_cast<std::uint64_t>(std::popcount(closes));
  if (closing < carry.depth) [[likely]] {  // it cannot end in this block
    carry.depth += static_cast<std::uint64_t>(std::popcount(opens)) - closing;
    return npos;
  }
  for (std::uint64_t brackets = opens | closes; brackets != 0; brackets &= brackets - 1) {
    int at = std::countr_zero(brackets);
    if (opens >> at & 1)
      ++carry.depth;
    else if (--carry.depth == 0)
      return static_cast<std::size_t>(at) + 1;
  }
  return npos;
}

template <class Block>
[[gnu::always_inline]] inline std::size_t feed_blocks(State& state, std::string_view piece) {
  Carry carry{state.in_string ? ~std::uint64_t{0} : 0, state.escaped ? 1u : 0u, state.depth};
  std::size_t at = 0;
  for (; piece.size() - at >= block; at += block) {
    std::size_t end = feed_block<Block>(carry, state.open, state.close, piece.data() + at);
    if (end != npos) return at + end;
  }
  if (std::size_t left = piece.size() - at; left > 0) {
    // Zeros behind it keep what the string and the escape were at its end.
    char padded[block] = {};
    std::memcpy(padded, piece.data() + at, left);
    std::size_t end = feed_block<Block>(carry, state.open, state.close, padded);
    if (end != npos) return at + end;
    carry.escaped = carry.skip >> left & 1;
  }
  state.in_string = carry.strings != 0;
  state.escaped = carry.escaped != 0;
  state.depth = carry.depth;
  return npos;
}

#endif

// Behind the string whose content begins at `at`; null if it does not end.
const char* string_end(const char* at, const char* end) {
#ifdef __x86_64__
  const __m128i quotes = _mm_set1_epi8('"'), backslashes = _mm_set1_epi8('\\');
  for (; end - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, quotes), _mm_cmpeq_epi8(bytes, backslashes));
    auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (mask == 0) continue;
    at += std::countr_zero(mask);
    if (*at == '"') return at + 1;
    at -= 14;  // behind the escaped byte
  }
#endif
  while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
  return at < end ? at + 1 : nullptr;
}

// Behind the number or literal at `at`; null if no byte of another kind follows.
const char* scalar_end(const char* at, const char* end) {
#ifdef __x86_64__
  for (; end - at >= 16; at += 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    auto equal = [&](char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
    // Signed, so that bytes beyond ASCII end it, too.
    __m128i space = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' ' + 1));
    __m128i found = _mm_or_si128(_mm_or_si128(space, equal(',')), _mm_or_si128(equal(']'), equal('}')));
    auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (mask != 0) return at + std::countr_zero(mask);
  }
#endif
  while (at < end && *at > ' ' && *at != ',' && *at != ']' && *at != '}') ++at;
  return at < end ? at : nullptr;
}

}  // namespace

namespace scan {

std::size_t feed_bytes(State& s, std::string_view piece) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    char c = piece[i];
    if (s.escaped)
      s.escaped = false;
    else if (s.in_string && c == '\\')
      s.escaped = true;
    else if (c == '"')
      s.in_string = !s.in_string;
    else if (!s.in_string && c == s.open)
      ++s.depth;
    else if (!s.in_string && c == s.close && --s.depth == 0)
      return i + 1;
  }
  return npos;
}

#ifdef __x86_64__
std::size_t feed_sse2(State& state, std::string_view piece) { return feed_blocks<Sse2>(state, piece); }
[[SLUICE_AVX2]] std::size_t feed_avx2(State& state, std::string_view piece) {
  return feed_blocks<Avx2>(state, piece);
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("pclmul");
}
#endif

}  // namespace scan

std::size_t ContainerEnd::feed(std::string_view piece) {
#ifdef __x86_64__
  static const bool wide = scan::has_avx2();
  return wide ? scan::feed_avx2(state_, piece) : scan::feed_sse2(state_, piece);
#else
  return scan::feed_bytes(state_, piece);
#endif
}

const char* value_end(const char* at, const char* end) {
  if (at == end) return nullptr;
  if (*at == '"') return string_end(at + 1, end);
  if (*at == '{' || *at == '[') {
    std::size_t size = ContainerEnd(*at).feed({at, static_cast<std::size_t>(end - at)});
    return size == npos ? nullptr : at + size;
  }
  const char* behind = scalar_end(at, end);
  return behind == at ? nullptr : behind;
}

const char* read_scalar(Node& node, const char* at, const char* end) { return scalar(node, at, end); }

}  // namespace sluice::json
