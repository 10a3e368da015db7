#include "sluice/runtime/collection_log.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "sluice/async/scope.hpp"
#include "sluice/base/error.hpp"
#include "sluice/testing/run.hpp"
#include "temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using sluice::testing::require;
using sluice::testing::run;
using testing::TemporaryFolder;

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Two restarts' worth of one log; `faults` decides where the first of them breaks.
struct LogTest : ::testing::Test {
  TemporaryFolder folder;
  std::string fail_at;
  Faults faults = [this](std::string_view point) {
    if (point == fail_at) throw Error(Error::Kind::transient, "broken here");
  };
  StateStore store{folder.path() / "sluice.db", StateStore::Mode::write, faults};

  std::unique_ptr<CollectionLog> open(Loop& loop) {
    return std::make_unique<CollectionLog>(loop.executor(), store, folder.path(), "acme/orders", faults);
  }
  std::string text() { return content(log_path(folder.path(), "acme/orders")); }
};

Task<> append(CollectionLog& log, StateStore& store, std::string lines, std::string acknowledgement,
              SchemaHash write_schema = {}, std::optional<Uuid> known = {}) {
  auto transaction = co_await log.begin(write_schema);
  transaction->restore();
  transaction->text() += lines;
  transaction->written();
  StateCommit commit("acme/source");
  commit.logs.push_back({log.collection(), transaction->prepare(std::move(acknowledgement), known)});
  store.commit(commit);
  transaction->acknowledge();
  transaction->publish();
}

TEST_F(LogTest, ATransactionIsVisibleWhenItIsAcknowledged) {
  run([this](Loop& loop) -> Task<> {
    auto log = open(loop);
    EXPECT_EQ(log->published(), 0u);
    co_await append(*log, store, "one\ntwo\n", "ack1\n");
    EXPECT_EQ(log->published(), 13u);
    co_await append(*log, store, "three\n", "ack2\n");
    EXPECT_EQ(text(), "one\ntwo\nack1\nthree\nack2\n");
    EXPECT_EQ(log->published(), text().size());
  });
}

TEST_F(LogTest, WhateverFailsTheNextTransactionFollowsTheLastCommittedOne) {
  struct Case {
    std::string point;
    bool committed;
  };
  std::string large(2u << 20, 'x');  // written before the end
  for (const Case& c :
       {Case{"before log write", false}, Case{"after log write", false}, Case{"before log sync", false},
        Case{"after log sync", false}, Case{"before state commit", false}, Case{"after state commit", true},
        Case{"before log acknowledgement", true}, Case{"after log acknowledgement", true}}) {
    for (bool restart : {false, true}) {
      SCOPED_TRACE(c.point + (restart ? ", restarted" : ", same process"));
      run([&, this](Loop& loop) -> Task<> {
        auto log = open(loop);
        std::string before = text();
        fail_at = c.point;
        bool failed = false;
        try {
          co_await append(*log, store, large + "\n", "lost\n");
        } catch (const Error&) {
          failed = true;
        }
        fail_at.clear();
        EXPECT_TRUE(failed);
        EXPECT_EQ(log->published(), before.size()) << "readers saw a failed transaction";
        if (restart) log = open(loop);
        co_await append(*log, store, "next\n", "ack\n");
        std::string kept = c.committed ? large + "\nlost\n" : "";
        EXPECT_TRUE(text() == before + kept + "next\nack\n");
        EXPECT_EQ(log->published(), text().size());
      });
    }
  }
}

const SchemaHash A = schema_hash("A"), B = schema_hash("B");

TEST_F(LogTest, KnowsFromWhereOnDocumentsWereValidForASchema) {
  run([this](Loop& loop) -> Task<> {
    constexpr std::uint64_t never = CollectionLog::npos;
    auto log = open(loop);
    EXPECT_EQ(log->valid_from(A), never);
    co_await append(*log, store, "one\n", "ack\n", A);
    EXPECT_EQ(log->valid_from(A), 0u);
    EXPECT_EQ(log->valid_from(B), never);
    co_await append(*log, store, "two\n", "ack\n", A);
    EXPECT_EQ(log->valid_from(A), 0u);
    std::uint64_t before = log->published();
    co_await append(*log, store, "three\n", "ack\n", B);
    EXPECT_EQ(log->valid_from(A), never);
    EXPECT_EQ(log->valid_from(B), before);
    before = log->published();
    co_await append(*log, store, "four\n", "ack\n");  // nobody says what it is valid for
    EXPECT_EQ(log->valid_from(B), never);
    EXPECT_EQ(log->valid_from({}), never);
    co_await append(*log, store, "five\n", "ack\n", A);
    before = log->published();
    log = open(loop);  // another process may have written what is there
    EXPECT_EQ(log->valid_from(A), never);
    co_await append(*log, store, "six\n", "ack\n", A);
    EXPECT_EQ(log->valid_from(A), before);
  });
}

