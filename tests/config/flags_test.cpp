#include "sluice/config/flags.hpp"

#include <gtest/gtest.h>

namespace {

using sluice::config::Flags;

TEST(Flags, OverlayTheDefaults) {
  Flags flags({{"a", true}, {"b", false}, {"c", true}}, " no_a ,, b,unknown\t,no_b,c ");
  EXPECT_FALSE(flags.on("a"));
  EXPECT_FALSE(flags.on("b")) << "later wins";
  EXPECT_TRUE(flags.on("c"));
  EXPECT_TRUE(flags.on("unknown")) << "kept";
  EXPECT_FALSE(flags.on("never_named"));
  EXPECT_TRUE(flags.given());
  EXPECT_EQ(flags.json(), R"({"a":false,"b":false,"c":true,"unknown":true})");
  EXPECT_EQ(flags.unknown(), (std::map<std::string, std::string>{{"unknown", "unknown"}}));
}

TEST(Flags, AreTheDefaultsForAnEmptyList) {
  for (const char* empty : {"", " , ,"}) {
    Flags flags({{"a", true}}, empty);
    EXPECT_TRUE(flags.on("a"));
    EXPECT_FALSE(flags.given());
  }
  EXPECT_FALSE(Flags().on("a"));
}

TEST(Flags, CarryValuesInTheirName) {
  Flags flags({}, "initial_backfill_cursor=0/1, initial_backfill_cursor=16/B374D848");
  EXPECT_EQ(flags.value("initial_backfill_cursor"), "16/B374D848");
  EXPECT_TRUE(flags.on("initial_backfill_cursor=0/1"));
  EXPECT_EQ(flags.value("force_reset_cursor"), std::nullopt);
  EXPECT_EQ(Flags({}, "x=1,no_x=1").value("x"), std::nullopt);
  EXPECT_EQ(Flags({}, "x=1,no_x=2").value("x"), "1");
  EXPECT_EQ(Flags({}, "x=").value("x"), "");
}

TEST(Flags, KnowWhatMeansSomethingHere) {
  Flags flags({{"a", true}}, "no_a,cursor=16/0,no_cursor=1,as_found,no_b, curser=1 ", {"cursor", "as_found"});
  EXPECT_EQ(flags.unknown(), (std::map<std::string, std::string>{{"b", "no_b"}, {"curser", "curser=1"}}));
  std::string text;
  sluice::Log log(sluice::LogLevel::info, sluice::LogFormat::text, [&](std::string_view line) { text += line; });
  flags.warn_of_unknown(log);
  EXPECT_NE(text.find("no_b"), text.npos) << text;
  EXPECT_NE(text.find("curser=1"), text.npos) << text;
  EXPECT_NE(text.find("known are a, as_found, cursor"), text.npos) << text;
  text.clear();
  Flags({{"a", true}}, "no_a").warn_of_unknown(log);
  EXPECT_EQ(text, "");
}

}  // namespace
