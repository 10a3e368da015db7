#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/cdc/names.hpp"

namespace sluice::cdc {

// A pattern of table names: * any run, ? one character, \c the character c. One bare dot separates schema and
// table, each matched as a whole and by case; without it the table may lie in any schema.
class TablePattern {
 public:
  // Throws Error{config} naming the pattern and the cause.
  explicit TablePattern(std::string_view text);
  bool matches(const TableName& name) const;

 private:
  struct Token {
    enum class Kind : unsigned char { literal, one, run } kind;
    std::string character;  // of a literal: one code point
  };
  using Part = std::vector<Token>;
  static bool matches(const Part& part, std::string_view text);

  std::optional<Part> schema_;
  Part table_;
};

}  // namespace sluice::cdc
