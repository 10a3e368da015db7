// Kills the real pipeline with SIGKILL at random moments of the shop's traffic and restarts it: in the end
// source and destination are equal and no collection log holds a document twice.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "harness/pipeline.hpp"
#include "sluice/testing/private_postgres.hpp"

namespace {

using namespace std::chrono_literals;
using harness::Transport;

std::uint64_t seed() {
  if (const char* text = std::getenv("SLUICE_SEED")) return std::stoull(text);
  return std::random_device()();
}

struct Plan {
  Transport transport = Transport::in_process;
  int kills = 0;
  int rows = 0;
  int server_restarts = 0;
};

void survive(const Plan& plan) {
  std::uint64_t chosen = seed();
  fmt::print("SLUICE_SEED={}\n", chosen);
  std::fflush(stdout);
  std::mt19937_64 random(chosen);
  harness::TemporaryFolder folder;
  sluice::testing::PrivatePostgres server;
  std::string dsn = harness::dsn(server);
  auto client = std::make_unique<harness::Client>(dsn);
  harness::create_shop(*client, plan.rows);
  harness::Pipeline::Options options = harness::Pipeline::Options::of(server);
  options.transport = plan.transport;
  harness::Pipeline pipeline(folder.path(), options);
  pipeline.discover();

  harness::TrafficThreads traffic(dsn, chosen, 2, 2ms);
  for (int i = 0; i < plan.kills; ++i) {
    std::unique_ptr<harness::Program> run = pipeline.start(false);
    // Mostly early, where sessions open and chunks move; now and then deep in the steady state.
    auto moment = std::chrono::milliseconds(random() % 4 ? random() % 700 : random() % 4000);
    std::optional<int> status = run->wait(moment);
    ASSERT_FALSE(status) << "it ended by itself with " << *status << ": " << pipeline.tail_of_log(3000);
    run->signal(SIGKILL);
    run->wait(10s);
    if (plan.server_restarts && i % (plan.kills / plan.server_restarts) == 1)
      server.restart(i % 2 ? sluice::testing::PrivatePostgres::Stop::immediate
                           : sluice::testing::PrivatePostgres::Stop::fast);
  }
  if (plan.server_restarts) {
    // Also under a running pipeline, which has to live on.
    std::unique_ptr<harness::Program> run = pipeline.start(false);
    ASSERT_FALSE(run->wait(2s)) << pipeline.tail_of_log(3000);
    server.restart(sluice::testing::PrivatePostgres::Stop::immediate);
    ASSERT_FALSE(run->wait(8s)) << pipeline.tail_of_log(3000);
    run->signal(SIGINT);
    EXPECT_EQ(run->wait(120s), 0) << pipeline.tail_of_log(3000);
  }
  traffic.stop();
  pipeline.run_once(300s);
  client = std::make_unique<harness::Client>(dsn);
  EXPECT_TRUE(pipeline.verify(*client)) << pipeline.tail_of_log(3000);
  harness::Recorded recorded = pipeline.recorded();
  fmt::print("{} documents, {} replicated, {} doubled; {} transactions, {} failed\n", recorded.documents,
             recorded.replicated, recorded.doubled, traffic.transactions(), traffic.failures());
  EXPECT_EQ(recorded.doubled, 0u);
  EXPECT_GT(recorded.replicated, 0u);
  EXPECT_GT(traffic.transactions(), static_cast<std::uint64_t>(plan.kills)) << traffic.last_failure();
  if (::testing::Test::HasFailure()) folder.keep(), fmt::print("kept {}\n", folder.path());
}

TEST(Crash, SixtyKillsInProcess) {
  Plan plan;
  plan.kills = 60;
  plan.rows = 60'000;
  survive(plan);
}

TEST(Crash, ConnectorsAsProtobufProcesses) {
  Plan plan;
  plan.transport = Transport::process_protobuf;
  plan.kills = 20;
  plan.rows = 20'000;
  survive(plan);
}

TEST(Crash, ConnectorsAsJsonProcesses) {
  Plan plan;
  plan.transport = Transport::process_json;
  plan.kills = 20;
  plan.rows = 20'000;
  survive(plan);
}

TEST(Crash, ServerRestartsInTheMiddle) {
  Plan plan;
  plan.kills = 12;
  plan.rows = 20'000;
  plan.server_restarts = 4;
  survive(plan);
}

}  // namespace
