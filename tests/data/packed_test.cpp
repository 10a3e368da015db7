#include "sluice/data/packed.hpp"

#include <gtest/gtest.h>
#include <highwayhash/c_bindings.h>

#include <cmath>
#include <cstring>
#include <optional>

#include "json/random_json.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::data {
namespace {

// Packs every item of a JSON array.
std::string packed(std::string_view tuple) {
  json::Tree tree;
  tree.parse(tuple);
  std::string out;
  for (const json::Node& item : tree.children(tree.root())) pack(out, tree, &item);
  return out;
}
std::string unhex(std::string_view hex) { return text::unhex(hex).value(); }

// flow-protocol §10.
TEST(Packed, MatchesTheVectorsOfTheProtocol) {
  struct {
    std::string_view tuple, hex;
  } vectors[] = {
      {"[null]", "00"},
      {"[false]", "26"},
      {"[true]", "27"},
      {"[0]", "14"},
      {"[1]", "1501"},
      {"[42]", "152a"},
      {"[255]", "15ff"},
      {"[256]", "160100"},
      {"[-1]", "13fe"},
      {"[-30]", "13e1"},
      {"[-255]", "1300"},
      {"[-256]", "12feff"},
      {"[[\"foo\"]]", "015b22666f6f225d00"},
      {"[42,\"hi\"]", "152a02686900"},
      {"[9223372036854775807]", "1c7fffffffffffffff"},
      {"[-9223372036854775808]", "0c7fffffffffffffff"},
      {"[18446744073709551615]", "1cffffffffffffffff"},
      {"[0.0]", "218000000000000000"},
      {"[1.3]", "21bff4cccccccccccd"},
      {"[-1.5]", "214007ffffffffffff"},
      {"[\"\"]", "0200"},
      {"[\"hello\"]", "0268656c6c6f00"},
      {"[\"a\\u0000b\"]", "026100ff6200"},
      {"[\"\xc3\xa9\"]", "02c3a900"},
      {"[{\"a\":1}]", "017b2261223a317d00"},
      {"[\"acme\",7,null,false]", "0261636d650015070026"},
  };
  for (const auto& v : vectors) {
    EXPECT_EQ(text::hex(packed(v.tuple)), v.hex) << v.tuple;
    std::string bytes = unhex(v.hex);
    TupleReader reader(bytes);
    std::string again;
    while (!reader.done()) again += reader.skip();
    EXPECT_EQ(again, bytes) << v.tuple;
  }
}

TEST(Packed, SpellsNumbersAsTheirTypeSays) {
  EXPECT_NE(packed("[1]"), packed("[1.0]"));
  EXPECT_EQ(packed("[1e3]"), packed("[1000.0]"));
  EXPECT_EQ(text::hex(packed("[18446744073709551616]")), "21c3f0000000000000");
  EXPECT_EQ(packed("[{\"b\":1,\"a\":[1.0, 2]}]"), packed("[ {\"a\":[1.0,2],\"b\":1} ]"));
}

TEST(Packed, MissingLocationsAreNull) {
  json::Tree tree;
  std::string out;
  pack(out, tree, nullptr);
  EXPECT_EQ(text::hex(out), "00");
}

// Nothing if the array has to be parsed.
std::optional<std::string> packed_at_once(std::string_view array) {
  std::string out = "former";
  const char* end = array.data() + array.size();
  if (pack_array(out, array.data(), end) != end) return std::nullopt;
  return out.substr(std::string_view("former").size());
}

TEST(PackArray, TakesArraysOfPlainScalars) {
  for (std::string_view array :
       {"[]", "[0]", R"(["acme",-7,18446744073709551615,1.5e-3,null,true,false,"",""])", R"(["Zoë €"])"})
    EXPECT_EQ(packed_at_once(array), packed(array)) << array;
  std::string_view text = R"([1,"]"],"more":2)";
  std::string out;
  EXPECT_EQ(pack_array(out, text.data(), text.data() + text.size()), text.data() + 7);
}

