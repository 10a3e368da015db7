#include "sluice/cdc/table_pattern.hpp"

#include "sluice/base/error.hpp"

namespace sluice::cdc {
namespace {

// Bytes of the code point that starts at `at`.
std::size_t code_point(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

[[noreturn]] void refuse(std::string_view pattern, std::string_view cause) {
  throw Error(
      Error::Kind::config,
      "table pattern \"" + std::string(pattern) + "\" is malformed: " + std::string(cause),
      "Write a pattern as table or schema.table, with * for any run of characters, ? for one character "
      "and a backslash before a character that is meant literally.");
}

}  // namespace

TablePattern::TablePattern(std::string_view text) {
  if (text.empty()) refuse(text, "it is empty");
  Part part;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '.') {
      if (schema_) refuse(text, "it has more than one unescaped dot");
      if (part.empty()) refuse(text, "its schema part is empty");
      schema_ = std::move(part);
      part.clear();
      ++i;
      continue;
    }
    if (text[i] == '*') {
      part.push_back({Token::Kind::run, {}});
      ++i;
      continue;
    }
    if (text[i] == '?') {
      part.push_back({Token::Kind::one, {}});
      ++i;
      continue;
    }
    if (text[i] == '\\' && ++i == text.size()) refuse(text, "it ends in a backslash");
    std::size_t length = code_point(text, i);
    part.push_back({Token::Kind::literal, std::string(text.substr(i, length))});
    i += length;
  }
  if (part.empty()) refuse(text, "its table part is empty");
  table_ = std::move(part);
}

// Backtracks to the last run only: linear for one run, at worst the product of the lengths.
bool TablePattern::matches(const Part& part, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::optional<std::size_t> run;
  std::size_t run_text = 0;
  while (t < text.size()) {
    std::size_t length = code_point(text, t);
    bool fits = p < part.size() &&
                (part[p].kind == Token::Kind::one ||
                 (part[p].kind == Token::Kind::literal && part[p].character == text.substr(t, length)));
    if (fits) {
      ++p;
      t += length;
    } else if (p < part.size() && part[p].kind == Token::Kind::run) {
      run = p++;
      run_text = t;
    } else if (run) {
      p = *run + 1;
      run_text += code_point(text, run_text);
      t = run_text;
    } else {
      return false;
    }
  }
  while (p < part.size() && part[p].kind == Token::Kind::run) ++p;
  return p == part.size();
}

bool TablePattern::matches(const TableName& name) const {
  return (!schema_ || matches(*schema_, name.schema)) && matches(table_, name.table);
}

}  // namespace sluice::cdc
