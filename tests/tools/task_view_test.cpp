#include "task_view.hpp"

#include <gtest/gtest.h>

#include "sluice/testing/fake_clock.hpp"

namespace sluice::tools {
namespace {

using namespace std::chrono_literals;

TEST(TaskView, ShowsWhatACaptureSaysUntilItsSessionIsOver) {
  testing::FakeClock clock;
  TaskView view("acme/source", true);
  view.phase("validating");
  EXPECT_EQ(view.look(clock).phase, "validating");
  view.status("Backfilling tables (backfilled 50% of 2 tables)", clock.now());
  clock.advance(10s);
  TaskView::Figures figures = view.look(clock);
  EXPECT_EQ(figures.phase, "Backfilling tables (backfilled 50% of 2 tables)");
  EXPECT_EQ(figures.remaining_s, 10);
  view.phase("ended");
  figures = view.look(clock);
  EXPECT_EQ(figures.phase, "ended");
  EXPECT_FALSE(figures.remaining_s);
}

}  // namespace
}  // namespace sluice::tools
