#include "sluice/json/layouts.hpp"

#include <gtest/gtest.h>

#include "json/random_json.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"

namespace sluice::json {
namespace {

// One tree and its layouts, beside a fresh tree for each text.
class Pair {
 public:
  // Parses the text both ways and compares. Was the layout known?
  bool parse(std::string_view text) {
    text_.assign(text.begin(), text.end());
    text_.shrink_to_fit();  // so that nothing may be read behind it
    std::uint64_t before = layouts_.matches();
    Tree fresh;
    error_ = error([&] { fresh.parse(source()); });
    EXPECT_EQ(error([&] { tree_.parse(source(), layouts_); }), error_) << text;
    EXPECT_EQ(tree_.size(), fresh.size()) << text;
    for (std::uint32_t i = 0; i < fresh.size() && i < tree_.size(); ++i) expect_same(tree_[i], fresh[i]);
    EXPECT_EQ(tree_.inserted_bytes(), 0u);
    return layouts_.matches() > before;
  }
  Tree& tree() { return tree_; }
  const std::string& error() const { return error_; }

 private:
  std::string_view source() const { return {text_.data(), text_.size()}; }
  template <class Parse>
  static std::string error(Parse parse) {
    try {
      parse();
      return "";
    } catch (const Error& e) {
      return e.message();
    }
  }
  void expect_same(const Node& ours, const Node& theirs) {
    EXPECT_EQ(ours.raw.data(), theirs.raw.data()) << ours.raw;
    EXPECT_EQ(ours.raw, theirs.raw);
    EXPECT_EQ(ours.key, theirs.key) << ours.raw;
    EXPECT_EQ(ours.text, theirs.text) << ours.raw;
    EXPECT_EQ(ours.end, theirs.end) << ours.raw;
    EXPECT_EQ(ours.count, theirs.count) << ours.raw;
    EXPECT_EQ(ours.kind, theirs.kind) << ours.raw;
    EXPECT_EQ(ours.truth, theirs.truth) << ours.raw;
    EXPECT_EQ(ours.sorted, theirs.sorted) << ours.raw;
    EXPECT_EQ(ours.canonical, theirs.canonical) << ours.raw;
    if (source().find('\\') != std::string_view::npos) return;  // decoded into memory of each tree
    EXPECT_EQ(ours.key.data(), theirs.key.data()) << ours.raw;
    EXPECT_EQ(ours.text.data(), theirs.text.data()) << ours.raw;
  }

