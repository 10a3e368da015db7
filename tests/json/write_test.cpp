#include "sluice/json/write.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "json/random_json.hpp"
#include "sluice/base/error.hpp"

namespace sluice::json {
namespace {

TEST(Writer, PlacesCommasAndColons) {
  std::string out;
  Writer(out)
      .begin_object()
      .key("a")
      .integer(-5)
      .key("b")
      .begin_array()
      .boolean(true)
      .null()
      .begin_object()
      .end_object()
      .begin_array()
      .end_array()
      .end_array()
      .key("c\n")
      .string("x\"y")
      .key("d")
      .unsigned_integer(18446744073709551615u)
      .key("e")
      .number(2)
      .key("f")
      .raw("[1, 2]")
      .end_object();
  EXPECT_EQ(out,
            R"({"a":-5,"b":[true,null,{},[]],"c\n":"x\"y","d":18446744073709551615,"e":2.0,"f":[1, 2]})");
}

TEST(Writer, ContinuesInTheCallersText) {
  std::string out = "data: ";
  Writer(out).string("x");
  EXPECT_EQ(out, "data: \"x\"");
}

TEST(WriteString, EscapesOnlyWhatMustBe) {
  std::string out;
  write_string(out, std::string_view("\"\\/\b\f\n\r\t\x01\x1f\x7f\0\xc3\xa9", 14));
  EXPECT_EQ(out, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\xc3\xa9\"");
}

TEST(WriteDouble, IsShortestAndReadsBack) {
  auto written = [](double d) {
    std::string out;
    write_double(out, d);
    return out;
  };
  EXPECT_EQ(written(0), "0.0");
  EXPECT_EQ(written(-0.0), "-0.0");
  EXPECT_EQ(written(1), "1.0");
  EXPECT_EQ(written(0.1), "0.1");
  EXPECT_EQ(written(3.5), "3.5");
  EXPECT_EQ(written(1e22), "1e+22");
  EXPECT_EQ(written(5e-324), "5e-324");
  RandomJson random(3);
  for (int i = 0; i < 10'000; ++i) {
    auto bits = static_cast<std::uint64_t>(random.below(SIZE_MAX));
    double d = 0;
    std::memcpy(&d, &bits, sizeof d);
    if (!std::isfinite(d)) continue;
    std::string text = written(d);
    Tree tree;
    tree.parse(text);
    Number n = number(tree.root().text);
    ASSERT_EQ(n.type, Number::Type::floating) << text;
    ASSERT_EQ(n.floating, d) << text;
  }
  EXPECT_THROW(written(std::numeric_limits<double>::infinity()), Error);
  EXPECT_THROW(written(std::nan("")), Error);
}

TEST(WriteCanonical, SortsPropertiesAndKeepsNumbers) {
  EXPECT_EQ(canonical(R"( { "b" : 1.0 , "a" : [ 1e3 , { "y":2, "x":-0 } ] , "é":"é", "B":null } )"),
            R"({"B":null,"a":[1e3,{"x":-0,"y":2}],"b":1.0,"é":"é"})");
  EXPECT_EQ(canonical(R"({"a":1,"b":2,"a":{"d":3,"c":4,"d":5}})"), R"({"a":{"c":4,"d":5},"b":2})");
  EXPECT_EQ(canonical(R"(["\u0041\/\u001F\n\"",{},[]])"), R"(["A/\u001f\n\"",{},[]])");
  EXPECT_EQ(canonical(R"({"\u0062":1,"a":2})"), R"({"a":2,"b":1})");
  EXPECT_EQ(canonical(" 7 "), "7");
}

TEST(WriteCanonical, IsAFixedPointThatKeepsTheValue) {
  RandomJson random(11);
  Tree a, b;
  for (int i = 0; i < 5'000; ++i) {
    std::string text = random.value(5, true);
    std::string once = canonical(text);
    ASSERT_EQ(canonical(once), once);
    a.parse(text);
    b.parse(once);
    ASSERT_EQ(compare(a, a.root(), b, b.root()), std::strong_ordering::equal) << text;
  }
}

// Of every value: is it told that its text is canonical exactly if it is, escapes aside?
void expect_known(const Tree& tree) {
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const Node& node = tree[i];
    std::string once = canonical(node.raw);
    bool is = node.raw == once;
    if (once.find('\\') == once.npos)
      ASSERT_EQ(node.canonical, is) << node.raw;
    else
      ASSERT_TRUE(is || !node.canonical) << node.raw;
  }
}

