#include "sluice/runtime/reduce.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/schema.hpp"

namespace sluice::runtime {
namespace {

// Reduces by a schema; "deleted …" and "apart" stand for the outcomes without a plain result.
std::string reduce(std::string_view schema, const char* lhs, std::string_view rhs, Mode mode) {
  Validator validator(Schema::compile(schema));
  json::Tree tree;
  tree.parse(rhs);
  const Outcome& outcome = validator.validate(tree);
  EXPECT_TRUE(outcome.valid()) << schema << ' ' << rhs;
  Reducer reducer;
  std::string out;
  std::string_view left = lhs ? lhs : "";
  switch (reducer.reduce(lhs ? &left : nullptr, tree, outcome, mode, out)) {
    case Fold::reduced:
      return out;
    case Fold::deleted:
      return "deleted " + out;
    case Fold::not_associative:
      return out.empty() ? "apart" : "apart, but wrote " + out;
  }
  return out;
}
std::string full(std::string_view schema, const char* lhs, std::string_view rhs) {
  return reduce(schema, lhs, rhs, Mode::full);
}
std::string partial(std::string_view schema, const char* lhs, std::string_view rhs) {
  return reduce(schema, lhs, rhs, Mode::partial);
}
std::string both(std::string_view schema, const char* lhs, std::string_view rhs) {
  std::string a = full(schema, lhs, rhs);
  EXPECT_EQ(partial(schema, lhs, rhs), a);
  return a;
}
std::string error_of(std::string_view schema, const char* lhs, std::string_view rhs) {
  for (Mode mode : {Mode::partial, Mode::full}) {
    try {
      std::string out = reduce(schema, lhs, rhs, mode);
      if (mode == Mode::full) return "reduced to " + out;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::config);
      if (mode == Mode::full) return e.message();
    }
  }
  return {};
}
constexpr const char* missing = nullptr;

std::string at_root(std::string_view reduce) { return R"({"reduce":)" + std::string(reduce) + "}"; }

TEST(Reduce, WithoutAnnotationTheLastWriteWins) {
  EXPECT_EQ(both("{}", R"({"a":1,"b":2})", R"({"b":3})"), R"({"b":3})");
  EXPECT_EQ(both("true", "1", "2"), "2");
  EXPECT_EQ(both("{}", missing, R"({"b":1, "a":1.50})"), R"({"a":1.50,"b":1})");
}

TEST(Reduce, AnnotationsBelowLastWriteWinsHaveNoEffect) {
  std::string schema = R"({"properties":{"n":{"reduce":{"strategy":"sum"}}}})";
  EXPECT_EQ(both(schema, R"({"n":1})", R"({"n":2})"), R"({"n":2})");
}

// runtime.md §9.4.
TEST(Reduce, ExamplesOfTheSpecification) {
  std::string merge = at_root(R"({"strategy":"merge"})");
  EXPECT_EQ(both(R"({"reduce":{"strategy":"merge"},"properties":{"n":{"reduce":{"strategy":"sum"}},
                    "m":{"reduce":{"strategy":"maximize"}}}})",
                 R"({"n":1,"m":5})", R"({"n":2,"m":3,"x":"y"})"),
            R"({"m":5,"n":3,"x":"y"})");
  EXPECT_EQ(both(merge, "[1,2,3]", "[9]"), "[9,2,3]");
  EXPECT_EQ(both(R"({"reduce":{"strategy":"merge","key":["/k"]},"items":{"reduce":{"strategy":"merge"},
                    "properties":{"v":{"reduce":{"strategy":"sum"}}}}})",
                 R"([{"k":1,"v":1},{"k":3,"v":1}])", R"([{"k":1,"v":4},{"k":2,"v":1}])"),
            R"([{"k":1,"v":5},{"k":2,"v":1},{"k":3,"v":1}])");
  std::string minimize =
      R"({"reduce":{"strategy":"minimize","key":["/k"]},"properties":{"n":{"reduce":{"strategy":"sum"}}}})";
  EXPECT_EQ(both(minimize, R"({"k":4,"n":1})", R"({"k":3,"n":2})"), R"({"k":3,"n":2})");
  EXPECT_EQ(both(minimize, R"({"k":3,"n":2})", R"({"k":3,"n":3})"), R"({"k":3,"n":5})");
  EXPECT_EQ(both(at_root(R"({"strategy":"append"})"), "[1]", "[1,2]"), "[1,1,2]");
  EXPECT_EQ(both(at_root(R"({"strategy":"sum"})"), "1.5", "2"), "3.5");
  std::string set = R"({"reduce":{"strategy":"set"},"additionalProperties":{"additionalProperties":
                       {"reduce":{"strategy":"sum"}}}})";
  EXPECT_EQ(partial(set, R"({"add":{"a":1,"b":1,"c":1}})", R"({"remove":{"b":0}})"),
            R"({"add":{"a":1,"c":1},"remove":{"b":0}})");
  EXPECT_EQ(full(set, R"({"add":{"a":1,"b":1,"c":1}})", R"({"remove":{"b":0}})"), R"({"add":{"a":1,"c":1}})");
  EXPECT_EQ(both(set, R"({"add":{"a":1,"c":1}})", R"({"add":{"a":1,"d":1}})"),
            R"({"add":{"a":2,"c":1,"d":1}})");
  std::string null_deletes = R"({"reduce":{"strategy":"merge"},"properties":{"x":{"if":{"type":"null"},
      "then":{"reduce":{"strategy":"lastWriteWins","delete":true}}}}})";
  EXPECT_EQ(full(null_deletes, R"({"x":1,"y":2})", R"({"x":null})"), R"({"y":2})");
  EXPECT_EQ(partial(null_deletes, R"({"x":1,"y":2})", R"({"x":null})"), R"({"x":null,"y":2})");
}

