#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::pg {

// Reads the text of an array (manual, Array Input and Output Syntax) token by token: `{1,NULL,"a,b"}`,
// nested, with or without `[lower:upper]…=` in front. Throws Error{transient} where the text is no array.
class ArrayReader {
 public:
  enum class Token { open, close, null, element, end };
  static constexpr std::size_t most_dimensions = 32;  // the server stops at 6

  // `scratch` holds elements with escapes until the next call.
  ArrayReader(std::string_view text, char delimiter, std::string& scratch);
  Token next();
  std::string_view element() const { return element_; }

 private:
  Token value();
  void quoted();
  bool bare();
  void skip_bounds();
  [[noreturn]] void fail() const;

  std::string_view text_, rest_, element_;
  char delimiter_;
  std::string& scratch_;
  std::size_t depth_ = 0;
  bool after_value_ = false;
};

// Lengths of the dimensions, outermost first.
struct Dimensions {
  std::array<std::size_t, ArrayReader::most_dimensions> lengths{};
  std::size_t count = 0;
};
Dimensions dimensions(std::string_view text, char delimiter, std::string& scratch);

}  // namespace sluice::pg
