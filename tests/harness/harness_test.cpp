// What checks the product is checked too.
#include <gtest/gtest.h>

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

}  // namespace