TEST(Append, Concatenates) {
  std::string append = at_root(R"({"strategy":"append"})");
  EXPECT_EQ(both(append, "[]", "[]"), "[]");
  EXPECT_EQ(both(append, "[]", "[1]"), "[1]");
  EXPECT_EQ(both(append, "[{\"a\":1}]", "[ 2.0 ]"), R"([{"a":1},2.0])");
  EXPECT_EQ(both(append, missing, "[1]"), "[1]");
  EXPECT_EQ(both(append, "null", "[1]"), "null");
  EXPECT_EQ(error_of(append, "[1]", "null"),
            "while reducing \"\": 'append' strategy expects arrays: left is [1], right is null");
  EXPECT_EQ(error_of(append, missing, "null"),
            "while reducing \"\": 'append' strategy expects arrays: left is nothing, right is null");
  EXPECT_EQ(error_of(append, "1", "[1]"),
            "while reducing \"\": 'append' strategy expects arrays: left is 1, right is [1]");
}

TEST(FirstWriteWins, KeepsTheLeft) {
  std::string schema = at_root(R"({"strategy":"firstWriteWins"})");
  EXPECT_EQ(both(schema, R"({"a":1})", "2"), R"({"a":1})");
  EXPECT_EQ(both(schema, "null", "2"), "null");
  EXPECT_EQ(both(schema, missing, "2"), "2");
}

TEST(LastWriteWins, KeepsTheRight) {
  std::string schema = at_root(R"({"strategy":"lastWriteWins"})");
  EXPECT_EQ(both(schema, R"({"a":1})", "2"), "2");
  EXPECT_EQ(both(schema, missing, "null"), "null");
}

TEST(LastWriteWins, WhatIsNotAssociativeStaysApartWhilePartial) {
  std::string schema = at_root(R"({"strategy":"lastWriteWins","associative":false})");
  EXPECT_EQ(partial(schema, "1", "2"), "apart");
  EXPECT_EQ(partial(schema, "2", "2.0"), "2.0");
  EXPECT_EQ(partial(schema, missing, "2"), "2");
  EXPECT_EQ(full(schema, "1", "2"), "2");
  std::string below = R"({"reduce":{"strategy":"merge"},"properties":{"x":)" + schema + "}}";
  EXPECT_EQ(partial(below, R"({"a":[1,2],"x":1})", R"({"a":3,"x":2})"), "apart");
  EXPECT_EQ(full(below, R"({"a":[1,2],"x":1})", R"({"a":3,"x":2})"), R"({"a":3,"x":2})");
}

