#include "sluice/runtime/reduction.hpp"

#include <gtest/gtest.h>

#include "sluice/base/error.hpp"

namespace sluice::runtime {
namespace {

using Strategy = Reduction::Strategy;

Reduction reduction(std::string_view text) {
  json::Tree tree;
  tree.parse(text);
  return Reduction::parse(tree, tree.root());
}
Redaction redaction(std::string_view text) {
  json::Tree tree;
  tree.parse(text);
  return parse_redaction(tree, tree.root());
}
template <class F>
std::string error_of(F f, std::string_view text) {
  try {
    f(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    return e.message();
  }
  return "accepted";
}

TEST(Reduction, ReadsEveryStrategy) {
  for (auto strategy :
       {Strategy::append, Strategy::first_write_wins, Strategy::json_schema_merge, Strategy::last_write_wins,
        Strategy::maximize, Strategy::merge, Strategy::minimize, Strategy::set, Strategy::sum}) {
    Reduction r = reduction(R"({"strategy":")" + std::string(name(strategy)) + "\"}");
    EXPECT_EQ(r, Reduction{.strategy = strategy});
  }
}

TEST(Reduction, ReadsOptions) {
  Reduction r = reduction(R"({"strategy":"merge","key":["/a","/b/0"],"delete":true})");
  EXPECT_EQ(r.key, (std::vector<json::Pointer>{json::Pointer("/a"), json::Pointer("/b/0")}));
  EXPECT_TRUE(r.del);
  EXPECT_TRUE(r.associative);
  EXPECT_FALSE(reduction(R"({"associative":false,"strategy":"lastWriteWins"})").associative);
  EXPECT_EQ(reduction(R"({"strategy":"set","key":[""]})").key, std::vector<json::Pointer>{json::Pointer()});
}

TEST(Reduction, RefusesWhatTheStrategyLacks) {
  for (std::string_view text :
       {"{}", "[]", "\"merge\"", R"({"strategy":"other"})", R"({"strategy":1})",
        R"({"strategy":"sum","key":[]})", R"({"strategy":"append","delete":true})",
        R"({"strategy":"merge","associative":false})", R"({"strategy":"merge","key":"/a"})",
        R"({"strategy":"merge","key":["a"]})", R"({"strategy":"merge","key":[1]})",
        R"({"strategy":"merge","delete":1})", R"({"strategy":"merge","typo":true})"})
    EXPECT_NE(error_of(reduction, text), "accepted") << text;
  EXPECT_EQ(error_of(reduction, R"({"strategy":"sum","key":[]})"),
            R"(the annotation "reduce": {"strategy":"sum","key":[]} has an option 'key' that sum lacks)");
}

TEST(Redaction, ReadsItsTwoStrategies) {
  EXPECT_EQ(redaction(R"({"strategy":"block"})"), Redaction::block);
  EXPECT_EQ(redaction(R"({"strategy":"sha256"})"), Redaction::sha256);
  for (std::string_view text : {"{}", R"({"strategy":"md5"})", R"({"strategy":"block","x":1})", "true"})
    EXPECT_NE(error_of(redaction, text), "accepted") << text;
}

}  // namespace
}  // namespace sluice::runtime
