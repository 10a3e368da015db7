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

TEST(TaskView, CountsOverSessions) {
  testing::FakeClock clock;
  TaskView view("acme/out", false);
  auto commit = [&](std::uint64_t documents) {
    view.progress().bindings.resize(1);
    for (std::uint64_t i = 0; i < documents; ++i) view.progress().bindings[0].out.add(100);
  };
  view.begin();
  EXPECT_FALSE(view.look(clock).rows_per_s);  // unknown, not none
  commit(30);
  clock.advance(10s);
  EXPECT_EQ(view.look(clock).rows_per_s, 3);
  commit(10);
  view.begin();  // as a schema has changed
  commit(10);
  clock.advance(10s);
  TaskView::Figures figures = view.look(clock);
  EXPECT_EQ(figures.rows, 50u);
  EXPECT_EQ(figures.rows_per_s, 2);
  EXPECT_EQ(figures.mb_per_s, 2 * 100 / 1e6);
}

}  // namespace
}  // namespace sluice::tools
