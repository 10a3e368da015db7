#include "sluice/testing/snapshot.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sluice/json/tree.hpp"
#include "sluice/json/write.hpp"

namespace sluice::testing {
namespace {

void indent(std::string& out, const json::Tree& tree, const json::Node& node, std::size_t depth) {
  bool object = node.kind == json::Kind::object;
  if (!object && node.kind != json::Kind::array) {
    out += node.raw;
    return;
  }
  out += object ? '{' : '[';
  bool first = true;
  for (const json::Node& child : tree.children(node)) {
    out += first ? "\n" : ",\n";
    first = false;
    out.append(2 * depth + 2, ' ');
    if (object) {
      json::write_string(out, child.key);
      out += ": ";
    }
    indent(out, tree, child, depth + 1);
  }
  if (!first) out += "\n" + std::string(2 * depth, ' ');
  out += object ? '}' : ']';
}

}  // namespace

std::string pretty(const std::string& text) {
  json::Tree tree;
  tree.parse(text);
  std::string out;
  indent(out, tree, tree.root(), 0);
  return out + '\n';
}

void expect_snapshot(const std::string& path, const std::string& text) {
  std::filesystem::path file(path);
  if (std::getenv("UPDATE_SNAPSHOTS") != nullptr) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::ifstream in(file);
  std::stringstream recorded;
  recorded << in.rdbuf();
  EXPECT_EQ(text, recorded.str()) << "differs from snapshot " << file.filename();
}

}  // namespace sluice::testing