TEST(Extremes, CompareWholeValuesWithoutAKey) {
  std::string maximize = at_root(R"({"strategy":"maximize"})"),
              minimize = at_root(R"({"strategy":"minimize"})");
  EXPECT_EQ(both(maximize, "1", "2"), "2");
  EXPECT_EQ(both(maximize, "2", "1"), "2");
  EXPECT_EQ(both(minimize, "1", "2"), "1");
  EXPECT_EQ(both(minimize, "2", "1"), "1");
  EXPECT_EQ(both(maximize, "2", "2.0"), "2.0");
  EXPECT_EQ(both(minimize, "2", "2.0"), "2.0");
  EXPECT_EQ(both(minimize, "[1,2]", "[1]"), "[1]");
  EXPECT_EQ(both(maximize, "null", "\"a\""), "\"a\"");
  EXPECT_EQ(both(minimize, "null", "\"a\""), "null");
  EXPECT_EQ(both(maximize, missing, "1"), "1");
  EXPECT_EQ(both(minimize, missing, "1"), "1");
}

TEST(Extremes, CompareKeysAndMergeTies) {
  std::string schema = R"({"reduce":{"strategy":"maximize","key":["/a","/b"]},
                          "properties":{"n":{"reduce":{"strategy":"sum"}}}})";
  EXPECT_EQ(both(schema, R"({"a":1,"b":2,"n":1})", R"({"a":1,"b":3,"n":1})"), R"({"a":1,"b":3,"n":1})");
  EXPECT_EQ(both(schema, R"({"a":1,"b":3,"n":1})", R"({"a":1,"b":2,"n":1})"), R"({"a":1,"b":3,"n":1})");
  EXPECT_EQ(both(schema, R"({"a":1,"b":2,"n":1,"x":0})", R"({"a":1,"b":2,"n":1})"),
            R"({"a":1,"b":2,"n":2,"x":0})");
  // Missing is null, and null is the least.
  EXPECT_EQ(both(schema, R"({"a":1,"n":1})", R"({"a":1,"b":null,"n":1})"), R"({"a":1,"b":null,"n":2})");
  EXPECT_EQ(both(schema, R"({"a":1,"b":false})", R"({"a":1})"), R"({"a":1,"b":false})");
  EXPECT_EQ(both(schema, missing, R"({"a":1,"b":2})"), R"({"a":1,"b":2})");
  EXPECT_EQ(both(at_root(R"({"strategy":"minimize","key":[""]})"), "1", "1.0"), "1.0");
}

TEST(Merge, ReducesObjectsDeeply) {
  std::string schema = R"({"$ref":"#/$defs/m","$defs":{"m":{"reduce":{"strategy":"merge"},
      "additionalProperties":{"anyOf":[{"$ref":"#/$defs/m","type":"object"},{"type":"integer"}]}}}})";
  EXPECT_EQ(both(schema, R"({"b":{"x":1,"y":{"z":1}},"a":1})", R"({"c":3,"b":{"y":{"w":2}}})"),
            R"({"a":1,"b":{"x":1,"y":{"w":2,"z":1}},"c":3})");
}

TEST(Merge, TakesTheLastOfEqualNames) {
  std::string schema = at_root(R"({"strategy":"merge"})");
  EXPECT_EQ(both(schema, R"({"a":1,"a":2})", R"({"b":3,"b":4})"), R"({"a":2,"b":4})");
}

TEST(Merge, ReplacesAnotherTypeOnlyInFullMode) {
  std::string schema = R"({"reduce":{"strategy":"merge"},"properties":{"x":{"type":["object","array"],
      "reduce":{"strategy":"merge"}}}})";
  for (const char* lhs : {"null", "1", "\"s\"", "[1]"}) {
    EXPECT_EQ(full(schema, lhs, R"({"a":1})"), R"({"a":1})");
    EXPECT_EQ(partial(schema, lhs, R"({"a":1})"), "apart");
  }
  EXPECT_EQ(full(schema, R"({"x":null})", R"({"x":{"a":1}})"), R"({"x":{"a":1}})");
  EXPECT_EQ(partial(schema, R"({"x":null})", R"({"x":{"a":1}})"), "apart");
  EXPECT_EQ(full(schema, R"({"x":{"a":1}})", R"({"x":[1]})"), R"({"x":[1]})");
  EXPECT_EQ(both(schema, missing, R"({"x":{"a":1}})"), R"({"x":{"a":1}})");
}

