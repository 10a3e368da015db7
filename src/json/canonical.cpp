#include "sluice/json/write.hpp"

namespace sluice::json {
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
  std::size_t base = order_.size();
  append_members(order_, tree, node);
  std::size_t end = order_.size();
  char before = '{';
  for (std::size_t i = base; i < end; ++i) {
    out += before;
    write_string(out, order_[i]->key);
    out += ':';
    write(out, tree, *order_[i]);
    before = ',';
  }
  out += base == end ? "{}" : "}";
  order_.resize(base);
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
