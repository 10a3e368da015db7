#include <algorithm>

#include "sluice/json/write.hpp"

namespace sluice::json {
namespace {

bool in_order(const Tree& tree, const Node& object) {
  const Node* last = nullptr;
  for (const Node& child : tree.children(object)) {
    if (last && last->key >= child.key) return false;
    last = &child;
  }
  return true;
}

}  // namespace

void Canonical::write(std::string& out, const Tree& tree, const Node& node) {
  switch (node.kind) {
    case Kind::object:
      return object(out, tree, node);
    case Kind::array: {
      char before = '[';
      for (const Node& child : tree.children(node)) {
        out += before;
        write(out, tree, child);
        before = ',';
      }
      out += node.count == 0 ? "[]" : "]";
      return;
    }
    case Kind::string:
      // The decoded content is shorter than its source exactly when that holds escapes.
      if (node.text.size() + 2 != node.raw.size()) return write_string(out, node.text);
      [[fallthrough]];
    default:
      out += node.raw;
  }
}

void Canonical::object(std::string& out, const Tree& tree, const Node& node) {
  out += '{';
  bool first = true;
  if (in_order(tree, node)) {
    for (const Node& child : tree.children(node)) {
      member(out, tree, child, first);
      first = false;
    }
  } else {
    std::size_t base = order_.size();
    for (const Node& child : tree.children(node)) order_.push_back(&child);
    std::sort(order_.begin() + static_cast<std::ptrdiff_t>(base), order_.end(),
              [](const Node* a, const Node* b) { return a->key != b->key ? a->key < b->key : a < b; });
    std::size_t end = order_.size();
    for (std::size_t i = base; i < end; ++i) {
      if (i + 1 < end && order_[i]->key == order_[i + 1]->key) continue;
      member(out, tree, *order_[i], first);
      first = false;
    }
    order_.resize(base);
  }
  out += '}';
}

void Canonical::member(std::string& out, const Tree& tree, const Node& node, bool first) {
  if (!first) out += ',';
  write_string(out, node.key);
  out += ':';
  write(out, tree, node);
}

void write_canonical(std::string& out, const Tree& tree, const Node& node) {
  Canonical().write(out, tree, node);
}

std::string canonical(std::string_view json) {
  Tree tree;
  tree.parse(json);
  std::string out;
  out.reserve(json.size());
  write_canonical(out, tree, tree.root());
  return out;
}

}  // namespace sluice::json
