#include "decimal.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "sluice/base/short_text.hpp"
#include "sluice/json/tree.hpp"

namespace sluice::runtime {
namespace {

__extension__ using Wide = unsigned __int128;

// digits × 10^exponent; the sign does not matter here.
struct Decimal {
  Wide digits = 0;
  std::int64_t exponent = 0;
};

std::optional<Wide> scaled(Wide value, std::int64_t by) {
  for (; by > 0 && value != 0; --by)
    if (__builtin_mul_overflow(value, Wide(10), &value)) return {};
  return value;
}

// Nothing if there are too many digits.
std::optional<Decimal> parse(std::string_view token) {
  Decimal out;
  bool point = false;
  std::size_t i = token.starts_with('-') ? 1 : 0;
  for (; i < token.size() && (token[i] | 0x20) != 'e'; ++i) {
    if (token[i] == '.') {
      point = true;
      continue;
    }
    Wide digit = static_cast<Wide>(token[i] - '0');
    if (__builtin_mul_overflow(out.digits, Wide(10), &out.digits)) return {};
    if (__builtin_add_overflow(out.digits, digit, &out.digits)) return {};
    out.exponent -= point;
  }
  if (i < token.size()) {
    std::string_view text = token.substr(i + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t exponent = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), exponent).ec != std::errc()) return {};
    if (__builtin_add_overflow(out.exponent, exponent, &out.exponent)) return {};
  }
  for (; out.digits != 0 && out.digits % 10 == 0; ++out.exponent) out.digits /= 10;
  if (out.digits == 0) out.exponent = 0;
  return out;
}

double to_double(std::string_view token) {
  json::Number n = json::number(token);
  if (n.type == json::Number::Type::floating) return n.floating;
  return n.type == json::Number::Type::unsigned_ ? static_cast<double>(n.unsigned_)
                                                 : static_cast<double>(n.negative);
}

}  // namespace

bool is_integral(std::string_view token) {
  if (text::find_any(token, 0, '.', 'e', 'E') == token.npos) return true;
  if (auto decimal = parse(token)) return decimal->exponent >= 0;
  double value = to_double(token);
  return std::trunc(value) == value;
}

bool is_multiple(std::string_view token, std::string_view divisor) {
  auto a = parse(token), b = parse(divisor);
  if (a && b) {
    if (a->digits == 0) return true;
    std::int64_t exponent = std::min(a->exponent, b->exponent);
    constexpr std::int64_t most = 38;
    if (a->exponent - exponent <= most && b->exponent - exponent <= most) {
      auto x = scaled(a->digits, a->exponent - exponent), y = scaled(b->digits, b->exponent - exponent);
      if (x && y) return *x % *y == 0;
    }
  }
  return std::fmod(to_double(token), to_double(divisor)) == 0;
}

}  // namespace sluice::runtime