// What a failed turn left behind is not taken for that of the next one.
TEST_F(LogTest, KnowsNothingOfWhatAFailedTurnCommitted) {
  for (std::string point :
       {"after state commit", "before log acknowledgement", "after log acknowledgement"}) {
    SCOPED_TRACE(point);
    run([&, this](Loop& loop) -> Task<> {
      auto log = open(loop);
      co_await append(*log, store, "one\n", "ack\n", A);
      fail_at = point;
      bool failed = false;
      try {
        co_await append(*log, store, "two\n", "ack\n", B);
      } catch (const Error&) {
        failed = true;
      }
      fail_at.clear();
      EXPECT_TRUE(failed);
      co_await append(*log, store, "three\n", "ack\n", A);
      EXPECT_EQ(text().substr(log->valid_from(A)), "three\nack\n");
    });
  }
}

TEST_F(LogTest, TellsWhatItKnowsOfItsTransactions) {
  run([this](Loop& loop) -> Task<> {
    auto log = open(loop);
    auto known = [&](std::uint64_t clock) { return Uuid{clock, Uuid::ack_txn, {1, 2, 3, 4, 5, 6}}; };
    EXPECT_TRUE(log->known_from(0).empty());
    co_await append(*log, store, "one\n", "ack\n", {}, known(1));
    co_await append(*log, store, "two\n", "ack\n", {}, known(2));
    auto all = log->known_from(0);
    EXPECT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].begin, 0u);
    EXPECT_EQ(all[0].end, 4u);
    EXPECT_EQ(all[0].next, 8u);
    EXPECT_EQ(all[1].begin, 8u);
    EXPECT_EQ(all[1].acknowledgement, known(2));
    EXPECT_EQ(log->known_from(8).size(), 1u);
    EXPECT_TRUE(log->known_from(4).empty());
    EXPECT_TRUE(log->known_from(16).empty());
    // Nobody vouches for this one, and one that fails was not published.
    co_await append(*log, store, "three\n", "ack\n");
    fail_at = "before log acknowledgement";
    bool failed = false;
    try {
      co_await append(*log, store, "four\n", "ack\n", {}, known(3));
    } catch (const Error&) {
      failed = true;
    }
    EXPECT_TRUE(failed);
    fail_at.clear();
    co_await append(*log, store, "five\n", "ack\n", {}, known(4));
    EXPECT_EQ(log->known_from(0).size(), 2u);
    std::uint64_t last = log->published() - 9;
    auto after = log->known_from(last);
    EXPECT_EQ(after.size(), 1u);
    EXPECT_EQ(text().substr(after[0].begin, after[0].end - after[0].begin), "five\n");
    for (std::uint64_t i = 5; i < 400; ++i) co_await append(*log, store, "x\n", "ack\n", {}, known(i));
    EXPECT_TRUE(log->known_from(last).empty());
    EXPECT_LE(log->known_from(log->published() - 6 * 100).size(), 100u);
    EXPECT_EQ(log->known_from(log->published() - 6).size(), 1u);
  });
}

TEST_F(LogTest, RecoveryRepeatsTheAcknowledgementAndIsItselfRepeatable) {
  run([this](Loop& loop) -> Task<> {
    auto log = open(loop);
    co_await append(*log, store, "one\n", "ack\n");
    log.reset();
    std::filesystem::resize_file(log_path(folder.path(), "acme/orders"), 4);  // the acknowledgement was lost
    fail_at = "after log restore";
    bool failed = false;
    try {
      open(loop);
    } catch (const Error&) {
      failed = true;
    }
    EXPECT_TRUE(failed);
    fail_at.clear();
    log = open(loop);
    EXPECT_EQ(text(), "one\nack\n");
    EXPECT_EQ(log->published(), 8u);
    log.reset();
    log = open(loop);
    EXPECT_EQ(text(), "one\nack\n");
  });
}

TEST_F(LogTest, ALogShorterThanCommittedIsAnError) {
  run([this](Loop& loop) -> Task<> {
    auto log = open(loop);
    co_await append(*log, store, "one\n", "ack\n");
    log.reset();
    std::filesystem::resize_file(log_path(folder.path(), "acme/orders"), 3);
    std::string what;
    try {
      open(loop);
    } catch (const Error& e) {
      what = e.what();
    }
    EXPECT_NE(what.find("holds 3 bytes, but 4 bytes are committed"), std::string::npos) << what;
    co_return;
  });
}

TEST_F(LogTest, WritersTakeTurns) {
  run([this](Loop& loop) -> Task<> {
    auto log = open(loop);
    co_await all(append(*log, store, "a1\na2\n", "A\n"), append(*log, store, "b1\nb2\n", "B\n"));
    EXPECT_EQ(text(), "a1\na2\nA\nb1\nb2\nB\n");
  });
}

TEST(LogPath, EncodesTheName) {
  EXPECT_EQ(log_path("/s", "acme/orders é"), "/s/acme%2Forders%20%C3%A9.ndjson");
  EXPECT_THROW(log_path("/s", std::string(300, 'a')), Error);
}

}  // namespace
}  // namespace sluice::runtime
