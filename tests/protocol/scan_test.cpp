#include "scan.hpp"

#include <gtest/gtest.h>

#include "random_message.hpp"

namespace sluice::protocol {
namespace {

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

TEST(ContainerEnd, FindsTheEndInAnyPieces) {
  testing::RandomMessage random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string value =
        "{\"k\":" + random.json() + ",\"t\":\"" + std::string(random.below(130), round % 2 ? '\\' : 'x');
    if (round % 2 && value.size() % 2) value += '\\';
    value += round % 2 ? "\\\"}\"," : "\",";
    value += "\"v\":" + random.json() + "}";
    std::size_t expected = plain_end(value + " ]}");
    std::string text = value + ",}" + random.json();
    if (expected == ContainerEnd::npos) continue;
    for (std::size_t step :
         {std::size_t{1}, std::size_t{7}, std::size_t{63}, std::size_t{64}, std::size_t{65}, text.size()}) {
      ContainerEnd end('{');
      std::size_t found = ContainerEnd::npos;
      for (std::size_t at = 0; at < text.size() && found == ContainerEnd::npos; at += step) {
        std::size_t in_piece = end.feed(std::string_view(text).substr(at, step));
        if (in_piece != ContainerEnd::npos) found = at + in_piece;
      }
      ASSERT_EQ(found, expected) << text << " in pieces of " << step;
    }
  }
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
  EXPECT_EQ(value_size("12.5e3,"), 6u);
  EXPECT_EQ(value_size("12"), 0u);
  EXPECT_EQ(value_size("true}"), 4u);
  EXPECT_EQ(value_size("[1,[2]]]"), 7u);
  EXPECT_EQ(value_size("{\"a\":\"}\"}}"), 9u);
  EXPECT_EQ(value_size(""), 0u);
  EXPECT_EQ(value_size(","), 0u);
}

}  // namespace
}  // namespace sluice::protocol
