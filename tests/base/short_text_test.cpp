#include "sluice/base/short_text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::text {
namespace {

TEST(ShortText, SameComparesEveryByteOfEveryLength) {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string a(size, 'a');
    EXPECT_TRUE(same(a, std::string(a)));
    EXPECT_FALSE(same(a, a + 'a'));
    for (std::size_t i = 0; i < size; ++i) {
      std::string b = a;
      b[i] = 'b';
      EXPECT_FALSE(same(a, b)) << size << " " << i;
    }
  }
}

TEST(ShortText, PrefixOrdersAsTheFirstEightBytesDo) {
  EXPECT_EQ(prefix(""), 0u);
  EXPECT_EQ(prefix(std::string_view("\0", 1)), 0u);
  for (std::size_t size = 1; size < 12; ++size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(0xf0 + i);
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < 8; ++i) expected = expected << 8 | (i < size ? 0xf0 + i : 0);
    EXPECT_EQ(prefix(text), expected) << size;
  }
  EXPECT_LT(prefix("ab"), prefix("abc"));
  EXPECT_LT(prefix("abc"), prefix("b"));
  EXPECT_EQ(prefix("12345678"), prefix("123456789"));
}

TEST(ShortText, FindAnyTakesTheFirst) {
  EXPECT_EQ(find_any("12e3.4", 0, '.', 'e'), 2u);
  EXPECT_EQ(find_any("12e3.4", 3, '.', 'e'), 4u);
  EXPECT_EQ(find_any("1234", 0, '.', 'e'), std::string_view::npos);
  EXPECT_EQ(find_any("", 0, 'e'), std::string_view::npos);
}

}  // namespace
}  // namespace sluice::text
