// What checks the product is checked too.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/pipeline.hpp"

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Logs : ::testing::Test {
  harness::TemporaryFolder folder;
  harness::Pipeline pipeline{folder.path(), harness::Pipeline::Options()};

  void write(const std::string& collection, const std::string& lines) {
    fs::create_directories(pipeline.state() + "/collections");
    std::ofstream(pipeline.state() + "/collections/" + collection, std::ios::app) << lines;
  }
  static std::string document(const std::string& op, const std::string& loc, const std::string& uuid) {
    return R"({"_meta":{"op":")" + op + R"(","source":{"loc":[)" + loc +
           R"(],"schema":"shop","table":"t"},"uuid":")" + uuid + R"("},"id":1})" + "\n";
  }
};

TEST_F(Logs, NoneHoldsNothing) { EXPECT_EQ(pipeline.recorded().documents, 0u); }

TEST_F(Logs, ACleanLog) {
  write("a", document("c", "-1,0,0", "1") + document("c", "-1,1,0", "2") + document("c", "5,7,9", "3") +
                 R"({"_meta":{"uuid":"4","ack":true}})" + "\n");
  // A change of the key, and another collection.
  write("b", document("d", "6,7,9", "5") + document("u", "6,7,9", "6") + document("c", "5,7,9", "7"));
  harness::Recorded recorded = pipeline.recorded();
  EXPECT_EQ(recorded.documents, 6u);
  EXPECT_EQ(recorded.replicated, 4u);
  EXPECT_EQ(recorded.doubled, 0u);
}

TEST_F(Logs, ADocumentThatIsWrittenAgainHasAnotherUuid) {
  write("a", document("c", "-1,0,0", "1") + document("c", "5,7,9", "2") + document("c", "5,7,9", "3"));
  EXPECT_EQ(pipeline.recorded().doubled, 1u);
  write("a", document("c", "-1,0,0", "4"));
  EXPECT_EQ(pipeline.recorded().doubled, 2u);
  write("a", document("c", "5,8,9", "4"));
  EXPECT_EQ(pipeline.recorded().doubled, 3u);
}

TEST(Traffic, ThatNeverSucceedsSaysWhy) {
  harness::TemporaryFolder empty;
  harness::TrafficThreads traffic("host=" + empty.path() + " port=1 user=nobody", 1, 2, 1ms);
  while (traffic.failures() < 4) std::this_thread::sleep_for(1ms);
  traffic.stop();
  EXPECT_EQ(traffic.transactions(), 0u);
  EXPECT_NE(traffic.last_failure().find(empty.path()), std::string::npos) << traffic.last_failure();
}

// The folder of a child that is killed.
std::string left_by_a_killed_child(bool keep) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  pid_t child = ::fork();
  if (child == 0) {
    harness::TemporaryFolder folder;
    if (keep) folder.keep();
    std::ofstream(folder.path() + "/file") << "x";
    bool written = ::write(ends[1], folder.path().data(), folder.path().size()) > 0;
    ::kill(::getpid(), written ? SIGKILL : SIGTERM);
  }
  ::close(ends[1]);
  char name[256];
  ssize_t size = ::read(ends[0], name, sizeof name);
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return std::string(name, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
}

TEST(TemporaryFolder, GoesWithAKilledProcess) {
  std::string folder = left_by_a_killed_child(false);
  ASSERT_NE(folder, "");
  for (int i = 0; i < 3000 && fs::exists(folder); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(fs::exists(folder));
}

TEST(TemporaryFolder, StaysIfTold) {
  std::string folder = left_by_a_killed_child(true);
  ASSERT_NE(folder, "");
  EXPECT_TRUE(fs::exists(folder + "/file"));
  fs::remove_all(folder);
  std::string path;
  {
    harness::TemporaryFolder kept;
    kept.keep();
    path = kept.path();
  }
  EXPECT_TRUE(fs::exists(path));
  fs::remove_all(path);
}

}  // namespace
