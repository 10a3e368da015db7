#include "sluice/json/pointer.hpp"

#include <gtest/gtest.h>

#include "sluice/base/error.hpp"

namespace sluice::json {
namespace {

TEST(Pointer, FollowsRfc6901) {
  std::string text = R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"k\"l":6," ":7,"m~n":8})";
  Tree tree;
  tree.parse(text);
  auto at = [&](std::string_view pointer) {
    const Node* node = Pointer(pointer).find(tree);
    return node ? std::string(node->raw) : "absent";
  };
  EXPECT_EQ(at(""), text);
  EXPECT_EQ(at("/foo"), R"(["bar","baz"])");
  EXPECT_EQ(at("/foo/0"), "\"bar\"");
  EXPECT_EQ(at("/foo/1"), "\"baz\"");
  EXPECT_EQ(at("/"), "0");
  EXPECT_EQ(at("/a~1b"), "1");
  EXPECT_EQ(at("/c%d"), "2");
  EXPECT_EQ(at("/e^f"), "3");
  EXPECT_EQ(at("/k\"l"), "6");
  EXPECT_EQ(at("/ "), "7");
  EXPECT_EQ(at("/m~0n"), "8");
  EXPECT_EQ(at("/foo/2"), "absent");
  EXPECT_EQ(at("/foo/00"), "absent");
  EXPECT_EQ(at("/foo/01"), "absent");
  EXPECT_EQ(at("/foo/-"), "absent");
  EXPECT_EQ(at("/foo/99999999999999999999"), "absent");
  EXPECT_EQ(at("/foo/0/x"), "absent");
  EXPECT_EQ(at("/nope/deeper"), "absent");
}

TEST(Pointer, TokensOfDigitsAlsoNameProperties) {
  std::string text = R"({"0":{"00":"x"}})";
  Tree tree;
  tree.parse(text);
  ASSERT_NE(Pointer("/0/00").find(tree), nullptr);
  EXPECT_EQ(Pointer("/0/00").find(tree)->text, "x");
  EXPECT_EQ(Pointer("/00").find(tree, tree[1])->text, "x");
}

TEST(Pointer, PrintsWhatItWasParsedFrom) {
  for (std::string_view text : {"", "/", "/a/b", "/a~1b/m~0n", "//x/", "/~01"})
    EXPECT_EQ(Pointer(text).text(), text);
  EXPECT_EQ(Pointer("/~01").tokens(), (std::vector<std::string>{"~1"}));
  EXPECT_EQ(Pointer::of({"a/b", "~"}).text(), "/a~1b/~0");
  EXPECT_TRUE(Pointer().is_root());
  EXPECT_LT(Pointer("/a"), Pointer("/b"));
}

TEST(Pointer, RefusesWhatIsNoPointer) {
  for (std::string_view text : {"a", "a/b", "/~", "/~2", "/x~"}) EXPECT_THROW(Pointer{text}, Error) << text;
  try {
    Pointer("id");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "'id' is not a JSON pointer: it neither is empty nor starts with '/'");
    EXPECT_FALSE(e.hint().empty());
  }
}

}  // namespace
}  // namespace sluice::json
