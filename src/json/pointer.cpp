#include "sluice/json/pointer.hpp"

#include <fmt/format.h>

#include <charconv>

#include "sluice/base/error.hpp"

namespace sluice::json {
namespace {

[[noreturn]] void bad(std::string_view text, const char* why) {
  throw Error(Error::Kind::config, fmt::format("'{}' is not a JSON pointer: {}", text, why),
              "Write locations as in /customer/name, with ~1 for a slash and ~0 for a tilde in a name.");
}

std::string unescape(std::string_view token, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      out += token[i];
    } else if (++i < token.size() && (token[i] == '0' || token[i] == '1')) {
      out += token[i] == '0' ? '~' : '/';
    } else {
      bad(text, "'~' must be followed by 0 or 1");
    }
  }
  return out;
}

}  // namespace

const Node* item_at(const Tree& tree, const Node& array, std::string_view token) {
  std::uint32_t at = 0;
  auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), at);
  bool leading_zero = token.size() > 1 && token[0] == '0';
  if (error != std::errc() || end != token.data() + token.size() || leading_zero || at >= array.count)
    return nullptr;
  for (const Node& child : tree.children(array))
    if (at-- == 0) return &child;
  return nullptr;
}

Pointer::Pointer(std::string_view text) {
  if (text.empty()) return;
  if (text[0] != '/') bad(text, "it neither is empty nor starts with '/'");
  for (std::size_t first = 1;;) {
    std::size_t last = std::min(text.find('/', first), text.size());
    tokens_.push_back(unescape(text.substr(first, last - first), text));
    if (last == text.size()) return;
    first = last + 1;
  }
}

Pointer Pointer::of(std::vector<std::string> tokens) {
  Pointer pointer;
  pointer.tokens_ = std::move(tokens);
  return pointer;
}

void append_token(std::string& pointer, std::string_view token) {
  pointer += '/';
  for (char c : token) {
    if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
}

std::string Pointer::text() const {
  std::string out;
  for (const std::string& token : tokens_) append_token(out, token);
  return out;
}

const Node* Pointer::find(const Tree& tree) const { return find(tree, tree.root()); }

const Node* Pointer::find(const Tree& tree, const Node& from) const {
  const Node* node = &from;
  for (const std::string& token : tokens_) {
    node = node->kind == Kind::array ? item_at(tree, *node, token) : tree.find(*node, token);
    if (!node) return nullptr;
  }
  return node;
}

}  // namespace sluice::json
