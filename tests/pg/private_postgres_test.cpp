#include "sluice/testing/private_postgres.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "sluice/base/error.hpp"

namespace sluice::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

bool alive(pid_t pid) { return ::kill(pid, 0) == 0; }

// Polls a state of other processes, which no event of ours tells.
template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

TEST(PrivatePostgres, RestartsWithItsDataAndLeavesNothing) {
  std::string folder;
  pid_t last = 0;
  {
    PrivatePostgres server;
    folder = server.socket_folder();
    pid_t first = server.postmaster();
    EXPECT_TRUE(alive(first));
    EXPECT_GE(server.major_version(), 10);
    std::string port = server.port();
    server.restart(PrivatePostgres::Stop::immediate);
    last = server.postmaster();
    EXPECT_NE(first, last);
    EXPECT_EQ(server.port(), port);
    EXPECT_FALSE(alive(first));
    server.stop();
    EXPECT_FALSE(server.running());
    server.start();
    last = server.postmaster();
    EXPECT_TRUE(fs::exists(folder));
  }
  EXPECT_FALSE(alive(last));
  EXPECT_FALSE(fs::exists(folder));
}

TEST(PrivatePostgres, DiesWithAKilledParent) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  pid_t child = ::fork();
  if (child == 0) {
    PrivatePostgres server;
    std::string told = std::to_string(server.postmaster()) + " " + server.socket_folder() + "\n";
    if (::write(ends[1], told.data(), told.size()) < 0) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  ::close(ends[1]);
  char told[256] = {};
  ASSERT_GT(::read(ends[0], told, sizeof told - 1), 0);
  ::close(ends[0]);
  pid_t postmaster = std::atoi(told);
  std::string folder = std::string(told).substr(std::string(told).find(' ') + 1);
  folder.pop_back();
  EXPECT_TRUE(alive(postmaster));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(soon([&] { return !alive(postmaster); }));
  EXPECT_TRUE(soon([&] { return !fs::exists(folder); }));
}

TEST(PrivatePostgres, AMissingServerFailsClearly) {
  PrivatePostgres::Options options;
  ::setenv("SLUICE_POSTGRES_BIN", "/nonexistent", 1);
  std::string what;
  try {
    PrivatePostgres server(options);
  } catch (const Error& e) {
    what = e.what();
  }
  ::unsetenv("SLUICE_POSTGRES_BIN");
  EXPECT_NE(what.find("SLUICE_POSTGRES_BIN is '/nonexistent'"), std::string::npos) << what;
}

TEST(PrivatePostgres, AServerThatDoesNotStartTellsWhyAndLeavesNothing) {
  PrivatePostgres::Options options;
  options.settings["shared_buffers"] = "no size";
  std::string what;
  try {
    PrivatePostgres server(options);
  } catch (const Error& e) {
    what = e.what();
  }
  EXPECT_NE(what.find("shared_buffers"), std::string::npos) << what;
}

}  // namespace
}  // namespace sluice::testing
