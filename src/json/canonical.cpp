#include <utility>

#include "escape.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::json {
namespace {

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
  std::string_view key = member.key;
  if (!member.canonical || member.raw.data() != key.data() + key.size() + 2 || !is_plain_name(tree, key))
    return {};
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

// Of text that is canonical as it stands.
char* Canonical::copy(char* at, std::string_view source) {
  const char* marked = marked_ ? marked_->raw.data() : nullptr;
  if (marked >= source.data() && marked < source.data() + source.size())
    marked_at_ = at + (marked - source.data());
  return put(at, source);
}

char* Canonical::value(char* at, const Tree& tree, const Node& node) {
  if (node.canonical) return copy(at, node.raw);
  if (&node == marked_) marked_at_ = at;
  if (node.kind == Kind::string) return put_string(at, node.text);
  return node.kind == Kind::array ? array(at, tree, node) : object(at, tree, node);
}

char* Canonical::array(char* at, const Tree& tree, const Node& node) {
  char before = '[';
  for (const Node& child : tree.children(node)) {
    *at++ = before;
    at = value(at, tree, child);
    before = ',';
  }
  return put(at, node.count == 0 ? "[]" : "]");
}

char* Canonical::object(char* at, const Tree& tree, const Node& node) {
  std::string_view run;  // members to be copied as they stand, with the commas between them
  char before = '{';
  auto flush = [&] {
    if (run.empty()) return;
    *at++ = std::exchange(before, ',');
    at = copy(at, run);
    run = {};
  };
  auto write = [&](const Node& member) {
    std::string_view written = as_written(tree, member);
    if (!run.empty() && written.data() == run.data() + run.size() + 1) {
      run = {run.data(), run.size() + 1 + written.size()};
      return;
    }
    flush();
    run = written;
    if (!written.empty()) return;
    *at++ = std::exchange(before, ',');
    std::string_view name = member.key;
    at = is_plain_name(tree, name) ? put(at, {name.data() - 1, name.size() + 2}) : put_string(at, name);
    *at++ = ':';
    at = value(at, tree, member);
  };
  if (node.sorted) {
    for (const Node& member : tree.children(node)) write(member);
  } else {
    std::size_t base = order_.size();
    append_members(order_, tree, node);
    std::size_t end = order_.size();
    for (std::size_t i = base; i < end; ++i) write(*order_[i].node);
    order_.resize(base);
  }
  flush();
  return put(at, node.count == 0 ? "{}" : "}");
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