TEST(Canonical, ATreeKnowsWhatIsCanonicalAlready) {
  RandomJson random(31);
  Tree tree;
  for (int i = 0; i < 5'000; ++i) {
    std::string text = random.value(4, i % 2 == 0), once = canonical(text);
    tree.parse(text);
    expect_known(tree);
    tree.parse(once);
    expect_known(tree);
  }
}

TEST(Canonical, WhatIsCanonicalChangesWithATree) {
  auto after = [](std::string_view text, auto change) {
    Tree tree;
    tree.parse(text);
    change(tree);
    std::string out;
    write_canonical(out, tree, tree.root());
    return out;
  };
  auto add = [](std::string_view name) {
    return [name](Tree& tree) {
      tree.insert(tree.index(*tree.find(tree.root(), "m")), name, Kind::string, "\"x\"");
    };
  };
  constexpr std::string_view text = R"({"a":[1,{"b":2}],"m":{"c":3,"e":[]},"z":0})";
  EXPECT_EQ(after(text, add("a")), R"({"a":[1,{"b":2}],"m":{"a":"x","c":3,"e":[]},"z":0})");
  EXPECT_EQ(after(text, add("d")), R"({"a":[1,{"b":2}],"m":{"c":3,"d":"x","e":[]},"z":0})");
  EXPECT_EQ(after(text, add("z")), R"({"a":[1,{"b":2}],"m":{"c":3,"e":[],"z":"x"},"z":0})");
  EXPECT_EQ(after(text, add("e")), R"({"a":[1,{"b":2}],"m":{"c":3,"e":[]},"z":0})");  // the last one counts
  EXPECT_EQ(after(R"({"m":{}})", add("e")), R"({"m":{"e":"x"}})");
  auto remove = [](std::uint32_t at) { return [at](Tree& tree) { tree.erase(at); }; };
  EXPECT_EQ(after(text, remove(1)), R"({"m":{"c":3,"e":[]},"z":0})");
  EXPECT_EQ(after(text, remove(4)), R"({"a":[1,{}],"m":{"c":3,"e":[]},"z":0})");
  EXPECT_EQ(after(text, remove(5)), R"({"a":[1,{"b":2}],"z":0})");
  EXPECT_EQ(after(text, remove(8)), R"({"a":[1,{"b":2}],"m":{"c":3,"e":[]}})");
}

TEST(Canonical, TellsWhereAValueIs) {
  Tree tree;
  std::string text = R"( {"b":"x", "a":{"z":1,"y":"x"}} )", out = "before";
  tree.parse(text);
  const Node* y = tree.find(*tree.find(tree.root(), "a"), "y");
  std::size_t at = Canonical().write(out, tree, tree.root(), y);
  EXPECT_EQ(out, R"(before{"a":{"y":"x","z":1},"b":"x"})");
  EXPECT_EQ(out.substr(at, 5), "\"x\",\"");
  EXPECT_EQ(Canonical().write(out, tree, tree.root()), std::string::npos);
}

