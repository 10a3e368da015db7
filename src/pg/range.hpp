#pragma once
#include <string_view>

namespace sluice::pg {

// The text of a range in parts (manual, Range Input/Output): bounds as printed, with their quotes if any,
// empty where there is none. Throws Error{transient} where the text is no range.
struct RangeText {
  bool empty = false;
  char open = '[', close = ')';
  std::string_view lower, upper;
};
// Takes one range from the front of `text`, as a multirange needs it.
RangeText take_range(std::string_view& text);
// Without the quotes; for values that hold neither quotes nor backslashes.
std::string_view unquoted(std::string_view bound);

}  // namespace sluice::pg
