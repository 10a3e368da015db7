#include "sluice/data/batch.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Batch, HoldsDocumentsWithTheirBinding) {
  Batch batch;
  EXPECT_TRUE(batch.empty());
  batch.add("{\"a\":1}", 2);
  batch.add("{}");
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch.doc(0).json, "{\"a\":1}");
  EXPECT_EQ(batch.doc(0).binding, 2u);
  EXPECT_EQ(batch.doc(1).json, "{}");
  EXPECT_EQ(batch.doc(1).binding, 0u);
  EXPECT_EQ(batch.text_bytes(), 9u);
  EXPECT_GT(batch.bytes(), batch.text_bytes());
}

TEST(Batch, BuildsDocumentsInPlace) {
  Batch batch;
  batch.text() += "{\"half\":";
  batch.rollback();
  EXPECT_TRUE(batch.empty());
  batch.text() += "[1,";
  batch.text() += "2]";
  batch.commit(7);
  batch.text() += "lost";
  batch.rollback();
  batch.add("3");
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch.doc(0).json, "[1,2]");
  EXPECT_EQ(batch.doc(0).binding, 7u);
  EXPECT_EQ(batch.doc(1).json, "3");
  EXPECT_EQ(batch.text_bytes(), 6u);
}

TEST(Batch, MovesAsAUnit) {
  Batch batch;
  for (int i = 0; i < 1000; ++i) batch.add("{\"i\":" + std::to_string(i) + "}", 1);
  batch.checkpoint = "here";
  Batch moved = std::move(batch);
  ASSERT_EQ(moved.size(), 1000u);
  EXPECT_EQ(moved.doc(999).json, "{\"i\":999}");
  EXPECT_EQ(moved.checkpoint, "here");
  moved.clear();
  EXPECT_TRUE(moved.empty());
  EXPECT_EQ(moved.text_bytes(), 0u);
  EXPECT_FALSE(moved.checkpoint);
  moved.add("1");
  EXPECT_EQ(moved.doc(0).json, "1");
}

}  // namespace
}  // namespace sluice
