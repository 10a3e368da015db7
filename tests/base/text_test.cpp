#include "sluice/base/text.hpp"

#include <gtest/gtest.h>

namespace sluice::text {
namespace {

TEST(Text, Base64FollowsRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
  EXPECT_EQ(unbase64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(unbase64("Zg"), "f");
  EXPECT_EQ(unbase64("__79"), "\xff\xfe\xfd");
  EXPECT_EQ(unbase64("Z"), std::nullopt);
  EXPECT_EQ(unbase64("Zg=!"), std::nullopt);
  EXPECT_EQ(unbase64("Zg="), std::nullopt);
}

TEST(Text, Base64RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(unbase64(base64(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Text, HexRoundTrips) {
  EXPECT_EQ(hex(std::string_view("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(unhex("00FF1a"), std::string("\x00\xff\x1a", 3));
  EXPECT_EQ(unhex("0"), std::nullopt);
  EXPECT_EQ(unhex("0g"), std::nullopt);
}

TEST(Text, PercentEncodesAllButWhatIsKept) {
  EXPECT_EQ(percent_encode("public/users", "-_."), "public%2Fusers");
  EXPECT_EQ(percent_encode("a b.c\xc3\xa9", "."), "a%20b.c%C3%A9");
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(trim(" \t a b \n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(Text, CutNeverSplitsACodePoint) {
  EXPECT_EQ(cut_utf8("a\xc3\xa9z", 2), "a");
  EXPECT_EQ(cut_utf8("a\xc3\xa9z", 3), "a\xc3\xa9");
  EXPECT_EQ(cut_utf8("abc", 9), "abc");
}

TEST(Text, KnowsInvalidUtf8) {
  EXPECT_TRUE(valid_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  EXPECT_FALSE(valid_utf8("\xc0\xaf"));          // overlong
  EXPECT_FALSE(valid_utf8("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(valid_utf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(valid_utf8("\xe2\x82"));          // cut short
  EXPECT_FALSE(valid_utf8("\x80"));
}

TEST(Text, CleansInvalidUtf8) {
  EXPECT_EQ(clean_utf8("a\xc3\xa9\xf0\x9f\x98\x80"), "a\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(clean_utf8("\x80z\xe2\x82"), "\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(clean_utf8(""), "");
}

TEST(Text, PrintsRfc3339) {
  EXPECT_EQ(rfc3339(0, 0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1722980815543442800, 9), "2024-08-06T21:46:55.543442800Z");
  EXPECT_EQ(rfc3339(1722980815543442800, 3), "2024-08-06T21:46:55.543Z");
  EXPECT_EQ(rfc3339(-1, 9), "1969-12-31T23:59:59.999999999Z");
}

}  // namespace
}  // namespace sluice::text
