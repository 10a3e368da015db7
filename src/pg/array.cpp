#include "array.hpp"

#include "malformed.hpp"
#include "sluice/base/short_text.hpp"

namespace sluice::pg {

ArrayReader::ArrayReader(std::string_view text, char delimiter, std::string& scratch)
    : text_(text), rest_(text), delimiter_(delimiter), scratch_(scratch) {
  skip_bounds();
  if (!rest_.starts_with('{')) fail();
}

void ArrayReader::fail() const { malformed("array", text_); }

void ArrayReader::skip_bounds() {
  if (!rest_.starts_with('[')) return;
  std::size_t equals = rest_.find('=');
  if (equals == rest_.npos || rest_.substr(0, equals).find_first_not_of("[]:+-0123456789") != rest_.npos)
    fail();
  rest_.remove_prefix(equals + 1);
}

ArrayReader::Token ArrayReader::next() {
  if (rest_.empty()) {
    if (depth_ != 0) fail();
    return Token::end;
  }
  char c = rest_.front();
  if (c == '}') {
    if (depth_ == 0) fail();
    --depth_;
    after_value_ = true;
    rest_.remove_prefix(1);
    if (depth_ == 0 && !rest_.empty()) fail();
    return Token::close;
  }
  if (after_value_) {
    if (c != delimiter_) fail();
    rest_.remove_prefix(1);
    if (rest_.empty() || rest_.front() == '}') fail();
  }
  return value();
}

ArrayReader::Token ArrayReader::value() {
  if (rest_.front() == '{') {
    if (++depth_ > most_dimensions) fail();
    after_value_ = false;
    rest_.remove_prefix(1);
    return Token::open;
  }
  after_value_ = true;
  if (rest_.front() != '"') return bare() ? Token::null : Token::element;
  quoted();
  return Token::element;
}

// Up to the closing quote. Elements without escapes are views of the array's text.
void ArrayReader::quoted() {
  std::size_t stop = text::find_any(rest_, 1, '"', '\\');
  if (stop != rest_.npos && rest_[stop] == '"') {
    element_ = rest_.substr(1, stop - 1);
    rest_.remove_prefix(stop + 1);
    return;
  }
  scratch_.clear();
  for (std::size_t start = 1; stop != rest_.npos; stop = text::find_any(rest_, stop, '"', '\\')) {
    scratch_.append(rest_, start, stop - start);
    if (rest_[stop] == '"') {
      element_ = scratch_;
      rest_.remove_prefix(stop + 1);
      return;
    }
    if (stop + 1 == rest_.size()) break;
    scratch_ += rest_[stop + 1];
    start = stop += 2;
  }
  fail();
}

// Up to the next delimiter or brace. True if it is NULL.
bool ArrayReader::bare() {
  std::size_t stop = 0;
  bool escapes = false;
  for (; stop < rest_.size(); ++stop) {
    char c = rest_[stop];
    if (c == delimiter_ || c == '}') break;
    if (c == '{' || c == '"') fail();
    if (c != '\\') continue;
    escapes = true;
    ++stop;
  }
  if (stop == 0 || stop >= rest_.size()) fail();
  element_ = rest_.substr(0, stop);
  rest_.remove_prefix(stop);
  if (!escapes) return element_ == "NULL";
  scratch_.clear();
  for (std::size_t i = 0; i < element_.size(); ++i) {
    if (element_[i] == '\\') ++i;
    scratch_ += element_[i];
  }
  element_ = scratch_;
  return false;
}

// Arrays are rectangular: the first container of each depth tells the length.
Dimensions dimensions(std::string_view text, char delimiter, std::string& scratch) {
  Dimensions result;
  std::array<bool, ArrayReader::most_dimensions + 1> known{};
  ArrayReader reader(text, delimiter, scratch);
  std::size_t depth = 0;
  auto count = [&] {
    if (depth > 0 && !known[depth - 1]) ++result.lengths[depth - 1];
  };
  for (;;) {
    switch (reader.next()) {
      case ArrayReader::Token::open:
        count();
        ++depth;
        break;
      case ArrayReader::Token::close:
        known[--depth] = true;
        break;
      case ArrayReader::Token::end:
        while (result.count < result.lengths.size() && result.lengths[result.count] != 0) ++result.count;
        return result;
      default:
        count();
    }
  }
}

}  // namespace sluice::pg
