#include "sluice/runtime/connector_state.hpp"

#include <gtest/gtest.h>

#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

std::string after(std::string base, std::vector<protocol::ConnectorState> updates) {
  StateUpdate update;
  for (const auto& u : updates) update.add(u);
  return update.apply_to(base);
}

// The table of runtime.md §12.3.
TEST(ConnectorState, IsReducedAsRfc7396Says) {
  EXPECT_EQ(after(R"({"a":1,"b":{"c":2}})", {{R"({"b":{"d":3}})", true}}), R"({"a":1,"b":{"c":2,"d":3}})");
  EXPECT_EQ(after(R"({"a":1,"b":{"c":2}})", {{R"({"a":null})", true}}), R"({"b":{"c":2}})");
  EXPECT_EQ(after(R"({"a":[1,2]})", {{R"({"a":[3]})", true}}), R"({"a":[3]})");
  EXPECT_EQ(after(R"({"a":1})", {{R"({"b":{"x":null}})", true}}), R"({"a":1,"b":{}})");
  EXPECT_EQ(after(R"({"a":1})", {{R"({"z":1})", false}}), R"({"z":1})");
}

TEST(ConnectorState, FoldingKeepsRemovalsUntilTheyMeetTheBase) {
  EXPECT_EQ(after(R"({"a":1,"b":1})", {{R"({"a":null})", true}, {R"({"b":2})", true}}), R"({"b":2})");
  EXPECT_EQ(after(R"({"a":1})", {{R"({"a":null})", true}, {R"({"a":2})", true}}), R"({"a":2})");
  EXPECT_EQ(after(R"({"a":{"x":1,"y":1}})", {{R"({"a":{"x":null}})", true}, {R"({"a":{"z":1}})", true}}),
            R"({"a":{"y":1,"z":1}})");
  EXPECT_EQ(
      after(R"({"a":{"x":1}})", {{R"({"a":null})", true}, {R"({"a":{"b":1}})", true}, {R"({"c":1})", true}}),
      R"({"a":{"b":1},"c":1})");
}

TEST(ConnectorState, AReplacementForgetsWhatWasBeforeAndIsPatchedAfterwards) {
  EXPECT_EQ(after(R"({"a":1})",
                  {{R"({"b":1})", true}, {R"({"c":{"d":1}})", false}, {R"({"c":{"d":null,"e":2}})", true}}),
            R"({"c":{"e":2}})");
}

TEST(ConnectorState, ARootThatIsNoObjectIsReplaced) {
  EXPECT_EQ(after("[1]", {{R"({"a":1})", true}}), R"({"a":1})");
  EXPECT_EQ(after(R"({"a":1})", {{"7", true}}), "7");
}

TEST(ConnectorState, KeepsNumbersAndSortsNames) {
  EXPECT_EQ(after("{}", {{R"({ "b" : 1.50, "a" : 123456789012345678901234567890, "b": 2e1 })", true}}),
            R"({"a":123456789012345678901234567890,"b":2e1})");
}

TEST(ConnectorState, PatchesAreWhatAShardContributes) {
  StateUpdate update;
  EXPECT_TRUE(update.empty());
  EXPECT_EQ(update.patches(), "");
  update.add({R"({"a":null})", true});
  update.add({R"({"b":1})", true});
  EXPECT_EQ(update.patches(), R"([{"a":null,"b":1}])");
  update.add({R"({"c":1})", false});
  EXPECT_EQ(update.patches(), R"([null,{"c":1}])");
}

TEST(ConnectorState, RejectsWhatIsNoJson) {
  StateUpdate update;
  EXPECT_THROW(update.add({R"({"a":)", true}), Error);
}

}  // namespace
}  // namespace sluice::runtime
