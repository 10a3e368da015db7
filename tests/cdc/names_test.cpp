#include <gtest/gtest.h>

#include "sluice/cdc/names.hpp"

namespace {

using namespace sluice::cdc;

TEST(Names, RecommendedAreLowerCaseAndHoldOnlyLegalCharacters) {
  EXPECT_EQ(recommended_name({"public", "Orders"}), "public/orders");
  EXPECT_EQ(recommended_name({"My Schema", "a/b~c'd\"e"}), "my_schema/a_b_c_d_e");
  EXPECT_EQ(recommended_name({"s", "größe_1.x-y"}), "s/gr__e_1.x-y");
  EXPECT_EQ(recommended_name({".", ".."}), "_/__");
  EXPECT_EQ(recommended_name({"...", ".a"}), ".../.a");
}

TEST(Names, CollisionsGetAStableSuffix) {
  std::vector<TableName> names{{"public", "Foo"}, {"public", "foo"}, {"public", "fo?"}, {"public", "fo!"}};
  auto first = recommended_names(names), second = recommended_names(names);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first[0], "public/foo");
  EXPECT_EQ(first[1].substr(0, 11), "public/foo_");
  EXPECT_EQ(first[1].size(), 19u);
  EXPECT_EQ(first[2], "public/fo_");
  EXPECT_NE(first[3], first[2]);
}

TEST(Names, AnchorsCapitalizeWordsAndAreLegal) {
  EXPECT_EQ(anchor({"public", "orders"}), "PublicOrders");
  EXPECT_EQ(anchor({"public", "order_items"}), "PublicOrder_items");
  EXPECT_EQ(anchor({"public", "two words-x"}), "PublicTwo_Words-X");
  EXPECT_EQ(anchor({"1st", "t"}), "_1stT");
  EXPECT_EQ(anchor({"s", "\"q\"/~"}), "S_Q___");
  EXPECT_EQ(anchor({"s", "größe"}), "SGr__e");
}

TEST(Names, PointersRoundTripAwkwardColumns) {
  for (const char* column : {"id", "", "a/b", "a~b", "~0", "~1", "~01", "/", "~", "//", "a~1b", "ö", "a b",
                             "'", "\"", "\\", "%", "~~", "0"}) {
    auto back = pointer_column(column_pointer(column));
    ASSERT_TRUE(back.has_value()) << column;
    EXPECT_EQ(*back, column);
  }
  EXPECT_EQ(column_pointer("a/b~c"), "/a~1b~0c");
  EXPECT_FALSE(pointer_column("/_meta/source/loc/0"));
  EXPECT_FALSE(pointer_column(""));
  EXPECT_FALSE(pointer_column("id"));
}

}  // namespace