TEST(Merge, RefusesScalars) {
  std::string schema = R"({"properties":{"a~":{"items":{"reduce":{"strategy":"merge"}},
                          "reduce":{"strategy":"merge"}}},"reduce":{"strategy":"merge"}})";
  EXPECT_EQ(
      error_of(schema, R"({"a~":[1,2]})", R"({"b":0,"a~":[{},null]})"),
      "while reducing \"/a~0/1\": 'merge' strategy expects objects or arrays: left is 2, right is null");
  EXPECT_EQ(error_of(schema, missing, "5"),
            "while reducing \"\": 'merge' strategy expects objects or arrays: left is nothing, right is 5");
}

TEST(Merge, UnitesSortedArraysByKey) {
  std::string whole = at_root(R"({"strategy":"merge","key":[""]})");
  EXPECT_EQ(both(whole, "[1,3,5]", "[2,3.0,9]"), "[1,2,3.0,5,9]");
  EXPECT_EQ(both(whole, "[]", "[1]"), "[1]");
  EXPECT_EQ(both(whole, missing, "[1,2]"), "[1,2]");
  std::string composite = at_root(R"({"strategy":"merge","key":["/0","/1"]})");
  EXPECT_EQ(both(composite, R"([[1,"a","x"],[2,"a"]])", R"([[1,"a","y"],[1,"b"]])"),
            R"([[1,"a","y"],[1,"b"],[2,"a"]])");
  EXPECT_EQ(
      error_of(whole, "[1,2]", "[3,1]"),
      "while reducing \"\": 'merge' strategy with a key expects arrays in ascending order of it, each key "
      "once: left is [1,2], right is [3,1]");
  EXPECT_NE(error_of(whole, "[2,2]", "[3]"), "reduced to [2,3]");
}

TEST(Sum, AddsNumbers) {
  std::string sum = at_root(R"({"strategy":"sum"})");
  EXPECT_EQ(both(sum, "1", "2"), "3");
  EXPECT_EQ(both(sum, "-5", "2"), "-3");
  EXPECT_EQ(both(sum, "5", "-7"), "-2");
  EXPECT_EQ(both(sum, "5", "-5"), "0");
  EXPECT_EQ(both(sum, "-5", "-5"), "-10");
  EXPECT_EQ(both(sum, "18446744073709551614", "1"), "18446744073709551615");
  EXPECT_EQ(both(sum, "-9223372036854775807", "-1"), "-9223372036854775808");
  EXPECT_EQ(both(sum, "18446744073709551615", "-9223372036854775808"), "9223372036854775807");
  EXPECT_EQ(both(sum, "-9223372036854775808", "18446744073709551615"), "9223372036854775807");
  EXPECT_EQ(both(sum, "1.0", "2"), "3.0");
  EXPECT_EQ(both(sum, missing, "7.50"), "7.50");
  for (auto [lhs, rhs] :
       {std::pair{"18446744073709551615", "1"}, {"-9223372036854775808", "-1"}, {"1e308", "1e308"}})
    EXPECT_EQ(error_of(sum, lhs, rhs),
              fmt::format("while reducing \"\": `sum` resulted in numeric overflow: left is "
                          "{}, right is {}",
                          lhs, rhs));
}

TEST(Sum, AddsNumericStringsExactly) {
  std::string sum = at_root(R"({"strategy":"sum"})");
  EXPECT_EQ(both(sum, R"("1")", R"("9000000000000000000")"), R"("9000000000000000001")");
  EXPECT_EQ(both(sum, R"("99999999999999999999")", "1"), R"("100000000000000000000")");
  EXPECT_EQ(both(sum, "0.1", R"("0.20")"), R"("0.30")");
  EXPECT_EQ(both(sum, R"("-0.5")", R"("0.25")"), R"("-0.25")");
  EXPECT_EQ(both(sum, R"("1.5")", R"("-1.5")"), R"("0.0")");
  EXPECT_EQ(both(sum, R"("-10")", R"("3")"), R"("-7")");
  EXPECT_EQ(both(sum, R"("1e3")", R"("1e-2")"), R"("1000.01")");
  EXPECT_EQ(both(sum, R"("+7")", R"("007")"), R"("14")");
  EXPECT_EQ(both(sum, missing, R"("1.50")"), R"("1.50")");
  for (std::string_view bad : {R"("x")", R"("")", R"("1.")", R"(".5")", R"("1e")", R"("1e9999")", R"("NaN")",
                               R"("1 ")", "true", "null", "[1]"}) {
    EXPECT_TRUE(error_of(sum, "1", bad).starts_with("while reducing \"\": 'sum' strategy expects numbers"))
        << bad;
    EXPECT_TRUE(
        error_of(sum, missing, bad).starts_with("while reducing \"\": 'sum' strategy expects numbers"))
        << bad;
    EXPECT_TRUE(error_of(sum, std::string(bad).c_str(), "1").starts_with("while reducing")) << bad;
  }
}