  std::vector<char> text_;
  std::string error_;
  Tree tree_;
  Layouts layouts_;
};

TEST(Layouts, KnowTextsThatDifferInScalars) {
  Pair pair;
  EXPECT_FALSE(pair.parse(R"({"_meta":{"op":"c","at":[1,2]},"b":null,"a":{},"c":[[],{"":true}]})"));
  EXPECT_TRUE(pair.parse(R"({"_meta":{"op":"c","at":[1,2]},"b":null,"a":{},"c":[[],{"":true}]})"));
  EXPECT_TRUE(pair.parse(R"({"_meta":{"op":-0.5e+7,"at":["",null]},"b":"","a":{},"c":[[],{"":0}]})"));
  EXPECT_TRUE(
      pair.parse(R"({"_meta":{"op":false,"at":[true,false]},"b":"é","a":{},"c":[[],{"":"long enough"}]})"));
}

TEST(Layouts, KnowAnyText) {
  for (std::string_view text :
       {"1", "\"\"", "{}", "[]", "[[[]],[[]]]", "[[1]]", "[[1],[[2]]]", " 1 ", "\n[ 1 , {\"a\" : 2 } ]\t",
        R"({"b":1,"a":{"y":2,"x":3},"b":4})", R"({"é":1,"":[]})", R"([1,{"a":[],"b":{}},[]])"}) {
    Pair pair;
    EXPECT_FALSE(pair.parse(text));
    EXPECT_TRUE(pair.parse(text)) << text;
  }
}

TEST(Layouts, LeaveWhatIsDifferentToTheParser) {
  for (std::string_view text :
       {R"({"a":[1],"b":3})", R"({"a":[1,2,3],"b":3})", R"({"a":[1,[]],"b":3})", R"({"a":[1,2],"c":3})",
        R"({"a":[1,2],"b":3,"c":4})", R"({"a":[1,2]})", R"({"a":[1,2],"b":"\n"})", R"({"a":[1,2],"b":3} )",
        R"( {"a":[1,2],"b":3})", R"({"a":[1,2], "b":3})", "[]"}) {
    Pair pair;
    pair.parse(R"({"a":[1,2],"b":3})");
    EXPECT_FALSE(pair.parse(text)) << text;
    EXPECT_EQ(pair.error(), "") << text;
    EXPECT_TRUE(pair.parse(R"({"a":[1,2],"b":3})")) << text;
  }
}

std::string with(std::string_view frame, std::string_view value) {
  return std::string(frame).replace(frame.find('?'), 1, value);
}

TEST(Layouts, LeaveErrorsToTheParser) {
  for (std::string_view bad : {"01",
                               "1.",
                               "-",
                               ".5",
                               "1e",
                               "1e+",
                               "+1",
                               "tru",
                               "truex",
                               "nul",
                               "fals",
                               "falsy",
                               "nil",
                               "x",
                               "\"",
                               "\"a",
                               "\"a\"b",
                               "\"\x01\"",
                               "\"\n\"",
                               "\"\xff\"",
                               "\"\xc3\"",
                               "\"\xed\xa0\x80\"",
                               "\"\xc0\xaf\"",
                               "\"\\u12\"",
                               "\"\\ud800\"",
                               "\"eight by\x1f\"",
                               "\"a\":1",
                               "1 2",
                               "[",
                               "]"}) {
    for (std::string_view frame : {"?", "[?]", "{\"a\":?}", "{\"a\":?,\"b\":[1,2,3,4]}"}) {
      std::string good = with(frame, "1"), text = with(frame, bad);
      Pair pair;
      pair.parse(good);
      EXPECT_FALSE(pair.parse(text)) << text;
      EXPECT_NE(pair.error(), "") << text;
      EXPECT_EQ(pair.tree().size(), 0u);
      EXPECT_TRUE(pair.parse(good)) << good;
    }
  }
}

// Wherever they are in the blocks that a text is looked at by.
TEST(Layouts, LookAtEveryByteOfAString) {
  for (std::string_view frame : {"?", "[?]", "{\"a\":?,\"b\":[1,2,3,4,5,6,7]}"}) {
    std::string good = with(frame, "\"\"");
    for (std::string_view special : {"x", "é", "\xff", "\xc3", "\x01", "\"", "\\n"}) {
      for (std::size_t size = 0; size < 40; ++size) {
        for (std::size_t at = 0; at <= size; ++at) {
          std::string text = with(frame, '"' + std::string(size, 'a').insert(at, special) + '"');
          Pair pair;
          pair.parse(good);
          EXPECT_EQ(pair.parse(text), special == "x" || special == "é") << text;
        }
      }
    }
  }
}

TEST(Layouts, LookAtEveryByteOfANumber) {
  for (std::string_view frame : {"?", "[?]", "{\"a\":?,\"b\":[1,2,3,4,5,6,7]}"}) {
    std::string good = with(frame, "1");
    for (std::string_view rest : {"", ".5", "e3", "E-1", ".", "e", "x", "-", ".5e+10", ":", "/"}) {
      bool valid = rest.empty() || rest.find_first_of("0123456789") != rest.npos;
      for (std::size_t size = 1; size < 20; ++size) {
        std::string text = with(frame, std::string(size, '9').append(rest));
        Pair pair;
        pair.parse(good);
        EXPECT_EQ(pair.parse(text), valid) << text;
      }
    }
  }
}

TEST(Layouts, KnowNoEmptyText) {
  Pair pair;
  EXPECT_FALSE(pair.parse(""));
  pair.parse("1");
  EXPECT_FALSE(pair.parse(""));
}

TEST(Layouts, KnowRandomTextsWithOtherScalars) {
  RandomJson random(5);
  int known = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string text = random.value(4, round % 2 == 0);
    Pair pair;
    pair.parse(text);
    Tree tree;
    tree.parse(text);
    for (int i = 0; i < 4; ++i) {
      std::string other = refill(tree, text, [&] { return plain_scalar(random); });
      bool names_escape = refill(tree, text, [] { return "0"; }).find('\\') != text.npos;
      // What the first text held beside its layout matters not, but that it needed no decoding.
      bool expected = !names_escape && (i > 0 || text.find('\\') == text.npos);
      ASSERT_EQ(pair.parse(other), expected) << text << "\n" << other;
      known += expected;
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(known, 5'000);
}

TEST(Layouts, AgreeWithTheParserOnDamagedTexts) {
  RandomJson random(6);
  int known = 0, rejected = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::string text = random.value(4, round % 4 == 0);
    Pair pair;
    pair.parse(text);
    for (int i = 0; i < 8; ++i) {
      Tree tree;
      tree.parse(text);
      std::string other = refill(tree, text, [&] { return plain_scalar(random); });
      static constexpr char bytes[] = "{}[]\",:0-1.e\\u \xc3\xa9\xff\x01t\0";
      std::size_t at = random.below(other.size());
      switch (random.below(4)) {
        case 0:
          other[at] = bytes[random.below(std::size(bytes))];
          break;
        case 1:
          other.insert(at, 1, bytes[random.below(std::size(bytes))]);
          break;
        case 2:
          other.erase(at, 1);
          break;
        default:
          other.resize(at);
      }
      known += pair.parse(other);
      rejected += !pair.error().empty();
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(known, 1'000);
  EXPECT_GT(rejected, 5'000);
}

TEST(Layouts, OutlastChangesOfTheTree) {
  Pair pair;
  for (int id = 0; id < 3; ++id) {
    EXPECT_EQ(pair.parse(R"({"_meta":{"op":"c"},"id":)" + std::to_string(id) + "}"), id > 0);
    pair.tree().erase(3);
    pair.tree().insert(1, "uuid", Kind::string, "\"x\"");
    pair.tree().insert(0, "z", Kind::null, "null");
  }
}

TEST(Layouts, AreKnownInTurn) {
  Pair pair;
  for (int round = 0; round < 50; ++round)
    for (std::string text : {R"({"a":1,"b":2})", R"({"a":1})", R"({"b":1})", R"({"a":1,"b":[]})"})
      EXPECT_EQ(pair.parse(text), round > 0) << text;
}

TEST(Layouts, GiveUpForAWhileWhereFewAreKnown) {
  Pair pair;
  auto unknown = [&, n = 0]() mutable { EXPECT_FALSE(pair.parse("{\"" + std::to_string(n++) + "\":1}")); };
  auto until_known = [&] {
    int n = 0;
    while (!pair.parse("[1]") && n < 10'000) ++n;
    return n;
  };
  for (int i = 0; i < 5; ++i) unknown();
  EXPECT_EQ(until_known(), 64);
  // One in ten does not hurt.
  for (int i = 0; i < 1'000; ++i) {
    if (i % 10 == 9)
      unknown();
    else
      EXPECT_TRUE(pair.parse("[1]"));
  }
  // Where none is known, it gives up for longer.
  for (int i = 0; i < 10'000; ++i) unknown();
  EXPECT_GT(until_known(), 1'000);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(pair.parse("[1]"));
  for (int i = 0; i < 5; ++i) unknown();
  EXPECT_EQ(until_known(), 64);
}

TEST(Layouts, AreKeptWhereManyTextsHoldEscapes) {
  Pair pair;
  pair.parse(R"({"a":1})");
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(pair.parse(R"({"a":"\n"})"));
    EXPECT_TRUE(pair.parse(R"({"a":"n"})"));
  }
}

TEST(Layouts, BoundWhatTheyRemember) {
  auto twice = [](std::string text) {
    Pair pair;
    pair.parse(text);
    return pair.parse(text);
  };
  auto items = [](int n) {
    std::string out = "[";
    for (int i = 1; i < n; ++i) out += "1,";
    return out + "1]";
  };
  EXPECT_TRUE(twice(items(999)));
  EXPECT_FALSE(twice(items(1'000)));
  EXPECT_TRUE(twice("{\"" + std::string(16_KiB - 5, 'x') + "\":1}"));
  EXPECT_FALSE(twice("{\"" + std::string(16_KiB - 4, 'x') + "\":1}"));
  EXPECT_TRUE(twice('"' + std::string(1_MiB - 2, 'x') + '"'));
  EXPECT_FALSE(twice('"' + std::string(1_MiB - 1, 'x') + '"'));
}

TEST(Layouts, WorkAfterAHugeText) {
  Pair pair;
  pair.parse("[1]");
  pair.parse('"' + std::string(9_MiB, 'x') + '"');
  EXPECT_TRUE(pair.parse("[2]"));
}

}  // namespace
}  // namespace sluice::json
