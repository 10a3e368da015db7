#include "escape.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::json {
namespace {

// The decoded content is shorter than its source exactly when that holds escapes.
bool is_plain(const Node& string) { return string.text.size() + 2 == string.raw.size(); }

char* put_string(char* at, std::string_view text) {
  *at++ = '"';
  const char *from = text.data(), *end = from + text.size();
  for (;;) {
    const char* escape = find_escape(from, end);
    at = put(at, {from, escape});
    if (escape == end) break;
    at = put_escape(at, static_cast<unsigned char>(*escape));
    from = escape + 1;
  }
  *at++ = '"';
  return at;
}

// A name that views the source needed no escape there and has its quotes around it.
bool is_plain_name(const Tree& tree, std::string_view name) {
  std::string_view source = tree.root().raw;
  return name.data() > source.data() && name.data() < source.data() + source.size();
}

// A member that stands in the source as it should be written; empty if it does not.
std::string_view as_written(const Tree& tree, const Node& member) {
  bool plain = member.kind == Kind::string ? is_plain(member)
                                           : member.kind != Kind::array && member.kind != Kind::object;
  std::string_view key = member.key;
  if (!plain || member.raw.data() != key.data() + key.size() + 2 || !is_plain_name(tree, key)) return {};
  return {key.data() - 1, key.size() + 3 + member.raw.size()};
}

}  // namespace

// No value is longer in canonical form than in its source, so room for the source is enough and the text is
// written without further checks.
std::size_t Canonical::write(std::string& out, const Tree& tree, const Node& node, const Node* marked) {
  marked_ = marked;
  marked_at_ = nullptr;
  std::size_t start = out.size();
  out.resize(start + node.raw.size() + tree.inserted_bytes());
  char* end = value(out.data() + start, tree, node);
  std::size_t marked_offset = marked_at_ ? static_cast<std::size_t>(marked_at_ - out.data()) : out.npos;
  out.resize(static_cast<std::size_t>(end - out.data()));
  return marked_offset;
}

char* Canonical::value(char* at, const Tree& tree, const Node& node) {
  if (&node == marked_) marked_at_ = at;
  switch (node.kind) {
    case Kind::object:
      return object(at, tree, node);
    case Kind::array: {
      char before = '[';
      for (const Node& child : tree.children(node)) {
        *at++ = before;
        at = value(at, tree, child);
        before = ',';
      }
      return put(at, node.count == 0 ? "[]" : "]");
    }
    case Kind::string:
      return is_plain(node) ? put(at, node.raw) : put_string(at, node.text);
    default:
      return put(at, node.raw);
  }
}

char* Canonical::object(char* at, const Tree& tree, const Node& node) {
  std::size_t base = order_.size();
  append_members(order_, tree, node);
  std::size_t end = order_.size();
  char before = '{';
  for (std::size_t i = base; i < end; ++i) {
    *at++ = before;
    before = ',';
    const Node& member = *order_[i].node;
    std::string_view written = &member == marked_ ? std::string_view() : as_written(tree, member);
    if (!written.empty()) {
      at = put(at, written);
      continue;
    }
    std::string_view name = member.key;
    at = is_plain_name(tree, name) ? put(at, {name.data() - 1, name.size() + 2}) : put_string(at, name);
    *at++ = ':';
    at = value(at, tree, member);
  }
  order_.resize(base);
  return put(at, base == end ? "{}" : "}");
}

bool Canonical::holds(const Tree& tree) {
  // Sorted throughout, and as long as its tokens are without space between them and without escapes.
  std::size_t size = 0;
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const Node& node = tree[i];
    if (node.kind == Kind::string && !is_plain(node)) return false;
    if (node.kind != Kind::array && node.kind != Kind::object) {
      size += node.raw.size();
      continue;
    }
    size += node.count + (node.count == 0 ? 2 : 1);  // brackets and commas
    if (node.kind == Kind::array) continue;
    std::string_view last;
    std::uint64_t last_prefix = 0;
    for (const Node& child : tree.children(node)) {
      std::uint64_t prefix = text::prefix(child.key);
      bool first = tree.index(child) == i + 1;
      if (!first && (prefix < last_prefix || (prefix == last_prefix && child.key <= last))) return false;
      size += child.key.size() + 3;
      last = child.key;
      last_prefix = prefix;
    }
  }
  return size == tree.root().raw.size();
}

void write_canonical(std::string& out, const Tree& tree, const Node& node) {
  Canonical().write(out, tree, node);
}

std::string canonical(std::string_view json) {
  Tree tree;
  tree.parse(json);
  std::string out;
  write_canonical(out, tree, tree.root());
  return out;
}

}  // namespace sluice::json
