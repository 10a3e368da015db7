#include "sluice/sql/fence.hpp"

#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::sql {
namespace {

// Rows as they are after their fences were raised.
Fence resolve(std::vector<FenceRow> rows, std::uint32_t begin, std::uint32_t end, bool strict = true) {
  return resolve_fence("acme/sink", std::move(rows), begin, end, strict);
}
std::string failure(std::vector<FenceRow> rows, std::uint32_t begin, std::uint32_t end) {
  try {
    resolve(std::move(rows), begin, end);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    return e.message();
  }
  return {};
}

TEST(Fence, ExactMatch) {
  Fence f = resolve({{100, 199, 7, "B"}, {0, 1000, 6, "P"}}, 100, 199);
  EXPECT_EQ(f.fence, 7);
  EXPECT_EQ(f.checkpoint, "B");
  EXPECT_FALSE(f.insert);
  EXPECT_TRUE(f.remove.empty());
}

TEST(Fence, SplitFromTheNarrowestParent) {
  Fence f = resolve({{0, 1000, 6, "P"}, {500, 799, 7, "B"}}, 500, 599);
  EXPECT_EQ(f.fence, 7);
  EXPECT_EQ(f.checkpoint, "B");
  EXPECT_TRUE(f.insert);
}

TEST(Fence, StraddleIsRefusedUnlessTold) {
  std::vector<FenceRow> rows{{0, 499, 7, "A"}, {500, 1000, 7, "B"}, {0, 1000, 6, "P"}};
  EXPECT_EQ(failure(rows, 400, 599),
            "shard 00000190-00000257 of 'acme/sink' would forget the progress of shard 00000000-000001f3");
  Fence f = resolve(rows, 400, 599, false);
  EXPECT_EQ(f.fence, 6);
  EXPECT_EQ(f.checkpoint, "P");
  EXPECT_TRUE(f.insert);
  EXPECT_TRUE(f.remove.empty());
}

TEST(Fence, CoveredChildIsRefusedUnlessTold) {
  std::vector<FenceRow> rows{{100, 199, 7, "A"}, {0, 1000, 6, "P"}};
  EXPECT_NE(failure(rows, 100, 800), "");
  Fence f = resolve(rows, 100, 800, false);
  EXPECT_EQ(f.fence, 6);
  EXPECT_EQ(f.checkpoint, "P");
  EXPECT_TRUE(f.insert);
}

TEST(Fence, ChildrenThatDidNothingAreJoined) {
  Fence f = resolve({{0, 499, 7, "P"}, {500, 1000, 8, "P"}, {0, 1000, 6, "P"}}, 0, 1000);
  EXPECT_EQ(f.checkpoint, "P");
  EXPECT_FALSE(f.insert);
  ASSERT_EQ(f.remove.size(), 2u);
  EXPECT_EQ(f.remove[0].key_end, 499u);
  EXPECT_EQ(f.remove[1].key_begin, 500u);
}

TEST(Fence, ChildrenThatWentOnAreNotForgotten) {
  EXPECT_NE(failure({{0, 499, 7, "P"}, {500, 1000, 8, "Q"}, {0, 1000, 6, "P"}}, 0, 1000), "");
}

TEST(Fence, OverlapsWithoutACoverAreRefused) {
  EXPECT_NE(failure({{0, 499, 7, "A"}, {500, 1000, 7, "A"}}, 0, 1000), "");
  Fence f = resolve({{0, 499, 7, "A"}}, 0, 1000, false);
  EXPECT_TRUE(protocol::is_zero(*f.runtime_checkpoint()));
}

TEST(Fence, NothingStoredStartsFromZero) {
  Fence f = resolve({}, 0, 0xffffffff);
  EXPECT_EQ(f.fence, 0);
  EXPECT_TRUE(f.insert);
  EXPECT_EQ(text::hex(*text::unbase64(f.checkpoint)), "f8ffffff0f01");
  ASSERT_TRUE(f.runtime_checkpoint());
  EXPECT_TRUE(protocol::is_zero(*f.runtime_checkpoint()));
}

TEST(Fence, CheckpointsComeBackAsTheyWere) {
  protocol::Checkpoint c;
  c.sources["a;b"].read_through = 42;
  c.unknown = "\xf8\xff\xff\xff\x0f\x01";
  Fence f = resolve({{0, 10, 1, checkpoint_text(c)}}, 0, 10);
  EXPECT_EQ(*f.runtime_checkpoint(), c);
}

TEST(Fence, AnEmptyCheckpointLeavesTheRuntimesOwn) {
  EXPECT_FALSE(resolve({{0, 10, 1, ""}}, 0, 10).runtime_checkpoint());
}

TEST(Fence, ACheckpointThatIsNoBase64IsNamed) {
  EXPECT_THROW(resolve({{0, 10, 1, "{}"}}, 0, 10).runtime_checkpoint(), Error);
}

TEST(Fence, Statements) {
  PlainDialect dialect;
  FenceSql sql = fence_sql(dialect, {"s", "flow_checkpoints_v1"});
  EXPECT_EQ(sql.raise, R"(UPDATE "s"."flow_checkpoints_v1" SET fence = fence + 1 )"
                       R"(WHERE materialization = $1 AND key_end >= $2 AND key_begin <= $3)");
  EXPECT_EQ(
      sql.commit,
      R"(UPDATE "s"."flow_checkpoints_v1" SET checkpoint = $1 WHERE materialization = $2 AND key_begin = $3 )"
      R"(AND key_end = $4 AND fence = $5)");
  EXPECT_NE(
      sql.insert.find("ON CONFLICT (materialization, key_begin, key_end) DO UPDATE SET fence = cp.fence + 1 "
                      "RETURNING fence, checkpoint"),
      std::string::npos);
}

TEST(Fence, FencedOffSaysSo) {
  try {
    throw_fenced("acme/sink", 4);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::transient);
    EXPECT_NE(e.message().find("fenced off by another instance"), std::string::npos);
  }
}

}  // namespace
}  // namespace sluice::sql
