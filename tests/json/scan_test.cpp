#include "sluice/json/scan.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "scan_paths.hpp"

namespace sluice::json {
namespace {

using Feed = std::size_t (*)(ContainerEnd::State&, std::string_view);

// Whatever this processor can do.
std::vector<Feed> feeds() {
  std::vector<Feed> all = {scan::feed_bytes};
#ifdef __x86_64__
  all.push_back(scan::feed_sse2);
  if (scan::has_avx2()) all.push_back(scan::feed_avx2);
#endif
  return all;
}

// Byte by byte, as the definition has it.
std::size_t plain_end(std::string_view text) {
  int depth = 0;
  bool string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        string = false;
    } else if (c == '"') {
      string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return ContainerEnd::npos;
}

std::string random_json(std::mt19937& random, int depth = 0) {
  static const std::string scalars[] = {"null", "-0", "1.50",    R"("x\ny")",  R"("é\u00e9 \"q\" {[")",
                                        "{}",   "[]", R"("\\")", R"("]}\\\"")"};
  if (depth > 2 || random() % 3 == 0) return scalars[random() % std::size(scalars)];
  bool object = random() % 2 == 0;
  std::string out = object ? "{" : "[";
  for (unsigned n = random() % 4, i = 0; i < n; ++i) {
    if (i) out += ',';
    if (object) out += "\"k" + std::to_string(i) + "\":";
    out += random_json(random, depth + 1);
  }
  return out + (object ? '}' : ']');
}

TEST(ContainerEnd, FindsTheEndInAnyPieces) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string value =
        "{\"k\":" + random_json(random) + ",\"t\":\"" + std::string(random() % 130, round % 2 ? '\\' : 'x');
    if (round % 2 && value.size() % 2) value += '\\';
    value += round % 2 ? "\\\"}\"," : "\",";
    value += "\"v\":" + random_json(random) + "}";
    std::size_t expected = plain_end(value + " ]}");
    std::string text = value + ",}" + random_json(random);
    if (expected == ContainerEnd::npos) continue;
    for (Feed feed : feeds())
      for (std::size_t step :
           {std::size_t{1}, std::size_t{7}, std::size_t{63}, std::size_t{64}, std::size_t{65}, text.size()}) {
        ContainerEnd::State state{'{', '}'};
        std::size_t found = ContainerEnd::npos;
        for (std::size_t at = 0; at < text.size() && found == ContainerEnd::npos; at += step) {
          std::size_t in_piece = feed(state, std::string_view(text).substr(at, step));
          if (in_piece != ContainerEnd::npos) found = at + in_piece;
        }
        ASSERT_EQ(found, expected) << text << " in pieces of " << step;
      }
  }
}

// The size of the value at the start, 0 if it has no end.
std::size_t value_size(std::string_view text) {
  const char* end = value_end(text.data(), text.data() + text.size());
  return end ? static_cast<std::size_t>(end - text.data()) : 0;
}

TEST(ContainerEnd, ManyLevelsAndBlocksWithoutBrackets) {
  std::string deep(1000, '[');
  deep += '"' + std::string(500, ']') + '"' + std::string(1000, ']');
  EXPECT_EQ(ContainerEnd('[').feed(deep + "]]"), deep.size());
  EXPECT_EQ(ContainerEnd('[').feed(deep.substr(0, deep.size() - 1)), ContainerEnd::npos);
}

TEST(ValueSize, KnowsEveryKindOfValue) {
  EXPECT_EQ(value_size(R"("a\"b\\"x)"), 8u);
  EXPECT_EQ(value_size(R"("a\)"), 0u);
  for (std::size_t size = 0; size < 40; ++size) {
    std::string text = '"' + std::string(size, 'x') + R"(\"y\\")";
    EXPECT_EQ(value_size(text), text.size());
    EXPECT_EQ(value_size(text + "\"z\""), text.size());
    EXPECT_EQ(value_size(text.substr(0, text.size() - 1)), 0u);
  }
  EXPECT_EQ(value_size("12.5e3,"), 6u);
  EXPECT_EQ(value_size("12"), 0u);
  EXPECT_EQ(value_size("true}"), 4u);
  EXPECT_EQ(value_size("[1,[2]]]"), 7u);
  EXPECT_EQ(value_size("{\"a\":\"}\"}}"), 9u);
  EXPECT_EQ(value_size(""), 0u);
  EXPECT_EQ(value_size(","), 0u);
}

}  // namespace
}  // namespace sluice::json
