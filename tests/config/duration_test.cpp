#include "sluice/config/duration.hpp"

#include <gtest/gtest.h>

#include "sluice/base/error.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::config::parse_duration;
using sluice::config::write_duration;

TEST(Duration, ReadsGoSyntax) {
  EXPECT_EQ(parse_duration("0"), 0s);
  EXPECT_EQ(parse_duration("15m"), 15min);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("1.5h"), 90min);
  EXPECT_EQ(parse_duration(".5s"), 500ms);
  EXPECT_EQ(parse_duration("1.s"), 1s);
  EXPECT_EQ(parse_duration("-2s500ms"), -2500ms);
  EXPECT_EQ(parse_duration("+3us4ns"), 3004ns);
  EXPECT_EQ(parse_duration("3µs"), 3us);
  EXPECT_EQ(parse_duration("3μs"), 3us);
  EXPECT_EQ(parse_duration("0.3333333333333333333h"), 1199999999999ns);
  EXPECT_EQ(parse_duration("9223372036854775807ns").count(), INT64_MAX);
}

TEST(Duration, RefusesOtherText) {
  for (const char* text :
       {"", "-", "5", "m", "1", "1x", "1m 2s", "1h-2m", ".s", "1..2s", "9223372036854775808ns", "3000000h",
        "99999999999999999999999999999999999999999999s", "00", "1e3s"})
    EXPECT_THROW(parse_duration(text), sluice::Error) << text;
  EXPECT_THROW(parse_duration("1500ms", 1s), sluice::Error);
  EXPECT_EQ(parse_duration("2500us", 100us), 2500us);
}

TEST(Duration, WritesWholeUnitsLargestFirst) {
  EXPECT_EQ(write_duration(0s), "0s");
  EXPECT_EQ(write_duration(90min), "1h30m");
  EXPECT_EQ(write_duration(-61s), "-1m1s");
  EXPECT_EQ(write_duration(1'001'001'001ns), "1s1ms1us1ns");
  EXPECT_EQ(parse_duration(write_duration(std::chrono::nanoseconds(INT64_MAX))).count(), INT64_MAX);
  EXPECT_EQ(write_duration(std::chrono::nanoseconds(INT64_MIN)), "-2562047h47m16s854ms775us808ns");
}

}  // namespace
