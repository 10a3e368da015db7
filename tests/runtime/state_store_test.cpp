#include "sluice/runtime/state_store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "sluice/base/error.hpp"
#include "temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using testing::TemporaryFolder;

struct StateStoreTest : ::testing::Test {
  TemporaryFolder folder;
  std::filesystem::path file = folder.path() / "sluice.db";
};

TEST_F(StateStoreTest, KeepsACommitAcrossRestarts) {
  {
    StateStore store(file, StateStore::Mode::write);
    StateCommit commit("acme/source");
    commit.put("connector-state", R"({"a":1})");
    commit.put(std::string("FC:j\0k", 6), "x");
    commit.logs.push_back({"acme/orders", {7, "ack\n"}});
    store.commit(commit);
  }
  StateStore store(file, StateStore::Mode::read);
  EXPECT_EQ(store.get("acme/source", "connector-state"), R"({"a":1})");
  EXPECT_EQ(store.get("acme/source", std::string_view("FC:j\0k", 6)), "x");
  EXPECT_EQ(store.get("acme/sink", "connector-state"), std::nullopt);
  EXPECT_EQ(store.log_position("acme/orders"), (LogPosition{7, "ack\n"}));
  EXPECT_EQ(store.log_position("acme/other"), LogPosition());
  EXPECT_EQ(store.tasks(), std::vector<std::string>{"acme/source"});
  EXPECT_EQ(store.collections(), std::vector<std::string>{"acme/orders"});
}

TEST_F(StateStoreTest, AnEmptyValueIsNotAbsence) {
  StateStore store(file, StateStore::Mode::write);
  StateCommit commit("t");
  commit.put("MK-v2:k", "");
  store.commit(commit);
  EXPECT_EQ(store.get("t", "MK-v2:k"), "");
}

TEST_F(StateStoreTest, RemovesKeysAndListsByPrefix) {
  StateStore store(file, StateStore::Mode::write);
  StateCommit first("t");
  first.put("AI:a", "1");
  first.put("AI:b", "2");
  first.put("AJ", "3");
  store.commit(first);
  StateCommit second("t");
  second.erase("AI:a");
  second.put("AI:c", "4");
  store.commit(second);
  using Entries = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(store.list("t", "AI:"), (Entries{{"AI:b", "2"}, {"AI:c", "4"}}));
}

TEST_F(StateStoreTest, AFailureBeforeTheCommitChangesNothing) {
  bool broken = false;
  StateStore store(file, StateStore::Mode::write, [&](std::string_view point) {
    if (broken && point == "before state commit") throw Error(Error::Kind::transient, "power failed");
  });
  StateCommit commit("t");
  commit.put("k", "old");
  store.commit(commit);
  broken = true;
  commit.put("k", "new");
  EXPECT_THROW(store.commit(commit), Error);
  EXPECT_EQ(store.get("t", "k"), "old");
}

TEST_F(StateStoreTest, FilesAreForTheOwnerOnly) {
  StateStore store(file, StateStore::Mode::write);
  StateCommit commit("t");
  commit.put("k", "v");
  store.commit(commit);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    struct stat status{};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u) << entry.path();
  }
}

TEST_F(StateStoreTest, SaysWhichFileIsNoDatabase) {
  std::ofstream(file) << std::string(8192, 'x');
  try {
    StateStore store(file, StateStore::Mode::write);
    FAIL() << "opened a file that is no database";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    EXPECT_NE(std::string(e.what()).find(file.native()), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace sluice::runtime
