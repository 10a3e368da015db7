#include "sluice/async/retry.hpp"

#include <gtest/gtest.h>

#include "sluice/testing/fake_clock.hpp"
#include "sluice/testing/held.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::Held;

double seconds(Clock::Duration d) { return std::chrono::duration<double>(d).count(); }

TEST(Backoff, DoublesUpToItsBound) {
  Backoff backoff(100ms, 1s, 0, 1);
  std::vector<double> waits;
  for (int i = 0; i < 6; ++i) waits.push_back(seconds(backoff.next()));
  EXPECT_EQ(waits, (std::vector<double>{0.1, 0.2, 0.4, 0.8, 1, 1}));
  backoff.reset();
  EXPECT_EQ(backoff.next(), 100ms);
}

TEST(Backoff, JitterMovesEachWaitWithinItsShare) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Backoff backoff(1s, 30s, 0.2, seed);
    double base = 1, least = 2, most = 0;
    for (int i = 0; i < 100; ++i) {
      double ratio = seconds(backoff.next()) / base;
      least = std::min(least, ratio);
      most = std::max(most, ratio);
      base = std::min(base * 2, 30.0);
    }
    EXPECT_GE(least, 0.8 - 1e-6);
    EXPECT_LE(most, 1.2 + 1e-6);
    EXPECT_GT(most - least, 0.3) << "it does move";
  }
}

TEST(Backoff, IsBoundedWhateverItIsGiven) {
  Backoff first_above(10s, 1s, 0, 1);
  EXPECT_EQ(first_above.next(), 1s);
  Backoff endless(1s, Clock::Duration::max(), 0.5, 1);
  for (int i = 0; i < 200; ++i) EXPECT_GT(endless.next(), 0s);
}

struct Attempts {
  std::vector<double> at;
  int fail = 0;
  Error::Kind kind = Error::Kind::transient;
};
Task<int> attempt(Attempts& attempts, FakeClock& clock) {
  attempts.at.push_back(seconds(clock.now().time_since_epoch()));
  if (attempts.fail-- > 0) throw Error(attempts.kind, "refused " + std::to_string(attempts.at.size()));
  co_return 42;
}
Task<> connect(Attempts& attempts, FakeClock& clock, int tries, int& result) {
  auto once = [&]() -> Task<int> { return attempt(attempts, clock); };
  Backoff backoff(1s, 4s, 0, 1);
  result = co_await retry(clock, std::move(backoff), tries, once);
}

void run_out(Held& held, FakeClock& clock) {
  for (int i = 0; i < 100 && !held.settle().ended(); ++i) clock.advance(500ms);
}

TEST(Retry, WaitsLongerEachTimeUntilItSucceeds) {
  Loop loop;
  FakeClock clock;
  Attempts attempts;
  attempts.fail = 4;
  int result = 0;
  Held held(loop, connect(attempts, clock, 10, result));
  run_out(held, clock);
  EXPECT_EQ(held.failure(), "");
  EXPECT_EQ(result, 42);
  EXPECT_EQ(attempts.at, (std::vector<double>{0, 1, 3, 7, 11}));
}

TEST(Retry, GivesUpAfterTheTriesWithTheLastError) {
  Loop loop;
  FakeClock clock;
  Attempts attempts;
  attempts.fail = 100;
  int result = 0;
  Held held(loop, connect(attempts, clock, 3, result));
  run_out(held, clock);
  EXPECT_EQ(held.failure(), "refused 3");
  EXPECT_EQ(attempts.at.size(), 3u);
}

TEST(Retry, RethrowsWhatIsNotTransientAtOnce) {
  for (Error::Kind kind : {Error::Kind::config, Error::Kind::bug}) {
    Loop loop;
    FakeClock clock;
    Attempts attempts;
    attempts.fail = 1;
    attempts.kind = kind;
    int result = 0;
    Held held(loop, connect(attempts, clock, 10, result));
    run_out(held, clock);
    EXPECT_EQ(held.failure(), "refused 1");
    EXPECT_EQ(attempts.at.size(), 1u);
  }
}

TEST(Retry, IsCancelledBetweenAttempts) {
  Loop loop;
  FakeClock clock;
  Attempts attempts;
  attempts.fail = 100;
  int result = 0;
  Held held(loop, connect(attempts, clock, 10, result));
  held.settle().cancel().settle();
  EXPECT_TRUE(held.cancelled());
  EXPECT_EQ(attempts.at.size(), 1u);
}

}  // namespace
}  // namespace sluice
