#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sample.hpp"
#include "sluice/json/tree.hpp"

namespace {

using namespace sluice;
using sample::field;

// One property a line, so that a difference can be read.
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
    if (object) out += "\"" + std::string(child.key) + "\": ";
    indent(out, tree, child, depth + 1);
  }
  if (!first) out += "\n" + std::string(2 * depth, ' ');
  out += object ? '}' : ']';
}

std::string pretty(const std::string& text) {
  json::Tree tree;
  tree.parse(text);
  std::string out;
  indent(out, tree, tree.root(), 0);
  return out + '\n';
}

TEST(Schema, IsAsRecorded) {
  std::string path = SNAPSHOTS "/endpoint.schema.json", now = pretty(config::json_schema<sample::Endpoint>());
  if (std::getenv("UPDATE_SNAPSHOTS")) std::ofstream(path) << now;
  std::ifstream file(path);
  std::stringstream recorded;
  recorded << file.rdbuf();
  EXPECT_EQ(now, recorded.str());
}

struct Empty {
  static constexpr auto about = config::about("Nothing");
  static constexpr auto fields() { return std::tuple{}; }
};

TEST(Schema, OfAnEmptyStructHasNoProperties) {
  EXPECT_EQ(config::json_schema<Empty>(), R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
                                          R"("type":"object","title":"Nothing","properties":{}})");
}

struct None {
  static constexpr auto about = config::about("None").tag("none");
  static constexpr auto fields() { return std::tuple{}; }
};
struct Csv {
  static constexpr auto about = config::about("CSV").tag("csv");
  int skip = 0;
  static constexpr auto fields() { return std::tuple{field("skip", &Csv::skip)}; }
};
struct Format {
  std::variant<std::monostate, None, Csv> format;
  static constexpr auto fields() {
    return std::tuple{field("format", &Format::format).discriminator("type", true)};
  }
};

TEST(Schema, MarksTagsOtherThanAuthTypeNonsensitiveAndRequiredOnDemand) {
  EXPECT_EQ(config::json_schema<Format>(),
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{)"
            R"("format":{"type":"object",)"
            R"("default":{"type":"none"},"discriminator":{"propertyName":"type"},"oneOf":[)"
            R"({"type":"object","title":"None","properties":{"type":{"type":"string","const":"none",)"
            R"("default":"none","order":0,"nonsensitive":true}},"required":["type"]},)"
            R"({"type":"object","title":"CSV","properties":{"type":{"type":"string","const":"csv",)"
            R"("default":"csv","order":0,"nonsensitive":true},)"
            R"("skip":{"type":"integer","default":0}},"required":["type"]}]}}})");
}

struct Base {
  std::string stream;
  static constexpr auto fields() { return std::tuple{field("stream", &Base::stream).required()}; }
};
struct Derived : Base {
  std::optional<std::string> path;
  static constexpr auto fields() {
    return std::tuple_cat(Base::fields(), std::tuple{field("path", &Derived::path).nullable()});
  }
};

TEST(Schema, TakesInheritedMembers) {
  EXPECT_EQ(config::json_schema<Derived>(),
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{)"
            R"("stream":{"type":"string"},"path":{"type":["string","null"],"default":null}},)"
            R"("required":["stream"]})");
  auto value = config::parse<Derived>(R"({"stream":"s","path":"p"})");
  EXPECT_EQ(value.stream, "s");
  EXPECT_EQ(value.path, "p");
}

}  // namespace
