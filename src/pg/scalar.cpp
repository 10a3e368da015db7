#include "scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>

#include "json_text.hpp"
#include "malformed.hpp"

namespace sluice::pg {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

// -?digits[.digits][e±digits]
struct Decimal {
  bool negative = false;
  std::string_view whole, fraction;
  int exponent = 0;
};

Decimal scan(std::string_view text) {
  Decimal number;
  std::size_t at = 0;
  number.negative = text.starts_with('-');
  at += number.negative;
  number.whole = text.substr(at, digits_at(text, at));
  at += number.whole.size();
  bool padded = number.whole.size() > 1 && number.whole[0] == '0';
  if (number.whole.empty() || padded) malformed("float", text);
  if (at < text.size() && text[at] == '.') {
    number.fraction = text.substr(at + 1, digits_at(text, at + 1));
    if (number.fraction.empty()) malformed("float", text);
    at += 1 + number.fraction.size();
  }
  if (at == text.size()) return number;
  if (text[at] != 'e' && text[at] != 'E') malformed("float", text);
  ++at;
  if (at < text.size() && text[at] == '+') ++at;
  auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number.exponent);
  // No float of the server has more: what follows writes that many zeros.
  bool sane = error == std::errc() && end == text.data() + text.size() && std::abs(number.exponent) < 1000;
  if (!sane) malformed("float", text);
  return number;
}

bool is_no_number(std::string_view text) {
  return text == "NaN" || text == "Infinity" || text == "-Infinity";
}

constexpr std::array<signed char, 256> hex_digits = [] {
  std::array<signed char, 256> table{};
  for (int i = 0; i < 256; ++i) {
    char c = static_cast<char>(i);
    table[static_cast<std::size_t>(i)] = static_cast<signed char>(is_digit(c)            ? c - '0'
                                                                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                                                         : -1);
  }
  return table;
}();

// The byte of two hex digits; negative if they are none.
int byte_of(const char* hex) {
  return hex_digits[static_cast<unsigned char>(hex[0])] * 16 | hex_digits[static_cast<unsigned char>(hex[1])];
}

}  // namespace

void append_real(std::string& out, std::string_view text) {
  if (is_no_number(text)) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  scan(text);
  out += text;
}

void append_plain_real(std::string& out, std::string_view text) {
  out += '"';
  if (is_no_number(text)) {
    out += text;
    out += '"';
    return;
  }
  Decimal number = scan(text);
  if (number.negative) out += '-';
  auto point = static_cast<std::ptrdiff_t>(number.whole.size()) + number.exponent;  // digits before it
  if (point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += number.whole;
    out += number.fraction;
  } else {
    std::size_t start = out.size();
    out += number.whole;
    out += number.fraction;
    std::size_t digits = out.size() - start, before = static_cast<std::size_t>(point);
    if (before < digits)
      out.insert(start + before, 1, '.');
    else
      out.append(before - digits, '0');
  }
  out += '"';
}

void append_integer(std::string& out, std::string_view text) {
  std::size_t sign = text.starts_with('-');
  std::size_t digits = digits_at(text, sign);
  bool padded = digits > 1 && text[sign] == '0';
  if (digits == 0 || padded || sign + digits != text.size()) malformed("integer", text);
  out += text;
}

void append_boolean(std::string& out, std::string_view text) {
  if (text == "t")
    out += "true";
  else if (text == "f")
    out += "false";
  else
    malformed("boolean", text);
}

void append_bytea(std::string& out, std::string_view text) {
  static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (!text.starts_with("\\x") || text.size() % 2 != 0) malformed("bytea", text);
  std::size_t left = std::min((text.size() - 2) / 2, max_value_bytes);
  const char* hex = text.data() + 2;
  std::size_t at = out.size();
  out.resize(at + (left + 2) / 3 * 4 + 2);
  char* to = out.data() + at;
  *to++ = '"';
  int bad = 0;  // negative once a digit was none
  for (; left >= 3; left -= 3, hex += 6, to += 4) {
    int a = byte_of(hex), b = byte_of(hex + 2), c = byte_of(hex + 4);
    bad |= a | b | c;
    unsigned bits = static_cast<unsigned>(a) << 16 | static_cast<unsigned>(b) << 8 | static_cast<unsigned>(c);
    to[0] = alphabet[bits >> 18 & 63];
    to[1] = alphabet[bits >> 12 & 63];
    to[2] = alphabet[bits >> 6 & 63];
    to[3] = alphabet[bits & 63];
  }
  if (left > 0) {
    int a = byte_of(hex), b = left == 2 ? byte_of(hex + 2) : 0;
    bad |= a | b;
    unsigned bits = static_cast<unsigned>(a) << 16 | static_cast<unsigned>(b) << 8;
    to[0] = alphabet[bits >> 18 & 63];
    to[1] = alphabet[bits >> 12 & 63];
    to[2] = left == 2 ? alphabet[bits >> 6 & 63] : '=';
    to[3] = '=';
    to += 4;
  }
  *to = '"';
  if (bad < 0) {
    out.resize(at);
    malformed("bytea", text);
  }
}

void append_inet(std::string& out, std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789abcdefABCDEF:./") != text.npos)
    malformed("inet", text);
  out += text;
  if (text.find('/') == text.npos) out += text.find(':') == text.npos ? "/32" : "/128";
}

}  // namespace sluice::pg