TEST(Canonical, TellsOfEveryValueWhereItIs) {
  RandomJson random(32);
  Tree tree;
  for (int i = 0; i < 500; ++i) {
    std::string once = canonical(random.value(4, i % 2 == 0));
    for (std::string text : {once, ' ' + once}) {
      tree.parse(text);
      for (std::uint32_t node = 0; node < tree.size(); ++node) {
        std::string out;
        std::size_t at = Canonical().write(out, tree, tree.root(), &tree[node]);
        ASSERT_EQ(out, once);
        ASSERT_EQ(at, static_cast<std::size_t>(tree[node].raw.data() - tree.root().raw.data()));
      }
    }
  }
}

TEST(WriteCompact, RemovesWhitespaceBetweenTokensOnly) {
  std::string out;
  write_compact(out, " { \"a b\" :\n[ 1 ,\t\"x\\\" y\\\\\" ] ,\r\n\"é \": null } ");
  EXPECT_EQ(out, "{\"a b\":[1,\"x\\\" y\\\\\"],\"é \":null}");
}

TEST(WriteCompact, ChangesNothingElse) {
  RandomJson random(12);
  for (int i = 0; i < 2'000; ++i) {
    std::string text = random.value(4, true), out, again;
    write_compact(out, text);
    write_compact(again, out);
    ASSERT_EQ(out, again);
    ASSERT_EQ(canonical(out), canonical(text));
  }
}

std::strong_ordering compare(std::string_view x, std::string_view y) {
  Tree a, b;
  a.parse(x);
  b.parse(y);
  auto order = compare(a, a.root(), b, b.root());
  EXPECT_EQ(compare(b, b.root(), a, a.root()), 0 <=> order) << x << ' ' << y;
  return order;
}

TEST(Compare, OrdersKindsAndValues) {
  std::string_view ascending[] = {"null",
                                  "false",
                                  "true",
                                  "-1e400",
                                  "-9223372036854775808",
                                  "-9223372036854775807",
                                  "-2.5",
                                  "-2",
                                  "-1.5",
                                  "0",
                                  "0.5",
                                  "1",
                                  "1.5",
                                  "2",
                                  "9007199254740992.0",
                                  "9007199254740993",
                                  "9223372036854775807",
                                  "9223372036854775808",
                                  "18446744073709551614",
                                  "18446744073709551615",
                                  "18446744073709551616",
                                  "1e400",
                                  "\"\"",
                                  "\"a\"",
                                  "\"a\\u0000\"",
                                  "\"aa\"",
                                  "\"b\"",
                                  "\"\xc3\xa9\"",
                                  "\"\xf0\x9f\x98\x80\"",
                                  "[]",
                                  "[null]",
                                  "[1]",
                                  "[1,1]",
                                  "[2]",
                                  "{}",
                                  "{\"a\":1}",
                                  "{\"b\":0,\"a\":1}",
                                  "{\"a\":1,\"c\":0}",
                                  "{\"a\":2}",
                                  "{\"b\":0}"};
  for (std::size_t i = 0; i < std::size(ascending); ++i)
    for (std::size_t j = 0; j < std::size(ascending); ++j)
      EXPECT_EQ(compare(ascending[i], ascending[j]), i <=> j) << ascending[i] << ' ' << ascending[j];
}

TEST(Compare, IgnoresSpellingOfEqualValues) {
  using Order = std::strong_ordering;
  EXPECT_EQ(compare("20", "20.0"), Order::equal);
  EXPECT_EQ(compare("2e1", "20"), Order::equal);
  EXPECT_EQ(compare("0", "-0"), Order::equal);
  EXPECT_EQ(compare("-0", "-0.0"), Order::equal);
  EXPECT_EQ(compare("-20", "-20.0"), Order::equal);
  EXPECT_EQ(compare("\"\\u0061\"", "\"a\""), Order::equal);
  EXPECT_EQ(compare("{\"a\":1,\"b\":2}", "{\"b\":2.0,\"a\":1}"), Order::equal);
  EXPECT_EQ(compare("{\"a\":9,\"a\":1}", "{\"a\":1}"), Order::equal);
}

}  // namespace
}  // namespace sluice::json
