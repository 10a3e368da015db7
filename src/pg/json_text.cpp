#include "json_text.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <iterator>

namespace sluice::pg {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::uint64_t every = 0x0101010101010101, high = every * 0x80;

bool is_special(unsigned char c) { return c < 0x20 || c >= 0x80 || c == '"' || c == '\\'; }

// Bytes that a JSON string cannot just take: controls, quotes, backslashes and whatever is not ASCII. In the
// result the lowest bit set belongs to the first of them; those above may be wrong.
std::uint64_t special_in(std::uint64_t word) {
  std::uint64_t quote = word ^ (every * '"'), backslash = word ^ (every * '\\');
  return ((word - every * 0x20) | (quote - every) | (backslash - every) | word) & high;
}

// Eight bytes at a time.
const char* find_special(const char* at, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    for (; end - at >= 8; at += 8) {
      std::uint64_t word;
      std::memcpy(&word, at, 8);
      if (std::uint64_t found = special_in(word)) return at + std::countr_zero(found) / 8;
    }
  }
  while (at != end && !is_special(static_cast<unsigned char>(*at))) ++at;
  return at;
}

const char* find_non_ascii(const char* at, const char* end) {
  for (; end - at >= 8; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    if (word & high) break;
  }
  while (at != end && static_cast<unsigned char>(*at) < 0x80) ++at;
  return at;
}

bool is_continuation(const char* at, const char* end) { return at != end && (*at & 0xC0) == 0x80; }

// Length of the UTF-8 sequence that starts here with a byte above ASCII, 0 if it is none (RFC 3629).
std::ptrdiff_t sequence(const char* at, const char* end) {
  auto lead = static_cast<unsigned char>(*at);
  if (!is_continuation(at + 1, end)) return 0;
  auto second = static_cast<unsigned char>(at[1]);
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return 0;
    return is_continuation(at + 2, end) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return 0;
    return is_continuation(at + 2, end) && is_continuation(at + 3, end) ? 4 : 0;
  }
  return 0;
}

// Past valid sequences above ASCII; stops at the first byte that is ASCII or no UTF-8.
const char* skip_sequences(const char* at, const char* end) {
  while (at != end && static_cast<unsigned char>(*at) >= 0x80) {
    std::ptrdiff_t length = sequence(at, end);
    if (length == 0) break;
    at += length;
  }
  return at;
}

void count(RepairCount* repaired) {
  if (repaired) repaired->fetch_add(1, std::memory_order_relaxed);
}

void append_escape(std::string& out, unsigned char c, RepairCount* repaired) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  if (c == 0 || c >= 0x80) {
    out += replacement;
    return count(repaired);
  }
  static constexpr char digits[] = "0123456789abcdef";
  char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
  out.append(escape, sizeof escape);
}

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The code unit of the \uXXXX escape that starts here, or -1.
int code_unit(const char* at, const char* end) {
  if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
  int unit = 0;
  for (int i = 2; i < 6; ++i) {
    char c = at[i];
    int digit = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

bool is_high_surrogate(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low_surrogate(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// Copies one escape of a JSON string and returns what follows it.
const char* copy_escape(std::string& out, const char* at, const char* end, RepairCount* repaired) {
  int unit = code_unit(at, end);
  std::ptrdiff_t length = std::min<std::ptrdiff_t>(unit < 0 ? 2 : 6, end - at);
  if (is_high_surrogate(unit) && is_low_surrogate(code_unit(at + 6, end))) length = 12;
  if (length == 6 && unit >= 0xD800 && unit <= 0xDFFF) {
    out += "\\uFFFD";
    count(repaired);
  } else {
    out.append(at, static_cast<std::size_t>(length));
  }
  return at + length;
}

// Copies a JSON string from after its opening quote up to and with its closing one.
const char* copy_string(std::string& out, const char* at, const char* end, RepairCount* repaired) {
  while (at != end) {
    const char* special = skip_sequences(find_special(at, end), end);
    out.append(at, special);
    at = special;
    if (at == end) break;
    auto c = static_cast<unsigned char>(*at);
    if (c == '"') {
      out += '"';
      return at + 1;
    }
    if (c == '\\') {
      at = copy_escape(out, at, end, repaired);
    } else if (is_special(c)) {
      append_escape(out, c, repaired);
      ++at;
    }
  }
  return at;
}

}  // namespace

void append_escaped(std::string& out, std::string_view text, RepairCount* repaired) {
  const char *at = text.data(), *end = at + text.size(), *start = at;
  for (;;) {
    at = skip_sequences(find_special(at, end), end);
    if (at == end) break;
    auto c = static_cast<unsigned char>(*at);
    if (is_special(c)) {  // else ASCII after other sequences
      out.append(start, at);
      append_escape(out, c, repaired);
      start = ++at;
    }
  }
  out.append(start, end);
}

void append_string(std::string& out, std::string_view text, RepairCount* repaired) {
  out += '"';
  append_escaped(out, text, repaired);
  out += '"';
}

void append_json(std::string& out, std::string_view json, RepairCount* repaired) {
  const char *at = json.data(), *end = at + json.size();
  while (at != end) {
    const char* start = at;
    while (at != end && *at != '"' && !is_blank(*at)) ++at;
    out.append(start, at);
    if (at == end) break;
    if (*at++ != '"') continue;
    out += '"';
    at = copy_string(out, at, end, repaired);
  }
}

void append_jsonb(std::string& out, std::string_view json, RepairCount* repaired) {
  const char *at = json.data(), *end = at + json.size();
  while (at != end) {
    at = skip_sequences(find_non_ascii(at, end), end);
    if (at != end && static_cast<unsigned char>(*at) >= 0x80) return append_json(out, json, repaired);
  }
  out += json;
}

void append_truncated(std::string& out, std::size_t original_bytes) {
  fmt::format_to(std::back_inserter(out), R"({{"flow_truncated":true,"original_size":{}}})", original_bytes);
}

std::string_view cut_oversize(std::string_view text) {
  if (text.size() <= max_value_bytes) return text;
  std::size_t end = max_value_bytes;
  // At most three: more continuation bytes are no UTF-8, and any cut is as good.
  while (end > max_value_bytes - 3 && (text[end] & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace sluice::pg
