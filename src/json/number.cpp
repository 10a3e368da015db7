#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

#include "sluice/json/tree.hpp"
#include "token.hpp"

namespace sluice::json {
namespace {

// Of at most fifteen characters, as most fractions are: digits and power of ten are exact doubles then, so
// that their quotient is rounded once, as it has to be (Clinger).
bool short_fraction(std::string_view token, double& value) {
  static constexpr double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  bool negative = token.front() == '-';
  if (negative) token.remove_prefix(1);
  if (token.size() >= std::size(powers)) return false;
  std::uint64_t digits = 0;
  std::size_t point = token.size() - 1;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (is_digit(token[i]))
      digits = 10 * digits + static_cast<std::uint64_t>(token[i] - '0');
    else if (token[i] == '.')
      point = i;
    else
      return false;
  }
  value = static_cast<double>(digits) / powers[token.size() - 1 - point];
  if (negative) value = -value;
  return true;
}

double to_double(std::string_view token) {
  double value = 0;
  if (short_fraction(token, value)) return value;
  auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  // from_chars leaves the value alone when it over- or underflows; strtod says which.
  if (error == std::errc::result_out_of_range) value = std::strtod(std::string(token).c_str(), nullptr);
  return value;
}

template <class T>
bool to_integer(std::string_view token, T& value) {
  auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  return error == std::errc() && end == token.data() + token.size();
}

}  // namespace

Number number(std::string_view token) {
  Number n;
  if (token.front() == '-') {
    if (to_integer(token, n.negative) && n.negative != 0) {
      n.type = Number::Type::negative;
      return n;
    }
    n.negative = 0;
  } else if (to_integer(token, n.unsigned_)) {
    return n;
  }
  n.unsigned_ = 0;
  n.type = Number::Type::floating;
  n.floating = to_double(token);
  return n;
}

}  // namespace sluice::json
