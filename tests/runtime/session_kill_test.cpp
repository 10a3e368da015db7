// The runtime is killed by SIGKILL at every step at which something becomes durable, one after the other, and
// started again: the endpoint holds what it would without (X-7), and no log holds a document twice (X-1,
// X-3).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <set>

#include "sluice/base/error.hpp"
#include "world.hpp"

namespace sluice::runtime {
namespace {

using testing::both;
using testing::CaptureScript;
using testing::Endpoint;
using testing::World;

// Runs the world in a process of its own that kills itself at step `kill_at`; says whether it got there.
bool killed_at(World& world, int kill_at) {
  std::atomic<int> reached{0};
  world.faults = [&](std::string_view) {
    if (++reached == kill_at) ::kill(::getpid(), SIGKILL);
  };
  pid_t child = ::fork();
  if (child == 0) {
    int status = 0;
    try {
      Loop loop;
      World::Start start(world, loop);
      loop.run(both(start));
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      status = 1;
    }
    ::_exit(status);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) {
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
    return true;
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
  return false;
}

std::size_t repeated_uuids(const World& world) {
  std::size_t repeated = 0;
  for (const std::string& collection : world.collections) {
    std::set<std::string> seen;
    std::ifstream in(log_path(world.folder.path(), collection));
    for (std::string line; std::getline(in, line);) {
      std::size_t at = line.find(R"("uuid":")");
      if (!seen.insert(line.substr(at + 8, 36)).second) ++repeated;
    }
  }
  return repeated;
}

void kill_at_each(Endpoint::Authority authority) {
  CaptureScript script;
  script.transactions = 3;
  script.bindings = 2;
  int step = 1;
  for (;; ++step) {
    SCOPED_TRACE(step);
    World world(script, authority);
    bool killed = killed_at(world, step);
    // What the second start dies of the third has to bear.
    if (killed) killed_at(world, step / 2 + 1);
    ASSERT_FALSE(killed_at(world, 1 << 30));
    ASSERT_EQ(world.counts(), testing::counts_of(script));
    ASSERT_EQ(repeated_uuids(world), 0u);
    if (!killed) break;
  }
  EXPECT_GT(step, 20);
}

TEST(Killed, AtEveryStepWithARemoteAuthority) { kill_at_each(Endpoint::Authority::remote); }
TEST(Killed, AtEveryStepWithARecoveryLog) { kill_at_each(Endpoint::Authority::recovery); }

}  // namespace
}  // namespace sluice::runtime
