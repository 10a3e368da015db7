#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/cdc/resource.hpp"

namespace {

using namespace sluice;
using cdc::Resource;

Resource parse(const char* json) { return config::parse<Resource>(json, config::Role::resource); }

TEST(Resource, ReadsEveryProperty) {
  Resource r = parse(
      R"({"namespace":"public","stream":"T","mode":"Normal","priority":-3,"primary_key":["a","b"],"syncMode":"x",)"
      R"("advanced":{"additional_backfill_filter":"id > 3"},"_meta":{"path":["public","T"]}})");
  EXPECT_EQ(r.name(), (cdc::TableName{"public", "T"}));
  EXPECT_EQ(r.mode, cdc::BackfillMode::normal);
  EXPECT_EQ(r.priority, -3);
  EXPECT_EQ(r.primary_key, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(r.advanced.additional_backfill_filter, "id > 3");
  EXPECT_EQ(parse(R"({"namespace":"p","stream":"t","mode":""})").mode, cdc::BackfillMode::automatic);
  EXPECT_EQ(cdc::name(cdc::BackfillMode::without_key), "Without Primary Key");
}

TEST(Resource, RefusesWhatCannotWork) {
  for (const char* bad :
       {R"({"namespace":"","stream":"t"})", R"({"namespace":"p","stream":""})", R"({"stream":"t"})",
        R"({"namespace":"p"})", R"({"namespace":"p","stream":"t","mode":"Odd"})",
        R"({"namespace":"p","stream":"t","odd":1})",
        R"({"namespace":"p","stream":"t","advanced":{"additional_backfill_filter":"  "}})",
        R"({"namespace":"p","stream":"t","mode":"Precise","advanced":{"additional_backfill_filter":"a"}})"})
    EXPECT_THROW(parse(bad), Error) << bad;
}

}  // namespace