TEST(PackArray, LeavesTheRestToAParse) {
  for (std::string_view array :
       {"", "1", "{}", "[", "[1", "[1,", "[1,]", "[,1]", "[1 ]", "[1, 2]", "[[]]", "[{}]", R"(["a\n"])",
        "[\"a\nb\"]", "[\"\xff\"]", R"(["a)", "[01]", "[tru]", "[1.]"})
    EXPECT_EQ(packed_at_once(array), std::nullopt) << array;
}

TEST(PackArray, AgreesWithAParseOfWhateverItTakes) {
  json::RandomJson random(11);
  int taken = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string array = "[";
    for (std::size_t n = random.below(4); n > 0; --n) array += random.value(0) + (n > 1 ? "," : "");
    array += ']';
    if (random.below(2) == 0) array[random.below(array.size())] = static_cast<char>(random.below(256));
    auto at_once = packed_at_once(array);
    if (!at_once) continue;
    ++taken;
    ASSERT_EQ(*at_once, packed(array)) << array;  // throws if it is not JSON
  }
  EXPECT_GT(taken, 10'000);
}

TEST(TupleReader, YieldsTypedElements) {
  std::string bytes = packed(
      R"([null,true,false,0,-1,255,9223372036854775807,9223372036854775808,-9223372036854775808,1.3,-0.0,"a\u0000\u0000b","",{"z":[1]}])");
  TupleReader reader(bytes);
  EXPECT_EQ(reader.next(), Element());
  EXPECT_EQ(std::get<bool>(reader.next()), true);
  EXPECT_EQ(std::get<bool>(reader.next()), false);
  EXPECT_EQ(std::get<std::int64_t>(reader.next()), 0);
  EXPECT_EQ(std::get<std::int64_t>(reader.next()), -1);
  EXPECT_EQ(std::get<std::int64_t>(reader.next()), 255);
  EXPECT_EQ(std::get<std::int64_t>(reader.next()), INT64_MAX);
  EXPECT_EQ(std::get<std::uint64_t>(reader.next()), std::uint64_t{1} << 63);
  EXPECT_EQ(std::get<std::int64_t>(reader.next()), INT64_MIN);
  EXPECT_EQ(std::get<double>(reader.next()), 1.3);
  EXPECT_TRUE(std::signbit(std::get<double>(reader.next())));
  EXPECT_EQ(std::get<std::string_view>(reader.next()), std::string_view("a\0\0b", 4));
  EXPECT_EQ(std::get<std::string_view>(reader.next()), "");
  EXPECT_EQ(std::get<Json>(reader.next()).text, R"({"z":[1]})");
  EXPECT_TRUE(reader.done());
}

TEST(TupleReader, RefusesWhatThePackerNeverWrites) {
  for (std::string_view hex : {"",
                               "15",
                               "16ff",
                               "1500",
                               "160001",
                               "13ff",
                               "12ff00",
                               "0c7ffffffffffffffe",
                               "0c0000000000000000",
                               "21",
                               "21ff",
                               "02",
                               "0261",
                               "026100ff",
                               "01",
                               "05",
                               "20",
                               "30",
                               "0b",
                               "1d",
                               "33",
                               "28",
                               "ff",
                               "03"}) {
    std::string bytes = unhex(hex);
    EXPECT_THROW(TupleReader(bytes).next(), Error) << hex;
    EXPECT_THROW(TupleReader(bytes).skip(), Error) << hex;
  }
}

TEST(TupleReader, SurvivesRandomBytes) {
  json::RandomJson random(5);
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes;
    static constexpr unsigned char likely[] = {0,    1,    2,    0x0c, 0x13, 0x14, 0x15,
                                               0x1c, 0x21, 0x26, 0x27, 0xff, 0x61};
    for (std::size_t n = random.below(12); n > 0; --n) bytes += static_cast<char>(likely[random.below(13)]);
    TupleReader a(bytes), b(bytes);
    try {
      while (!a.done()) {
        std::string again;
        std::visit(
            [&](const auto& e) {
              using T = std::decay_t<decltype(e)>;
              if constexpr (std::is_same_v<T, std::monostate>)
                pack_null(again);
              else if constexpr (std::is_same_v<T, Json>)
                pack_json(again, e.text);
              else if constexpr (std::is_same_v<T, std::string_view>)
                pack_string(again, e);
              else
                pack(again, e);
            },
            a.next());
        ASSERT_EQ(again, b.skip());
      }
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::transient);
    }
  }
}

// The order of the protocol: by code first, so a fraction comes after every integer.
std::strong_ordering order(const json::Tree& a, const json::Node& x, const json::Tree& b,
                           const json::Node& y) {
  auto rank = [](const json::Node& n) {
    switch (n.kind) {
      case json::Kind::null:
        return 0;
      case json::Kind::array:
      case json::Kind::object:
        return 1;
      case json::Kind::string:
        return 2;
      case json::Kind::number:
        return json::number(n.text).type == json::Number::Type::floating ? 4 : 3;
      default:
        return 5;
    }
  };
  if (auto o = rank(x) <=> rank(y); o != 0) return o;
  if (rank(x) == 1) {
    std::string s, t;
    write_canonical(s, a, x);
    write_canonical(t, b, y);
    return s <=> t;
  }
  return json::compare(a, x, b, y);
}

