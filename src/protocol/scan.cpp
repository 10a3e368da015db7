#include "scan.hpp"

#include <bit>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "sluice/base/short_text.hpp"

namespace sluice::protocol {
namespace {

#ifdef __SSE2__
constexpr std::size_t block = 64;

class Block {
 public:
  explicit Block(const char* p) {
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

 private:
  __m128i parts_[4];
};

// Bit i is the parity of the bits 0..i.
std::uint64_t prefix_xor(std::uint64_t bits) {
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

// Which bytes follow an unescaped backslash; `escaped` carries over block ends.
std::uint64_t escaped_bytes(std::uint64_t backslashes, bool& escaped) {
  std::uint64_t out = 0;
  if (escaped) out = 1;
  backslashes &= ~out;
  escaped = false;
  while (backslashes) {
    int at = std::countr_zero(backslashes);
    if (at == 63) {
      escaped = true;
      break;
    }
    out |= std::uint64_t{2} << at;
    backslashes &= ~(std::uint64_t{3} << at);
  }
  return out;
}
#endif

}  // namespace

#ifdef __SSE2__

std::size_t ContainerEnd::feed(std::string_view piece) {
  for (std::size_t at = 0; at < piece.size(); at += block) {
    std::size_t end = feed_block(piece.substr(at, block));
    if (end != npos) return at + end;
  }
  return npos;
}

std::size_t ContainerEnd::feed_block(std::string_view piece) {
  char padded[block];
  const char* p = piece.data();
  if (piece.size() < block) {
    std::memset(padded, 0, block);
    std::memcpy(padded, piece.data(), piece.size());
    p = padded;
  }
  Block bytes(p);
  bool escaped = escaped_;
  std::uint64_t skip = escaped_bytes(bytes.equal('\\'), escaped);
  std::uint64_t strings = prefix_xor(bytes.equal('"') & ~skip);
  if (in_string_) strings = ~strings;
  std::uint64_t opens = bytes.equal(open_) & ~strings, closes = bytes.equal(close_) & ~strings;
  in_string_ = (strings >> 63) != 0;
  escaped_ = piece.size() < block ? (skip >> piece.size() & 1) != 0 : escaped;
  auto closing = static_cast<std::uint64_t>(std::popcount(closes));
  if (closing < depth_) {  // it cannot end in this block
    depth_ += static_cast<std::uint64_t>(std::popcount(opens)) - closing;
    return npos;
  }
  for (std::uint64_t brackets = opens | closes; brackets != 0; brackets &= brackets - 1) {
    int at = std::countr_zero(brackets);
    if (opens >> at & 1)
      ++depth_;
    else if (--depth_ == 0)
      return static_cast<std::size_t>(at) + 1;
  }
  return npos;
}

#else

std::size_t ContainerEnd::feed(std::string_view piece) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    char c = piece[i];
    if (escaped_)
      escaped_ = false;
    else if (in_string_ && c == '\\')
      escaped_ = true;
    else if (c == '"')
      in_string_ = !in_string_;
    else if (!in_string_ && c == open_)
      ++depth_;
    else if (!in_string_ && c == close_ && --depth_ == 0)
      return i + 1;
  }
  return npos;
}

#endif

std::size_t value_size(std::string_view text) {
  if (text.empty()) return 0;
  char first = text.front();
  if (first == '{' || first == '[') {
    std::size_t end = ContainerEnd(first).feed(text);
    return end == ContainerEnd::npos ? 0 : end;
  }
  if (first == '"') {
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') return i + 1;
      if (text[i] == '\\') ++i;
    }
    return 0;
  }
  std::size_t end = text::find_any(text, 0, ',', ']', '}', ' ', '\t', '\r', '\n');
  return end == text.npos ? 0 : end;
}

}  // namespace sluice::protocol
