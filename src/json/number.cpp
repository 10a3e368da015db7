#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

#include "sluice/json/tree.hpp"

namespace sluice::json {
namespace {

double to_double(std::string_view token) {
  double value = 0;
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