// runtime.md §9.2.
TEST(Delete, RemovesPropertiesAndItemsInFullMode) {
  std::string schema = R"({"reduce":{"strategy":"merge"},"additionalProperties":{"$ref":"#/$defs/v"},
      "items":{"$ref":"#/$defs/v"},
      "$defs":{"v":{"if":{"type":"object","required":["del"]},
                    "then":{"reduce":{"strategy":"merge","delete":true}}}}})";
  EXPECT_EQ(full(schema, R"({"a":{"x":1},"b":2,"c":3})", R"({"a":{"del":1},"b":5})"), R"({"b":5,"c":3})");
  EXPECT_EQ(partial(schema, R"({"a":{"x":1},"b":2})", R"({"a":{"del":1}})"),
            R"({"a":{"del":1,"x":1},"b":2})");
  EXPECT_EQ(full(schema, R"({"b":2})", R"({"a":{"del":1}})"), R"({"b":2})");
  EXPECT_EQ(full(schema, R"({"a":{}})", R"({"a":{"del":1}})"), "{}");
  EXPECT_EQ(full(schema, R"([1,2,3])", R"([{"del":1},7,{"del":1},{"del":1},8])"), "[7,8]");
  EXPECT_EQ(full(schema, R"([1,2,3])", R"([{"del":1}])"), "[2,3]");
  EXPECT_EQ(partial(schema, R"([1,{}])", R"([0,{"del":1}])"), R"([0,{"del":1}])");
}

TEST(Delete, KeepsADeletedRootAndSaysSo) {
  std::string cdc = R"({"if":{"required":["_meta"],"properties":{"_meta":{"required":["op"],
      "properties":{"op":{"const":"d"}}}}},"then":{"reduce":{"strategy":"merge","delete":true}},
      "else":{"reduce":{"strategy":"merge"}}})";
  EXPECT_EQ(full(cdc, R"({"id":1,"v":2,"_meta":{"op":"c"}})", R"({"id":1,"_meta":{"op":"d"}})"),
            R"(deleted {"_meta":{"op":"d"},"id":1,"v":2})");
  EXPECT_EQ(partial(cdc, R"({"id":1,"v":2})", R"({"id":1,"_meta":{"op":"d"}})"),
            R"({"_meta":{"op":"d"},"id":1,"v":2})");
  EXPECT_EQ(full(cdc, R"({"id":1,"v":2,"_meta":{"op":"d"}})", R"({"id":1,"_meta":{"op":"u"}})"),
            R"({"_meta":{"op":"u"},"id":1,"v":2})");
  std::string replace = at_root(R"({"strategy":"lastWriteWins","delete":true})");
  EXPECT_EQ(full(replace, "1", "2"), "deleted 2");
  EXPECT_EQ(partial(replace, "1", "2"), "2");
}

