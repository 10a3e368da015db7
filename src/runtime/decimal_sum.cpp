#include "decimal_sum.hpp"

#include <algorithm>
#include <charconv>

namespace sluice::runtime {
namespace {

constexpr int most_exponent = 1000;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Decimal {
  std::string digits;     // without the point; no zeros in front
  std::size_t scale = 0;  // how many of them are a fraction
  bool negative = false;
};

bool all_digits(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

std::string_view take_sign(std::string_view text, bool& negative) {
  negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

std::optional<int> parse_exponent(std::string_view text) {
  bool negative = false;
  text = take_sign(text, negative);
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || !all_digits(text) || error != std::errc() || value > most_exponent) return {};
  return negative ? -value : value;
}

bool parse(std::string_view text, Decimal& out) {
  text = take_sign(text, out.negative);
  int exponent = 0;
  if (std::size_t e = text.find_first_of("eE"); e != text.npos) {
    auto parsed = parse_exponent(text.substr(e + 1));
    if (!parsed) return false;
    exponent = *parsed;
    text = text.substr(0, e);
  }
  std::size_t point = std::min(text.find('.'), text.size());
  std::string_view whole = text.substr(0, point), fraction = text.substr(std::min(point + 1, text.size()));
  if (whole.empty() || !all_digits(whole) || !all_digits(fraction)) return false;
  if (point < text.size() && fraction.empty()) return false;
  out.digits.append(whole).append(fraction);
  auto scale = static_cast<std::ptrdiff_t>(fraction.size()) - exponent;
  if (scale < 0) out.digits.append(static_cast<std::size_t>(-scale), '0');
  out.scale = static_cast<std::size_t>(std::max<std::ptrdiff_t>(scale, 0));
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  return true;
}

// Of digits of equal length.
std::string add(std::string a, const std::string& b) {
  int carry = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    int sum = (a[i] - '0') + (b[i] - '0') + carry;
    carry = sum / 10;
    a[i] = static_cast<char>('0' + sum % 10);
  }
  return carry ? "1" + a : a;
}
// a ≥ b, of equal length.
std::string subtract(std::string a, const std::string& b) {
  int borrow = 0;
  for (std::size_t i = a.size(); i-- > 0;) {
    int difference = a[i] - b[i] - borrow;
    borrow = difference < 0;
    a[i] = static_cast<char>('0' + difference + (borrow ? 10 : 0));
  }
  return a;
}

std::string write(std::string digits, std::size_t scale, bool negative) {
  bool zero = digits.find_first_not_of('0') == digits.npos;
  std::size_t whole = digits.size() - scale;
  std::size_t first = std::min(digits.find_first_not_of('0'), whole);
  std::string out = negative && !zero ? "-" : "";
  out += first == whole ? "0" : digits.substr(first, whole - first);
  if (scale > 0) out.append(".").append(digits, whole, scale);
  return out;
}

}  // namespace

std::optional<std::string> decimal_sum(std::string_view a, std::string_view b) {
  Decimal x, y;
  if (!parse(a, x) || !parse(b, y)) return {};
  std::size_t scale = std::max(x.scale, y.scale);
  x.digits.append(scale - x.scale, '0');
  y.digits.append(scale - y.scale, '0');
  std::size_t size = std::max({x.digits.size(), y.digits.size(), scale});
  x.digits.insert(0, size - x.digits.size(), '0');
  y.digits.insert(0, size - y.digits.size(), '0');
  if (x.negative == y.negative) return write(add(x.digits, y.digits), scale, x.negative);
  if (x.digits < y.digits) std::swap(x, y);
  return write(subtract(x.digits, y.digits), scale, x.negative);
}

}  // namespace sluice::runtime
