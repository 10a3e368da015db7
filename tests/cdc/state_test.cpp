#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/cdc/acknowledgements.hpp"
#include "sluice/cdc/problems.hpp"
#include "sluice/cdc/state.hpp"

namespace {

using namespace sluice;
using cdc::CaptureState;
using cdc::TableMode;

constexpr const char* recorded =
    R"({"cursor":"16/B374D848","bindingStateV1":{)"
    R"("public%2Flog":{"mode":"KeylessBackfill","key_columns":null,"scanned":"KDUwMSwwKQ==","backfilled":48231},)"
    R"("public%2Forders":{"mode":"Backfill","key_columns":["id"],"scanned":"FgPo","backfilled":1000}}})";

TEST(State, RoundTripsTheDocumentedForm) {
  CaptureState state = CaptureState::parse(recorded);
  EXPECT_FALSE(state.fresh());
  EXPECT_EQ(state.cursor_json(), "\"16/B374D848\"");
  const cdc::TableState* orders = state.find("public%2Forders");
  ASSERT_NE(orders, nullptr);
  EXPECT_EQ(orders->mode, TableMode::precise);
  EXPECT_EQ(orders->key_columns, (std::vector<std::string>{"id"}));
  EXPECT_EQ(orders->scanned, "\x16\x03\xe8");
  EXPECT_EQ(orders->backfilled, 1000u);
  EXPECT_EQ(state.find("public%2Flog")->scanned, "(501,0)");
  EXPECT_EQ(state.json(), recorded);
  EXPECT_EQ(state.take_patch(), "{}");
}

TEST(State, NewCapturesHaveNone) {
  for (const char* none : {"", "{}", "null", " "}) EXPECT_TRUE(CaptureState::parse(none).fresh()) << none;
}

TEST(State, PatchesHoldWhatChanged) {
  CaptureState state = CaptureState::parse(recorded);
  state.set_cursor_json("\"16/B374D900\"");
  EXPECT_EQ(state.take_patch(), R"({"cursor":"16/B374D900"})");
  cdc::TableState& orders = state.change("public%2Forders");
  orders.mode = TableMode::active;
  orders.scanned.reset();
  EXPECT_EQ(state.take_patch(),
            R"({"bindingStateV1":{"public%2Forders":)"
            R"({"mode":"Active","key_columns":["id"],"scanned":null,"backfilled":1000}}})");
  EXPECT_EQ(state.take_patch(), "{}");
}

TEST(State, MetadataIsClearedExplicitly) {
  CaptureState state = CaptureState::parse("");
  state.change("a").metadata_json = R"({"oid":7})";
  EXPECT_NE(state.take_patch().find(R"("metadata":{"oid":7})"), std::string::npos);
  state.change("a").metadata_json.clear();
  EXPECT_NE(state.take_patch().find(R"("metadata":null)"), std::string::npos);
  state.change("a");
  EXPECT_EQ(state.take_patch().find("metadata"), std::string::npos);
}

TEST(State, ReconcilingAddsAndIgnores) {
  CaptureState state = CaptureState::parse(recorded);
  EXPECT_FALSE(state.reconcile({"public%2Forders", "public%2Fnew"}));
  EXPECT_EQ(state.find("public%2Fnew")->mode, TableMode::pending);
  EXPECT_EQ(state.find("public%2Flog")->mode, TableMode::ignore);
  EXPECT_EQ(
      state.take_patch(),
      R"({"bindingStateV1":{)"
      R"("public%2Flog":{"mode":"Ignore","key_columns":null,"scanned":null,"metadata":null,"backfilled":0},)"
      R"("public%2Fnew":{"mode":"Pending","key_columns":null,"scanned":null,"backfilled":0}}})");
  EXPECT_TRUE(state.cursor_json());
}

TEST(State, AllBindingsNewClearTheCursor) {
  CaptureState state = CaptureState::parse(recorded);
  EXPECT_TRUE(state.reconcile({"public%2Forders.v1", "public%2Flog.v1"}));
  EXPECT_FALSE(state.cursor_json());
  EXPECT_EQ(state.take_patch().rfind(R"({"cursor":null,)", 0), 0u);
  CaptureState none = CaptureState::parse(recorded);
  EXPECT_TRUE(none.reconcile({}));
}

TEST(State, AnIgnoredBindingThatComesBackStartsAnew) {
  CaptureState state = CaptureState::parse(
      R"({"cursor":"0/1","bindingStateV1":{"a":{"mode":"Active","key_columns":["id"],"scanned":null,"backfilled":5},)"
      R"("b":{"mode":"Ignore","key_columns":null,"scanned":null,"backfilled":0}}})");
  EXPECT_FALSE(state.reconcile({"a", "b"}));
  EXPECT_EQ(state.find("b")->mode, TableMode::pending);
  EXPECT_EQ(state.find("a")->mode, TableMode::active);
}

TEST(State, ToleratesNewerRootMembersAndRefusesOthers) {
  EXPECT_NO_THROW(CaptureState::parse(R"({"cursor":"0/1","newer":1})"));
  for (const char* bad : {"[]", "{", R"({"bindingStateV1":[]})", R"({"bindingStateV1":{"a":1}})",
                          R"({"bindingStateV1":{"a":{}}})", R"({"bindingStateV1":{"a":{"mode":"Odd"}}})",
                          R"({"bindingStateV1":{"a":{"mode":"Active","odd":1}}})",
                          R"({"bindingStateV1":{"a":{"mode":"Active","scanned":"?"}}})",
                          R"({"bindingStateV1":{"a":{"mode":"Active","key_columns":"id"}}})",
                          R"({"bindingStateV1":{"a":{"mode":"Active","backfilled":-1}}})"})
    EXPECT_THROW(CaptureState::parse(bad), Error) << bad;
}

TEST(Acknowledgements, GiveTheNewestPositionOfThoseAcknowledged) {
  cdc::Acknowledgements<int> waiting;
  for (int i = 1; i <= 4; ++i) waiting.sent(i);
  waiting.sent(std::nullopt);
  EXPECT_EQ(waiting.acknowledge(0), 1);
  EXPECT_EQ(waiting.acknowledge(2), 3);
  EXPECT_EQ(waiting.acknowledge(2), 4);
  EXPECT_TRUE(waiting.empty());
  waiting.sent(std::nullopt);
  EXPECT_EQ(waiting.acknowledge(1), std::nullopt);
  EXPECT_THROW(waiting.acknowledge(1), Error);
}

TEST(Problems, AreShownTogetherUpToALimit) {
  cdc::Problems problems;
  EXPECT_NO_THROW(problems.raise());
  for (int i = 1; i <= 23; ++i) problems.add("problem " + std::to_string(i));
  try {
    problems.raise();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    EXPECT_NE(e.message().find("\n - problem 20\n - (3 more are not shown)"), std::string::npos)
        << e.message();
    EXPECT_EQ(e.message().find("problem 21"), std::string::npos);
  }
}

}  // namespace