// runtime.md §9.3, each row once with objects and once with arrays.
TEST(Set, FollowsItsTable) {
  std::string objects = at_root(R"({"strategy":"set"})"),
              arrays = at_root(R"({"strategy":"set","key":["/k"]})");
  struct {
    const char *lhs, *rhs, *result;
  } rows[] = {
      {R"({"intersect":{"a":0,"b":0},"add":{"a":1,"x":1}})", R"({"intersect":{"b":2,"x":2},"add":{"c":2}})",
       R"({"add":{"c":2,"x":1},"intersect":{"b":0}})"},
      {R"({"intersect":{"a":0,"b":0},"add":{"a":1,"x":1}})", R"({"remove":{"b":2,"x":2},"add":{"c":2}})",
       R"({"add":{"a":1,"c":2},"intersect":{"a":0}})"},
      {R"({"remove":{"a":0,"b":0},"add":{"a":1,"x":1}})", R"({"intersect":{"b":2,"x":2},"add":{"c":2}})",
       R"({"add":{"c":2,"x":1},"intersect":{"x":2}})"},
      {R"({"remove":{"a":0,"b":0},"add":{"a":1,"x":1}})", R"({"remove":{"b":2,"x":2},"add":{"c":2}})",
       R"({"add":{"a":1,"c":2},"remove":{"a":0,"b":2,"x":2}})"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(partial(objects, row.lhs, row.rhs), row.result);
    json::Tree tree;
    tree.parse(row.result);
    std::string only_add = R"({"add":)" + std::string(tree.find(tree.root(), "add")->raw) + "}";
    EXPECT_EQ(full(objects, row.lhs, row.rhs), only_add);
    // The same with arrays of {"k": name, "v": value}.
    auto to_arrays = [](const char* text) {
      json::Tree t;
      t.parse(text);
      std::string out;
      json::Writer w(out);
      w.begin_object();
      for (const json::Node& m : t.children(t.root())) {
        w.key(m.key).begin_array();
        for (const json::Node& n : t.children(m))
          w.begin_object().key("k").string(n.key).key("v").raw(n.raw).end_object();
        w.end_array();
      }
      w.end_object();
      return out;
    };
    EXPECT_EQ(partial(arrays, to_arrays(row.lhs).c_str(), to_arrays(row.rhs)), to_arrays(row.result));
  }
}

TEST(Set, ReducesWhatBothAdd) {
  std::string schema = R"({"reduce":{"strategy":"set","key":["/0"]},"properties":{"add":{"items":{
      "reduce":{"strategy":"merge"},"items":[{},{"reduce":{"strategy":"sum"}}]}}}})";
  EXPECT_EQ(both(schema, R"({"add":[["a",1],["b",1]]})", R"({"add":[["c",1],["b",4]]})"),
            R"({"add":[["a",1],["b",5],["c",1]]})");
  EXPECT_EQ(partial(schema, R"({"add":[["a",1],["b",1]]})", R"({"remove":[["b"]],"add":[["b",4]]})"),
            R"({"add":[["a",1],["b",4]],"remove":[["b"]]})");
}

TEST(Set, TakesWholeItemsWithoutAKey) {
  std::string set = at_root(R"({"strategy":"set"})");
  EXPECT_EQ(both(set, R"({"add":[3,1,2]})", R"({"add":[2,5,1.0]})"), R"({"add":[1.0,2,3,5]})");
  EXPECT_EQ(partial(set, R"({"add":[3,1,2]})", R"({"intersect":[2]})"), R"({"add":[2],"intersect":[2]})");
  // An empty `intersect` still empties what comes before it, so it must not vanish.
  EXPECT_EQ(partial(set, R"({"intersect":[1]})", R"({"intersect":[2]})"), R"({"intersect":[]})");
}

TEST(Set, CountsMissingMembersAsEmpty) {
  std::string set = at_root(R"({"strategy":"set"})");
  EXPECT_EQ(both(set, R"({})", R"({"add":[1]})"), R"({"add":[1]})");
  EXPECT_EQ(both(set, R"({})", R"({})"), "{}");
  EXPECT_EQ(both(set, missing, R"({"add":{"b":1,"a":2}})"), R"({"add":{"a":2,"b":1}})");
  EXPECT_EQ(partial(set, missing, R"({"add":[1],"remove":[2]})"), R"({"add":[1],"remove":[2]})");
  EXPECT_EQ(full(set, missing, R"({"add":[1],"remove":[2]})"), R"({"add":[1]})");
}

TEST(Set, RefusesOtherShapes) {
  std::string set = at_root(R"({"strategy":"set"})");
  for (std::string_view bad :
       {"1", "[]", R"({"other":[]})", R"({"intersect":[],"remove":[]})", R"({"add":1})",
        R"({"add":[],"remove":{}})", R"({"add":[],"intersect":null})"}) {
    EXPECT_TRUE(error_of(set, "{}", bad).starts_with("while reducing \"\": 'set' strategy expects")) << bad;
    EXPECT_TRUE(
        error_of(set, std::string(bad).c_str(), R"({"add":[1]})").starts_with("while reducing \"\": 'set'"))
        << bad;
  }
  EXPECT_TRUE(error_of(set, R"({"add":[]})", R"({"add":{}})").starts_with("while reducing"));
}

