#include "restarts.hpp"

#include <gtest/gtest.h>

namespace sluice::tools {
namespace {

using namespace std::chrono_literals;

bool about(Clock::Duration pause, Clock::Duration expected) {
  return pause >= expected * 79 / 100 && pause <= expected * 121 / 100;
}

TEST(Restarts, SessionsThatEndWellStartAnIntervalApart) {
  Restarts restarts(300s, 1);
  EXPECT_EQ(restarts.after_end(0s), 300s);
  EXPECT_EQ(restarts.after_end(299s), 1s);
  EXPECT_EQ(restarts.after_end(300s), 0s);
  EXPECT_EQ(restarts.after_end(1h), 0s);
}

TEST(Restarts, SessionsLongerThanTheIntervalAreNeverDelayed) {
  Restarts restarts(0s, 1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(restarts.after_end(1s), 0s);
}

TEST(Restarts, SessionsThatEndAtOnceDoNotSpin) {
  Restarts restarts(0s, 1);
  EXPECT_TRUE(about(restarts.after_end(0s), 1s));
  EXPECT_TRUE(about(restarts.after_end(10ms), 2s));
  EXPECT_EQ(restarts.after_end(2s), 0s);
  EXPECT_TRUE(about(restarts.after_end(0s), 1s));
}

TEST(Restarts, FailuresAreFurtherAndFurtherApartUntilASessionWasHealthy) {
  Restarts restarts(300s, 1);
  EXPECT_TRUE(about(restarts.after_failure(0s), 1s));
  EXPECT_TRUE(about(restarts.after_failure(59s), 2s));
  EXPECT_TRUE(about(restarts.after_failure(61s), 1s));
  EXPECT_TRUE(about(restarts.after_failure(0s), 2s));
  EXPECT_EQ(restarts.after_end(10s), 290s);
  EXPECT_TRUE(about(restarts.after_failure(0s), 1s));
}

}  // namespace
}  // namespace sluice::tools