TEST(Packed, BytesOrderAsTheirValuesDo) {
  json::RandomJson random(99);
  json::Tree a, b;
  for (int round = 0; round < 30'000; ++round) {
    auto tuple = [&] {
      std::string out = "[";
      for (int i = 0; i < 2; ++i) {
        if (i > 0) out += ',';
        out += random.value(random.below(8) == 0 ? 2 : 0);
      }
      return out + "]";
    };
    std::string left = tuple(), right = random.below(4) == 0 ? left : tuple();
    a.parse(left);
    b.parse(right);
    std::strong_ordering expected = std::strong_ordering::equal;
    for (auto i = a.children(a.root()).begin(), j = b.children(b.root()).begin();
         expected == 0 && i != a.children(a.root()).end(); ++i, ++j)
      expected = order(a, *i, b, *j);
    std::string p = packed(left), q = packed(right);
    // -0.0 and 0.0 are equal values with different bytes; only the order of unequal values is promised.
    if (expected != 0) {
      ASSERT_EQ(p <=> q, expected) << left << ' ' << right;
    }
  }
}

TEST(Packed, EqualDoublesOrderAndRoundTrip) {
  json::RandomJson random(4);
  double last = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto bits = static_cast<std::uint64_t>(random.below(SIZE_MAX));
    double d = 0;
    std::memcpy(&d, &bits, sizeof d);
    if (!std::isfinite(d)) continue;
    std::string p, q;
    pack(p, d);
    pack(q, last);
    ASSERT_EQ(std::get<double>(TupleReader(p).next()), d);
    if (d != last) {
      ASSERT_EQ(p < q, d < last) << d << ' ' << last;
    }
    last = d;
  }
}

TEST(Packed, IntegersOfEveryWidthRoundTripInOrder) {
  std::string last;
  for (int shift = 63; shift >= 0; --shift)
    for (std::int64_t delta : {-1, 0, 1}) {
      auto magnitude = (std::uint64_t{1} << shift) + static_cast<std::uint64_t>(delta);
      std::string p;
      pack(p, magnitude);
      Element e = TupleReader(p).next();
      if (auto* i = std::get_if<std::int64_t>(&e)) {
        EXPECT_EQ(static_cast<std::uint64_t>(*i), magnitude);
      } else {
        EXPECT_EQ(std::get<std::uint64_t>(e), magnitude);
      }
      if (magnitude > std::uint64_t{1} << 63) continue;
      auto negative = static_cast<std::int64_t>(std::uint64_t{0} - magnitude);
      p.clear();
      pack(p, negative);
      EXPECT_EQ(std::get<std::int64_t>(TupleReader(p).next()), negative);
    }
}

// flow-protocol §11.
TEST(Hash, LibraryMatchesThePublishedAlgorithm) {
  alignas(32) HHKey key;
  unsigned char bytes[32];
  for (unsigned char i = 0; i < 32; ++i) bytes[i] = i;
  std::memcpy(key, bytes, 32);
  const char* input = "\x00\x01";
  EXPECT_EQ(HighwayHash64(key, input, 0), 0x907a56de22c26e53u);
  EXPECT_EQ(HighwayHash64(key, input, 1), 0x7eab43aac7cddd78u);
  EXPECT_EQ(HighwayHash64(key, input, 2), 0xb8d0569ab0b53d62u);
}

TEST(Hash, DocumentKeysMatchTheVectorsOfTheProtocol) {
  EXPECT_EQ(document_key_hash(""), 0x0288dd11u);
  EXPECT_EQ(document_key_hash(packed("[null]")), 0x56739dffu);
  EXPECT_EQ(document_key_hash(packed("[0]")), 0x4c48f8a0u);
  EXPECT_EQ(document_key_hash(packed("[1]")), 0x3c90c1d9u);
  EXPECT_EQ(document_key_hash(packed("[42]")), 0x7769e28eu);
  EXPECT_EQ(document_key_hash(packed("[-30]")), 0x497dc233u);
  EXPECT_EQ(document_key_hash(packed("[1.3]")), 0x670fc1a8u);
  EXPECT_EQ(document_key_hash(packed("[\"hello\"]")), 0x3d44dc5bu);
  EXPECT_EQ(document_key_hash(packed("[42,\"hi\"]")), 0x0bc5405eu);
  EXPECT_EQ(document_key_hash(packed("[\"acme\",7,null,false]")), 0x9080173au);
  EXPECT_EQ(document_key_hash(std::string(17, '\xaa')), 0x874ba920u);
  EXPECT_EQ(document_key_hash(std::string(31, '\xbb')), 0x7406d811u);
  EXPECT_EQ(document_key_hash(std::string(33, '\xcc')), 0xc06053e9u);
  EXPECT_EQ(document_key_hash(std::string(64, '\xee')), 0xd11c0229u);
}

TEST(Hash, SourcesMatchTheVectorsOfTheProtocol) {
  EXPECT_EQ(source_hash(""), 0xdeff486au);
  EXPECT_EQ(source_hash("hello"), 0xc991e79du);
  EXPECT_EQ(source_hash("data/2024/file-01.csv"), 0xf292d076u);
  EXPECT_EQ(source_hash(std::string_view("topic-a\x03\0\0\0", 11)), 0x3ec5f2d4u);
}

}  // namespace
}  // namespace sluice::data