TEST(JsonSchemaMerge, AcceptsWhatEitherAccepts) {
  std::string schema =
      R"({"reduce":{"strategy":"merge"},"properties":{"s":{"reduce":{"strategy":"jsonSchemaMerge"}}}})";
  EXPECT_EQ(both(schema, R"({"s":{"type":"integer"}})", R"({"s":{"type":"string"}})"),
            R"({"s":{"type":["integer","string"]}})");
  EXPECT_EQ(both(schema, "{}", R"({"s":{"type":["string","integer"]}})"),
            R"({"s":{"type":["integer","string"]}})");
  std::string merged =
      both(schema, R"({"s":{"type":"object","required":["a","b"],"properties":{"a":{"type":"string"}}}})",
           R"({"s":{"type":"object","required":["a"],"properties":{"a":{"type":"null"}}}})");
  json::Tree tree;
  tree.parse(merged);
  Validator union_of(Schema::compile(tree.find(tree.root(), "s")->raw));
  for (auto [text, valid] : {std::pair{R"({"a":"x","b":1})", true},
                             {R"({"a":null})", true},
                             {R"({"a":1})", false},
                             {R"({"b":1})", false}}) {
    tree.parse(text);
    EXPECT_EQ(union_of.validate(tree).valid(), valid) << merged << ' ' << text;
  }
  std::string root = at_root(R"({"strategy":"jsonSchemaMerge"})");
  for (const char* bad : {"1", "[]", "null"}) {
    EXPECT_TRUE(
        error_of(root, bad, "{}").starts_with("while reducing \"\": 'jsonSchemaMerge' strategy expects"));
    EXPECT_TRUE(
        error_of(root, "{}", bad).starts_with("while reducing \"\": 'jsonSchemaMerge' strategy expects"));
  }
  EXPECT_TRUE(error_of(root, "{}", R"({"type":"typo"})")
                  .starts_with("while reducing \"\": 'jsonSchemaMerge' strategy: "));
}

TEST(Reduce, CutsOperandsInErrors) {
  std::string schema = R"({"properties":{"a":{"reduce":{"strategy":"sum"}}},"reduce":{"strategy":"merge"}})";
  std::string lhs = R"({"a":")" + std::string(5000, 'x') + "\"}";
  std::string message = error_of(schema, lhs.c_str(), R"({"a":1})");
  EXPECT_TRUE(message.starts_with("while reducing \"/a\": 'sum' strategy expects numbers"));
  EXPECT_LT(message.size(), 500u);
}

// runtime.md §12.3.
TEST(MergePatch, RowsOfTheSpecification) {
  EXPECT_EQ(merge_patch(R"({"a":1,"b":{"c":2}})", R"({"b":{"d":3}})"), R"({"a":1,"b":{"c":2,"d":3}})");
  EXPECT_EQ(merge_patch(R"({"a":1,"b":{"c":2}})", R"({"a":null})"), R"({"b":{"c":2}})");
  EXPECT_EQ(merge_patch(R"({"a":[1,2]})", R"({"a":[3]})"), R"({"a":[3]})");
  EXPECT_EQ(merge_patch(R"({"a":1})", R"({"b":{"x":null}})"), R"({"a":1,"b":{}})");
}

// RFC 7396, appendix A.
TEST(MergePatch, ExamplesOfTheRfc) {
  struct {
    const char *base, *patch, *result;
  } rows[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", "{}"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", "null", "null"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
      {R"({"a":[null]})", R"({"b":[null]})", R"({"a":[null],"b":[null]})"},
  };
  for (const auto& row : rows) EXPECT_EQ(merge_patch(row.base, row.patch), row.result) << row.patch;
}

TEST(FoldPatches, KeepsNullsAndSaysWhatHasNoSinglePatch) {
  EXPECT_EQ(fold_patches(R"({"a":1})", R"({"a":null,"b":{"x":null}})"), R"({"a":null,"b":{"x":null}})");
  EXPECT_EQ(fold_patches(R"({"a":{"x":1}})", R"({"a":{"y":null}})"), R"({"a":{"x":1,"y":null}})");
  EXPECT_EQ(fold_patches(R"({"a":{"x":1}})", R"({"a":7})"), R"({"a":7})");
  EXPECT_EQ(fold_patches(R"({"a":null})", R"({"a":{"b":1}})"), std::nullopt);
  EXPECT_EQ(fold_patches(R"({"a":[1]})", R"({"a":{"b":1}})"), std::nullopt);
  EXPECT_EQ(fold_patches("5", R"({"a":1})"), std::nullopt);
}

}  // namespace
}  // namespace sluice::runtime
