#include "../../src/runtime/key_set.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::runtime {
namespace {

TEST(KeySetTest, KnowsEachKeyOfEachBindingOnce) {
  KeySet set;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100'000; ++i) {
      std::string key = std::to_string(i / 2);
      EXPECT_EQ(set.insert(static_cast<std::uint32_t>(i % 2), key), round == 0) << i;
    }
    EXPECT_EQ(set.size(), 100'000u);
  }
}

TEST(KeySetTest, MayBeUsedAgain) {
  KeySet set;
  EXPECT_TRUE(set.insert(0, "a"));
  set.clear();
  EXPECT_EQ(set.size(), 0u);
  EXPECT_TRUE(set.insert(0, "a"));
  EXPECT_FALSE(set.insert(0, "a"));
  EXPECT_TRUE(set.insert(0, ""));
}

TEST(KeySetTest, AMillionKeysTakeNoMoreThan32Megabytes) {
  KeySet set;
  for (int i = 0; i < 1'000'000; ++i) set.insert(0, std::to_string(i));
  EXPECT_LE(set.bytes(), 32u << 20);
  set.clear();
  EXPECT_EQ(set.bytes(), 0u);
}

}  // namespace
}  // namespace sluice::runtime
