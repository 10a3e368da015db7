#include <algorithm>
#include <vector>

#include "sluice/json/write.hpp"
#include "sluice/runtime/reduce.hpp"

namespace sluice::runtime {
namespace {

void append_alternatives(std::vector<std::string>& out, std::string_view schema) {
  json::Tree tree;
  tree.parse(schema);
  const json::Node* any = tree.root().count == 1 ? tree.find(tree.root(), "anyOf") : nullptr;
  auto add = [&](const json::Node& node) {
    std::string text;
    json::write_canonical(text, tree, node);
    if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
  };
  if (!any || any->kind != json::Kind::array) return add(tree.root());
  for (const json::Node& item : tree.children(*any)) add(item);
}

}  // namespace

std::string merge_schemas(std::string_view a, std::string_view b) {
  std::vector<std::string> alternatives;
  append_alternatives(alternatives, a);
  append_alternatives(alternatives, b);
  if (alternatives.size() == 1) return alternatives.front();
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("anyOf").begin_array();
  for (const std::string& text : alternatives) writer.raw(text);
  writer.end_array().end_object();
  return out;
}

}  // namespace sluice::runtime
