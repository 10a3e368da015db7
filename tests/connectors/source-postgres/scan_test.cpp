#include "source-postgres/scan.hpp"

#include <gtest/gtest.h>

// The texts of chunk queries and the choice of their size.
namespace sluice::source_postgres {
namespace {

ScanTable table() {
  ScanTable t;
  t.name = {"test", "t"};
  t.columns = {"id", "note"};
  return t;
}

TEST(Scan, KeyedQueries) {
  std::vector<ScanColumn> id{{"id"}};
  EXPECT_EQ(keyed_query(table(), id, {}, 10),
            R"(SELECT "id", "note" FROM ONLY "test"."t" ORDER BY "id" LIMIT 10)");
  EXPECT_EQ(keyed_query(table(), id, {"'5'::int4"}, 10),
            R"(SELECT "id", "note" FROM ONLY "test"."t" WHERE ("id") > ('5'::int4) ORDER BY "id" LIMIT 10)");
  std::vector<ScanColumn> composite{{"a"}, {"qu\"ote"}};
  EXPECT_EQ(
      keyed_query(table(), composite, {"1", "2"}, 3),
      R"(SELECT "id", "note" FROM ONLY "test"."t" WHERE ("a", "qu""ote") > (1, 2) ORDER BY "a", "qu""ote" LIMIT 3)");
  std::vector<ScanColumn> text{{.name = "k", .by_c = true}};
  EXPECT_EQ(
      keyed_query(table(), text, {"'x'"}, 3),
      R"(SELECT "id", "note" FROM ONLY "test"."t" WHERE ("k" COLLATE "C") > ('x') ORDER BY "k" COLLATE "C" LIMIT 3)");
  ScanTable root = table();
  root.only = false;
  root.filters = {"a OR b", "c"};
  EXPECT_EQ(
      keyed_query(root, id, {"1"}, 3),
      R"(SELECT "id", "note" FROM "test"."t" WHERE ("id") > (1) AND (a OR b) AND (c) ORDER BY "id" LIMIT 3)");
}

TEST(Scan, NullsComeLastAndExtensionsBringTheirOperators) {
  std::vector<ScanColumn> key{{.name = "a", .nullable = true}, {.name = "b"}};
  auto condition = [&](std::vector<std::string> after) {
    std::string sql = keyed_query(table(), key, after, 1);
    std::size_t begin = sql.find(" WHERE ") + 7;
    return sql.substr(begin, sql.find(" ORDER BY") - begin);
  };
  EXPECT_EQ(condition({"1", "2"}), R"(("a" > 1 OR "a" IS NULL OR ("a" = 1 AND ("b" > 2))))");
  EXPECT_EQ(condition({"NULL", "2"}), R"((("a" IS NULL AND ("b" > 2))))");
  key = {{.name = "a", .operators = "ext"}};
  EXPECT_EQ(condition({"'x'"}), R"(("a" OPERATOR("ext".>) 'x'))");
  key = {{.name = "a", .nullable = true}};
  EXPECT_EQ(condition({"NULL"}), "false");
}

TEST(Scan, KeylessQueries) {
  EXPECT_EQ(keyless_query(table(), {}, {501, 0}, 150000),
            R"(SELECT "id", "note" FROM ONLY "test"."t" WHERE ctid > '(0,0)' AND ctid <= '(501,0)')");
  ScanTable filtered = table();
  filtered.filters = {"x"};
  filtered.min_xid = 77;
  std::string sql = keyless_query(filtered, {501, 0}, {1002, 0}, 150000);
  EXPECT_EQ(
      sql.find(R"(SELECT xmin::text AS xmin, "id", "note" FROM ONLY "test"."t" WHERE ctid > '(501,0)')"), 0u);
  EXPECT_NE(
      sql.find("random() < 0.001 OR (xmin::text::bigint >= 3 AND (((xmin::text::bigint - 77::bigint) << 32)"),
      std::string::npos);
  EXPECT_TRUE(sql.ends_with(" AND (x)"));
  EXPECT_NE(keyless_query(table(), {}, {10, 0}, 130000).find("ctid = ANY(ARRAY("), std::string::npos);
}

TEST(Scan, XidsCompareModulo) {
  EXPECT_TRUE(xmin_passes("77", 77));
  EXPECT_FALSE(xmin_passes("76", 77));
  EXPECT_TRUE(xmin_passes("5", 4294967290u));
  EXPECT_FALSE(xmin_passes("4294967290", 5));
  EXPECT_FALSE(xmin_passes("2", 1));
}

TEST(Scan, TidsRoundTrip) {
  EXPECT_EQ(Tid::parse("(501,7)")->text(), "(501,7)");
  for (const char* bad : {"", "(", "(1", "(1,", "(1,2", "1,2", "(x,1)", "(1,99999)"})
    EXPECT_FALSE(Tid::parse(bad)) << bad;
}

TEST(Scan, ChunksGrowTowardsTheirTarget) {
  ChunkSize size;
  EXPECT_EQ(size.rows(), 10'000u);
  size.completed(10'000, 1'000'000, 0.1);
  EXPECT_EQ(size.rows(), 20'000u);
  for (int i = 0; i < 5; ++i) size.completed(size.rows(), size.rows() * 100, 0.1);
  EXPECT_EQ(size.rows(), ChunkSize::target_bytes / 100);
  for (int i = 0; i < 5; ++i) size.completed(size.rows(), size.rows() * 10, 0.1);
  EXPECT_EQ(size.rows(), ChunkSize::most);
  size.completed(size.rows(), size.rows() * 10'000, 5);
  EXPECT_EQ(size.rows(), ChunkSize::most / 4);
  size.completed(size.rows(), 1'000, 20);
  EXPECT_EQ(size.rows(), ChunkSize::most / 8);
  ChunkSize limited(500);
  limited.completed(500, 500, 0.001);
  EXPECT_EQ(limited.rows(), 500u);
  EXPECT_TRUE(limited.halve());
  EXPECT_EQ(limited.rows(), 250u);
  while (limited.halve()) {
  }
  EXPECT_EQ(limited.rows(), 1u);
}

}  // namespace
}  // namespace sluice::source_postgres
