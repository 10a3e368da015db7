#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/tree.hpp"

namespace sluice::json {

// RFC 6901. A token made of digits without leading zero also selects an array item.
class Pointer {
 public:
  Pointer() = default;  // the root
  // Throws Error{config} if `text` is neither empty nor starts with '/', or holds a bad '~' escape.
  explicit Pointer(std::string_view text);
  static Pointer of(std::vector<std::string> tokens);

  const std::vector<std::string>& tokens() const { return tokens_; }
  bool is_root() const { return tokens_.empty(); }
  std::string text() const;
  // The value in `tree`, or null.
  const Node* find(const Tree& tree) const;
  const Node* find(const Tree& tree, const Node& from) const;
  friend auto operator<=>(const Pointer&, const Pointer&) = default;

 private:
  std::vector<std::string> tokens_;
};

// The item of `array` that a token of a pointer selects, or null.
const Node* item_at(const Tree& tree, const Node& array, std::string_view token);

// Extends the text of a pointer by one token, escaped.
void append_token(std::string& pointer, std::string_view token);

}  // namespace sluice::json
