#include "range.hpp"

#include "malformed.hpp"

namespace sluice::pg {
namespace {

// A bound up to one of `stops`, which stays in `rest`. Quotes may be doubled or escaped within.
std::string_view take_bound(std::string_view whole, std::string_view& rest, std::string_view stops) {
  bool quoted = false;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    char c = rest[i];
    if (c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && stops.find(c) != stops.npos) {
      std::string_view bound = rest.substr(0, i);
      rest.remove_prefix(i);
      return bound;
    }
  }
  malformed("range", whole);
}

}  // namespace

RangeText take_range(std::string_view& text) {
  constexpr std::string_view empty = "empty";
  std::string_view whole = text;
  RangeText range;
  if (text.starts_with(empty)) {
    text.remove_prefix(empty.size());
    range.empty = true;
    return range;
  }
  if (text.empty() || (text[0] != '[' && text[0] != '(')) malformed("range", whole);
  range.open = text[0];
  text.remove_prefix(1);
  range.lower = take_bound(whole, text, ",");
  text.remove_prefix(1);
  range.upper = take_bound(whole, text, ")]");
  range.close = text[0];
  text.remove_prefix(1);
  return range;
}

std::string_view unquoted(std::string_view bound) {
  bool quoted = bound.size() >= 2 && bound.front() == '"' && bound.back() == '"';
  return quoted ? bound.substr(1, bound.size() - 2) : bound;
}

}  // namespace sluice::pg
