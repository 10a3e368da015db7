#include "sluice/runtime/combine.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t ample = 64_MiB;

CombineBinding binding(std::string_view schema, Mode mode, std::vector<std::string_view> key = {"/id"}) {
  CombineBinding out{.name = "acme/things", .key = {}, .defaults = {}, .schema = Schema::compile(schema)};
  for (std::string_view location : key) out.key.emplace_back(location);
  out.mode = mode;
  return out;
}
Combiner combiner(std::string_view schema, Mode mode, std::size_t budget = ample) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(schema, mode));
  return Combiner(std::move(bindings), budget);
}

std::string line(std::uint32_t binding, std::string_view key, std::string_view json, bool front,
                 bool deleted) {
  return fmt::format("{} {} {}{}{}", binding, text::hex(key), json, front ? " front" : "",
                     deleted ? " deleted" : "");
}
// What leaves the combiner, one line a document.
std::vector<std::string> drain(Combiner& combiner) {
  std::vector<std::string> out;
  combiner.finish();
  while (const Combined* c = combiner.next())
    out.push_back(line(c->binding, c->key, c->json, c->front, c->deleted));
  EXPECT_TRUE(combiner.empty());
  return out;
}
using Lines = std::vector<std::string>;

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    return e.message();
  }
  return "accepted";
}

constexpr std::string_view sums = R"({"type":"object","reduce":{"strategy":"merge"},
    "properties":{"id":{},"n":{"type":"integer","reduce":{"strategy":"sum"}}}})";

TEST(Combiner, OrdersByBindingAndPackedKey) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding("{}", Mode::full));
  bindings.push_back(binding("{}", Mode::full, {"/a", "/b"}));
  Combiner c(std::move(bindings), ample);
  EXPECT_EQ(text::hex(c.add(1, R"({"b":"x","a":256})")), "160100027800");
  c.add(0, R"({"id":2})");
  c.add(0, R"({"id":null})");
  c.add(1, R"({"a":255})");
  c.add(0, R"({"id":-1})");
  c.add(0, R"({"id":"s"})");
  EXPECT_FALSE(c.empty());
  EXPECT_EQ(drain(c),
            (Lines{R"(0 00 {"id":null})", R"(0 027300 {"id":"s"})", R"(0 13fe {"id":-1})",
                   R"(0 1502 {"id":2})", R"(1 15ff00 {"a":255})", R"(1 160100027800 {"a":256,"b":"x"})"}));
}

TEST(Combiner, FullModeFoldsAKeyIntoOne) {
  Combiner c = combiner(sums, Mode::full);
  for (int i = 1; i <= 4; ++i) c.add(0, fmt::format(R"({{"id":1,"n":{}}})", i));
  c.add(0, R"({"id":2, "n":7})");
  EXPECT_EQ(drain(c), (Lines{R"(0 1501 {"id":1,"n":10})", R"(0 1502 {"id":2,"n":7})"}));
}

TEST(Combiner, PartialModeLeavesTheFirstAlone) {
  Combiner c = combiner(sums, Mode::partial);
  for (int i = 1; i <= 4; ++i) c.add(0, fmt::format(R"({{"id":1,"n":{}}})", i));
  c.add(0, R"({"id":2,"n":7})");
  EXPECT_EQ(drain(c),
            (Lines{R"(0 1501 {"id":1,"n":1})", R"(0 1501 {"id":1,"n":9})", R"(0 1502 {"id":2,"n":7})"}));
}

TEST(Combiner, WithoutAnnotationsTheLastWins) {
  Combiner full = combiner("{}", Mode::full), partial = combiner("{}", Mode::partial);
  for (Combiner* c : {&full, &partial})
    for (int i = 1; i <= 5; ++i) c->add(0, fmt::format(R"({{"n":{},"id":1}})", i));
  EXPECT_EQ(drain(full), (Lines{R"(0 1501 {"id":1,"n":5})"}));
  EXPECT_EQ(drain(partial), (Lines{R"(0 1501 {"id":1,"n":1})", R"(0 1501 {"id":1,"n":5})"}));
}

TEST(Combiner, FrontDocumentsAreLeftMostWheneverTheyArrive) {
  for (std::size_t budget : {ample, 1_KiB}) {
    Combiner c = combiner(sums, Mode::full, budget);
    c.add(0, R"({"id":1,"n":5})");
    c.add(0, R"({"id":2,"n":100,"left":true})", true);
    c.add(0, R"({"id":1,"n":1000,"left":true})", true);
    c.add(0, R"({"id":2,"n":5})");
    c.add(0, R"({"id":1,"n":7})");
    c.add(0, R"({"id":3,"n":1})");
    EXPECT_EQ(drain(c), (Lines{R"(0 1501 {"id":1,"left":true,"n":1012} front)",
                               R"(0 1502 {"id":2,"left":true,"n":105} front)", R"(0 1503 {"id":3,"n":1})"}));
  }
}

TEST(Combiner, TheLastOfSeveralFrontDocumentsCounts) {
  for (std::size_t budget : {ample, 1_KiB}) {
    Combiner c = combiner(sums, Mode::full, budget);
    c.add(0, R"({"id":1,"n":1})", true);
    c.add(0, R"({"id":1,"n":10})");
    c.add(0, R"({"id":1,"n":2})", true);
    EXPECT_EQ(drain(c), (Lines{R"(0 1501 {"id":1,"n":12} front)"}));
  }
}

constexpr std::string_view cdc = R"({"if":{"required":["_meta"],"properties":{"_meta":{"required":["op"],
    "properties":{"op":{"const":"d"}}}}},"then":{"reduce":{"strategy":"merge","delete":true}},
    "else":{"reduce":{"strategy":"merge"}}})";

TEST(Combiner, FlagsWhatAReductionDeleted) {
  for (std::size_t budget : {ample, 1_KiB}) {
    Combiner c = combiner(cdc, Mode::full, budget);
    c.add(0, R"({"id":1,"_meta":{"op":"d"}})");
    c.add(0, R"({"id":1,"v":1})", true);
    c.add(0, R"({"id":2,"_meta":{"op":"d"}})");  // nothing to delete
    c.add(0, R"({"id":3,"_meta":{"op":"c"}})");
    c.add(0, R"({"id":3,"_meta":{"op":"d"}})");
    c.add(0, R"({"id":4,"_meta":{"op":"c"}})");
    c.add(0, R"({"id":4,"_meta":{"op":"d"}})");
    c.add(0, R"({"id":4,"_meta":{"op":"c"},"again":1})");
    EXPECT_EQ(drain(c),
              (Lines{R"(0 1501 {"_meta":{"op":"d"},"id":1,"v":1} front deleted)",
                     R"(0 1502 {"_meta":{"op":"d"},"id":2})", R"(0 1503 {"_meta":{"op":"d"},"id":3} deleted)",
                     R"(0 1504 {"_meta":{"op":"c"},"again":1,"id":4})"}));
  }
  Combiner partial = combiner(cdc, Mode::partial);
  partial.add(0, R"({"id":3,"_meta":{"op":"c"}})");
  partial.add(0, R"({"id":3,"_meta":{"op":"u"}})");
  partial.add(0, R"({"id":3,"_meta":{"op":"d"}})");
  EXPECT_EQ(drain(partial),
            (Lines{R"(0 1503 {"_meta":{"op":"c"},"id":3})", R"(0 1503 {"_meta":{"op":"d"},"id":3})"}));
}

TEST(Combiner, KeepsApartWhatDoesNotAssociate) {
  constexpr std::string_view schema =
      R"({"reduce":{"strategy":"merge"},"properties":{"x":{"type":["object","null"],
      "if":{"type":"object"},"then":{"reduce":{"strategy":"merge"}}}}})";
  Lines documents{R"({"id":1,"x":{"a":1}})", R"({"id":1,"x":null})", R"({"id":1,"x":{"b":1}})",
                  R"({"id":1,"x":{"c":1}})"};
  for (std::size_t budget : {ample, 1_KiB}) {
    Combiner partial = combiner(schema, Mode::partial, budget), full = combiner(schema, Mode::full, budget);
    for (const std::string& d : documents) {
      partial.add(0, d);
      full.add(0, d);
    }
    EXPECT_EQ(drain(partial), (Lines{R"(0 1501 {"id":1,"x":{"a":1}})", R"(0 1501 {"id":1,"x":null})",
                                     R"(0 1501 {"id":1,"x":{"b":1,"c":1}})"}));
    EXPECT_EQ(drain(full), (Lines{R"(0 1501 {"id":1,"x":{"b":1,"c":1}})"}));
  }
}

TEST(Combiner, CanonicalTextComesOut) {
  Combiner c = combiner("{}", Mode::full);
  c.add(0, " { \"id\" : 1 , \"b\":[ 1.0, 1e2 ], \"a\":\"\\u0041\\/\" } ");
  EXPECT_EQ(drain(c), (Lines{R"(0 1501 {"a":"A/","b":[1.0,1e2],"id":1})"}));
}

TEST(Combiner, MissingKeysTakeTheirDefault) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding("{}", Mode::full, {"/a", "/b", "/c"}));
  bindings[0].defaults = {"", "\"x\""};
  Combiner c(std::move(bindings), ample);
  EXPECT_EQ(text::hex(c.add(0, "{}")), "0002780000");
  EXPECT_EQ(text::hex(c.add(0, R"({"a":1,"b":null,"c":2})")), "1501001502");
}

TEST(Combiner, MayBeUsedAgain) {
  Combiner c = combiner(sums, Mode::full, 8_KiB);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) c.add(0, fmt::format(R"({{"id":{},"n":{}}})", i % 10, i));
    EXPECT_EQ(drain(c).size(), 10u);
    c.add(0, R"({"id":"left behind"})");
    c.clear();
    EXPECT_TRUE(c.empty());
    EXPECT_EQ(c.spilled_bytes(), 0u);
  }
  c.finish();
  EXPECT_EQ(c.next(), nullptr);
}

TEST(Placeholder, IsInsertedWhereTheDocumentNeedsIt) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(cdc, Mode::partial));
  bindings[0].placeholder = true;
  std::string u = '"' + std::string(uuid_placeholder) + '"';
  for (std::size_t budget : {ample, 1_KiB}) {
    Combiner c(bindings, budget);
    c.add(0, R"({"id":1})");
    c.add(0, R"({"id":2,"_meta":{"op":"c","uuid":"mine"},"zz":1})");
    c.add(0, R"({"id":3,"_meta":{"zebra":1,"uuid":{"deep":[1]},"uuid":2}})");
    c.add(0, R"({"id":4,"_meta":null,"A":{"uuid":"DocUUIDPlaceholder-329Bb50aa48EAa9ef"}})");
    for (const char* op : {"c", "u", "d"}) c.add(0, fmt::format(R"({{"id":5,"_meta":{{"op":"{}"}}}})", op));
    c.finish();
    Lines documents;
    while (const Combined* d = c.next()) {
      documents.emplace_back(d->json);
      ASSERT_NE(d->uuid_at, std::string::npos);
      EXPECT_EQ(d->json.substr(d->uuid_at, 36), uuid_placeholder);
      EXPECT_EQ(d->json.substr(d->uuid_at - 8, 8), R"("uuid":")");
      EXPECT_NE(d->json.find("\"_meta\""), std::string::npos);
      EXPECT_LT(d->json.find("\"_meta\""), d->uuid_at);
    }
    EXPECT_EQ(documents, (Lines{R"({"_meta":{"uuid":)" + u + R"(},"id":1})",
                                R"({"_meta":{"op":"c","uuid":)" + u + R"(},"id":2,"zz":1})",
                                R"({"_meta":{"uuid":)" + u + R"(,"zebra":1},"id":3})",
                                R"({"A":{"uuid":)" + u + R"(},"_meta":{"uuid":)" + u + R"(},"id":4})",
                                R"({"_meta":{"op":"c","uuid":)" + u + R"(},"id":5})",
                                R"({"_meta":{"op":"d","uuid":)" + u + R"(},"id":5})"}));
  }
  Combiner c(bindings, ample);
  EXPECT_EQ(
      error_of([&] { c.add(0, R"({"id":1,"_meta":"x"})"); }),
      "acme/things document has a '_meta' that is no object, so it cannot hold the document's UUID: \"x\"");
  EXPECT_EQ(error_of([&] { c.add(0, "[1]"); }), "acme/things document is no object: [1]");
}

// Texts that are canonical but for it are not written anew.
TEST(Placeholder, IsPutBetweenTheMembersOfACanonicalDocument) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding("{}", Mode::partial));
  bindings[0].placeholder = true;
  const std::string u = R"("uuid":")" + std::string(uuid_placeholder) + '"';
  const std::pair<std::string, std::string> cases[] = {
      {R"({"_meta":{"op":"c"},"id":1})", R"({"_meta":{"op":"c",@},"id":1})"},
      {R"({"_meta":{"zebra":"c"},"id":1})", R"({"_meta":{@,"zebra":"c"},"id":1})"},
      {R"({"A":[{"uuid":1}],"_meta":{"op":{"x":[1,2]},"v":1,"w":2},"id":1})",
       R"({"A":[{"uuid":1}],"_meta":{"op":{"x":[1,2]},@,"v":1,"w":2},"id":1})"},
      {R"({"_meta":{"op":"\n"},"id":1})", R"({"_meta":{"op":"\n",@},"id":1})"},
      {R"({"_meta":{"\u0076":1},"id":1})", R"({"_meta":{@,"v":1},"id":1})"},
      {R"({"_meta":{},"id":1})", R"({"_meta":{@},"id":1})"},
      {R"({"_meta":{"op":"c" },"id":1})", R"({"_meta":{"op":"c",@},"id":1})"},
      {R"({"_meta":{"uuid":"mine"},"id":1})", R"({"_meta":{@},"id":1})"},
      {R"({"_meta":null,"id":1})", R"({"_meta":{@},"id":1})"},
      {R"({"id":1})", R"({"_meta":{@},"id":1})"},
      {R"({"A":1})", R"({"A":1,"_meta":{@}})"},
      {R"({"A":1,"id":1})", R"({"A":1,"_meta":{@},"id":1})"},
      {R"( {"A":1,"id":1} )", R"({"A":1,"_meta":{@},"id":1})"},
      {"{}", R"({"_meta":{@}})"},
  };
  for (const auto& [document, expected] : cases) {
    std::string want = expected;
    want.replace(want.find('@'), 1, u);
    Combiner c(bindings, ample);
    for (int round = 0; round < 3; ++round) {  // first with a parse, then by its layout
      c.add(0, document);
      c.finish();
      const Combined* d = c.next();
      EXPECT_EQ(d->json, want);
      EXPECT_EQ(d->json.substr(d->uuid_at, 36), uuid_placeholder) << document;
      EXPECT_EQ(c.next(), nullptr);
    }
  }
}

TEST(Placeholder, IsThereWhenTheDocumentIsValidated) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(R"({"required":["_meta"],"properties":{"_meta":{"required":["uuid"],
      "properties":{"uuid":{"type":"string"}}}}})",
                             Mode::partial));
  bindings[0].placeholder = true;
  Combiner c(bindings, ample);
  c.add(0, R"({"id":1})");
  EXPECT_EQ(drain(c).size(), 1u);
}

TEST(Placeholder, MayNotBeLost) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(
      R"({"properties":{"_meta":{"properties":{"uuid":{"redact":{"strategy":"block"}}}}}})", Mode::partial));
  bindings[0].placeholder = true;
  Combiner c(bindings, ample);
  c.add(0, R"({"id":1})");
  EXPECT_TRUE(error_of([&] { drain(c); }).starts_with("acme/things document lost its '/_meta/uuid'"));
}

constexpr std::string_view small_numbers = R"({"reduce":{"strategy":"merge"},"properties":
    {"n":{"maximum":10,"reduce":{"strategy":"sum"}}}})";

TEST(Validation, RefusesInvalidDocuments) {
  Combiner c = combiner(small_numbers, Mode::full);
  std::string message = error_of([&] { c.add(0, R"({"n":11,"id":1})"); });
  EXPECT_TRUE(
      message.starts_with(R"(acme/things document failed validation against its schema: {"id":1,"n":11}: [)"))
      << message;
  EXPECT_NE(message.find("\"/n\""), std::string::npos) << message;
  EXPECT_TRUE(error_of([&] { c.add(0, "{"); }).starts_with("acme/things document: invalid JSON at byte 1"));
}

TEST(Validation, ShowsDocumentsOfACaptureAsTheyCame) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"n":11,"id":1})", R"({"id":1,"n":11})"},
      {R"({"n":11})", R"({"n":11})"},
      {R"({"_meta":{"op":"c"},"id":1,"n":11})", R"({"_meta":{"op":"c"},"id":1,"n":11})"},
      {R"({"_meta":{"z":1},"id":1,"n":11})", R"({"_meta":{"z":1},"id":1,"n":11})"},
      {R"({"_meta":{"a":1,"z":1},"id":1,"n":11})", R"({"_meta":{"a":1,"z":1},"id":1,"n":11})"}};
  for (const auto& [document, shown] : cases) {
    std::vector<CombineBinding> bindings;
    bindings.push_back(binding(small_numbers, Mode::partial));
    bindings[0].placeholder = true;
    Combiner c(bindings, ample);
    std::string message = error_of([&] {
      c.add(0, document);
      drain(c);
    });
    EXPECT_TRUE(message.starts_with(
        std::string("acme/things document failed validation against its schema: ") + shown + ": ["))
        << message;
  }
}

TEST(Validation, ChecksWhatWasReduced) {
  for (std::size_t budget : {ample, 1_KiB}) {
    Combiner c = combiner(small_numbers, Mode::full, budget);
    c.add(0, R"({"id":1,"n":6})");
    c.add(0, R"({"id":1,"n":6})", true);
    std::string message = error_of([&] { drain(c); });
    EXPECT_TRUE(message.starts_with(
        R"(acme/things document failed validation against its schema: {"id":1,"n":12}: [)"))
        << message;
  }
}

TEST(Validation, SparesFrontDocuments) {
  Combiner c = combiner(small_numbers, Mode::full);
  c.add(0, R"({"id":1,"n":60})", true);
  c.add(0, R"({"id":1,"n":-55})");
  c.add(0, R"({"id":2,"n":60})", true);
  EXPECT_EQ(drain(c), (Lines{R"(0 1501 {"id":1,"n":5} front)", R"(0 1502 {"id":2,"n":60} front)"}));
}

TEST(Validation, CutsLongDocuments) {
  Combiner c = combiner(small_numbers, Mode::full);
  std::string message =
      error_of([&] { c.add(0, R"({"a":")" + std::string(1_MiB, 'x') + R"(","id":1,"n":11})"); });
  EXPECT_LT(message.size(), 8_KiB);
}

// What is known to be valid is treated as what has to be checked, wherever it comes from and goes.
TEST(Combiner, AddsValidDocumentsWithTheSameResult) {
  std::mt19937 random(3);
  for (Mode mode : {Mode::full, Mode::partial})
    for (std::size_t budget : {ample, 1_KiB})
      for (std::string_view schema : {sums, std::string_view("{}")})
        for (int round = 0; round < 20; ++round) {
          Combiner checked = combiner(schema, mode, budget), trusted = combiner(schema, mode, budget);
          for (int i = 0; i < 60; ++i) {
            bool front = random() % 8 == 0;
            std::string document =
                fmt::format(R"({{"_meta":{{"a":[{}]}},"id":{},"n":{}}})", i, random() % 20, i);
            std::string_view expected = checked.add(0, document, front);
            ASSERT_EQ(front ? trusted.add(0, document, true) : trusted.add_valid(0, document), expected);
          }
          ASSERT_EQ(drain(trusted), drain(checked));
        }
}

TEST(Combiner, FindsTheKeyOfAValidDocumentAsOfAnother) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding("{}", Mode::full, {"/b/c", "/a", "/d/0", "/e"}));
  bindings[0].defaults = {"7", "", "", R"("x")"};
  bindings.push_back(binding("{}", Mode::full, {"/a"}));
  Combiner c(bindings, ample);
  for (std::uint32_t i : {0u, 1u})
    for (std::string_view document :
         {R"({})", R"({"a":1,"b":{"c":-2.5},"d":[3]})", R"({"a":"\"","b":{"c":null},"e":true})",
          R"({"a":{"k":[1,{"l":"}"}]},"b":3,"d":{"0":1}})",
          R"({"a":[1,2],"b":{"b":1,"d":2},"e":18446744073709551615})"}) {
      std::string expected(c.add(i, document));
      c.clear();
      EXPECT_EQ(c.add_valid(i, document), expected) << document;
      c.clear();
    }
}

TEST(Validation, WaitsUntilAValidDocumentIsFolded) {
  Combiner c = combiner(small_numbers, Mode::full);
  c.add_valid(0, R"({"id":1,"n":11})");  // it is not valid, to show when that is noticed
  EXPECT_EQ(drain(c).size(), 1u);
  c.add_valid(0, R"({"id":1,"n":1})");
  c.add_valid(0, R"({"id":1,"n":11})");
  EXPECT_NE(error_of([&] { drain(c); }), "accepted");
}

// Whoever redacts has to look at every document.
TEST(Validation, DoesNotWaitWhereDocumentsAreRedacted) {
  Combiner c =
      combiner(R"({"properties":{"n":{"maximum":10},"who":{"redact":{"strategy":"block"}}}})", Mode::full);
  EXPECT_NE(error_of([&] { c.add_valid(0, R"({"id":1,"n":11})"); }), "accepted");
  c.clear();
  c.add_valid(0, R"({"id":1,"who":"me"})");
  EXPECT_EQ(drain(c), (Lines{R"(0 1501 {"id":1})"}));
}

TEST(Combiner, NamesTheCollectionWhenAReductionFails) {
  Combiner c = combiner(R"({"reduce":{"strategy":"merge"},"properties":{"n":{"reduce":{"strategy":"sum"}}}})",
                        Mode::full);
  c.add(0, R"({"id":1,"n":"x"})");
  c.add(0, R"({"id":1,"n":1})");
  EXPECT_TRUE(error_of([&] { drain(c); }).starts_with("combining acme/things: while reducing \"/n\": "));
  c.clear();
  c.add(0, R"({"id":1,"n":1})");
  EXPECT_EQ(drain(c).size(), 1u);
}

constexpr std::string_view private_data = R"({"reduce":{"strategy":"merge"},"properties":{
    "s":{"redact":{"strategy":"sha256"}},"b":{"redact":{"strategy":"block"}},
    "list":{"reduce":{"strategy":"append"},"items":{"if":{"type":"null"},"then":{"redact":{"strategy":"block"}}}}}})";

Lines redacted(std::string_view schema, std::size_t budget, const Lines& documents, Mode mode = Mode::full) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(schema, mode));
  bindings[0].salt = "test-salt";
  Combiner c(std::move(bindings), budget);
  for (const std::string& d : documents) c.add(0, d);
  return drain(c);
}

// runtime.md §13.4.
TEST(Redaction, HashesAndBlocks) {
  std::string hash = "sha256:a9ec3b6826ee77d1577b7e9c5ea49255ae1fbb24245b87130569aa2d928b1398";
  for (std::size_t budget : {ample, 1_KiB}) {
    EXPECT_EQ(redacted(private_data, budget, {R"({"id":1,"s":"hash-me","b":[1,2],"list":[1,null,2,null]})"}),
              (Lines{R"(0 1501 {"id":1,"list":[1,2],"s":")" + hash + "\"}"}));
    EXPECT_EQ(redacted(private_data, budget, {R"({"id":1,"s":")" + hash + "\"}"}),
              (Lines{R"(0 1501 {"id":1,"s":")" + hash + "\"}"}));
    // After reduction.
    EXPECT_EQ(
        redacted(private_data, budget,
                 {R"({"id":1,"s":"x","b":1,"list":[1,null]})", R"({"id":1,"s":"hash-me","list":[null,2]})"}),
        (Lines{R"(0 1501 {"id":1,"list":[1,2],"s":")" + hash + "\"}"}));
  }
}

// However alike they are: the same kinds in the same places, and a placeholder put in elsewhere.
TEST(Redaction, TellsDocumentsOfOtherNamesApart) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(
      R"({"properties":{"_meta":{"properties":{"a":{"type":"string","redact":{"strategy":"sha256"}}}}}})",
      Mode::full));
  bindings[0].placeholder = true;
  Combiner c(bindings, ample);
  for (const char* document : {R"({"id":1})", R"({"_meta":{"op":"c","v":"secret"},"id":1})",
                               R"({"_meta":{"a":"secret","op":"c"},"id":1})"}) {
    c.add(0, document);
    Lines lines = drain(c);
    ASSERT_EQ(lines.size(), 1u);
    bool names_it = std::string_view(document).find("\"a\"") != std::string_view::npos;
    EXPECT_EQ(lines[0].find("\"a\":\"sha256:") != std::string::npos, names_it) << lines[0];
  }
}

TEST(Redaction, HashesEveryTypeByItsBytes) {
  auto hashed = [](std::string_view value) {
    std::string out = redacted(private_data, ample, {fmt::format(R"({{"id":1,"s":{}}})", value)}).at(0);
    return out.substr(out.find("sha256:"), 71);
  };
  EXPECT_EQ(hashed("5"), hashed("5.0"));
  EXPECT_EQ(hashed("-5"), hashed("-5.0"));
  EXPECT_EQ(hashed("500"), hashed("5e2"));
  EXPECT_NE(hashed("5"), hashed("-5"));
  EXPECT_NE(hashed("5"), hashed("5.5"));
  EXPECT_NE(hashed("5"), hashed("\"5\""));
  EXPECT_EQ(hashed("null"), hashed("\"\""));
  EXPECT_EQ(hashed("true"), hashed("\"\\u0001\""));
  EXPECT_EQ(hashed("false"), hashed("\"\\u0000\""));
  EXPECT_EQ(hashed("258"), hashed("\"\\u0002\\u0001\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\""));
  EXPECT_EQ(hashed(R"({"b":1, "a":[2]})"), hashed(R"("{\"a\":[2],\"b\":1}")"));
}

TEST(Redaction, SparesFrontDocumentsOnTheirOwn) {
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(private_data, Mode::full));
  Combiner c(std::move(bindings), ample);
  c.add(0, R"({"id":1,"b":1})", true);
  EXPECT_EQ(drain(c), (Lines{R"(0 1501 {"b":1,"id":1} front)"}));
}

TEST(Redaction, CannotBlockADocument) {
  EXPECT_EQ(error_of([] { redacted(R"({"redact":{"strategy":"block"}})", ample, {R"({"id":1})"}); }),
            "redact strategy 'block' applies to a whole document");
}

TEST(Spilling, KeepsToTheBudget) {
  Combiner c = combiner(sums, Mode::full, 256_KiB);
  std::size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    c.add(0, fmt::format(R"({{"id":{},"n":1,"text":"some text to make it longer {}"}})", (i * 7919) % 15'000,
                         i));
    most = std::max(most, c.bytes());
  }
  EXPECT_LT(most, 256_KiB);
  EXPECT_GT(c.spilled_bytes(), 100_KiB);
  EXPECT_EQ(drain(c).size(), 15'000u);
}

TEST(Spilling, TakesDocumentsLargerThanTheBudget) {
  Combiner c = combiner(sums, Mode::full, 64_KiB);
  std::string big(1_MiB, 'x');
  for (int i = 0; i < 3; ++i) c.add(0, fmt::format(R"({{"big{}":"{}","id":1}})", i, big));
  c.finish();
  const Combined* d = c.next();
  ASSERT_NE(d, nullptr);
  EXPECT_GT(d->json.size(), 3_MiB);
  EXPECT_EQ(c.next(), nullptr);
}

TEST(Spilling, LeavesNoFileBehindAndNamesTheFolder) {
  std::string folder = (std::filesystem::temp_directory_path() / "combine-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::vector<CombineBinding> bindings;
  bindings.push_back(binding(sums, Mode::full));
  Combiner c(bindings, 1_KiB, folder);
  for (int i = 0; i < 20; ++i) c.add(0, fmt::format(R"({{"id":{}}})", i));
  EXPECT_GT(c.spilled_bytes(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
  Combiner lost(bindings, 1_KiB, folder);
  try {
    lost.add(0, R"({"id":1})");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::transient);
    EXPECT_EQ(e.message(), "cannot create a temporary file in " + folder + ": No such file or directory");
  }
}

// The outcome against a model without memory bounds, hash tables or runs: every strategy, in both modes. The
// parts of `apart` do not always associate.
constexpr std::string_view everything = R"({
  "if":{"properties":{"op":{"const":"d"}},"required":["op"]},
  "then":{"reduce":{"strategy":"merge","delete":true}},
  "else":{"reduce":{"strategy":"merge"}},
  "properties":{
    "sum":{"reduce":{"strategy":"sum"}},
    "text":{"reduce":{"strategy":"sum"}},
    "append":{"reduce":{"strategy":"append"}},
    "first":{"reduce":{"strategy":"firstWriteWins"}},
    "max":{"reduce":{"strategy":"maximize"}},
    "min":{"reduce":{"strategy":"minimize","key":["/k"]},"properties":{"n":{"reduce":{"strategy":"sum"}}}},
    "set":{"reduce":{"strategy":"set"},"properties":{"add":{"additionalProperties":{"reduce":{"strategy":"sum"}}}}},
    "sorted":{"reduce":{"strategy":"merge","key":[""]}},
    "deep":{"$ref":"#/$defs/tree"}
  },
  "$defs":{"tree":{"reduce":{"strategy":"merge"},"additionalProperties":{"if":{"type":"object"},
      "then":{"$ref":"#/$defs/tree"}}}}
})";
constexpr std::string_view apart = R"({"reduce":{"strategy":"merge"},"properties":{
    "sum":{"reduce":{"strategy":"sum"}},
    "patch":{"$ref":"#/$defs/patch"},
    "stubborn":{"reduce":{"strategy":"lastWriteWins","associative":false}}
  },
  "$defs":{"patch":{
    "if":{"type":"object"},"then":{"reduce":{"strategy":"merge"},"additionalProperties":{"$ref":"#/$defs/patch"}},
    "else":{"if":{"type":"null"},"then":{"reduce":{"strategy":"lastWriteWins","delete":true}}}}}
})";

class RandomDocuments {
 public:
  explicit RandomDocuments(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  std::string document(std::size_t keys) {
    std::string out;
    json::Writer w(out);
    w.begin_object().key("id").unsigned_integer(below(keys));
    w.key("op").string(one_in(4) ? "d" : "u");  // always, as the annotation of the root depends on it
    if (one_in(2)) w.key("sum").integer(small());
    if (one_in(3)) w.key("text").string(fmt::format("{}.{}", small(), below(10)));
    if (one_in(3)) w.key("append").raw(numbers(false));
    if (one_in(3)) w.key("first").integer(small());
    if (one_in(3)) w.key("max").integer(small());
    if (one_in(3)) w.key("min").raw(fmt::format(R"({{"n":{},"k":{}}})", small(), below(3)));
    if (one_in(2)) w.key("set").raw(set());
    if (one_in(3)) w.key("sorted").raw(numbers(true));
    if (one_in(2)) w.key("deep").raw(tree(3));
    if (one_in(2)) w.key("patch").raw(patch(3));
    if (one_in(12)) w.key("stubborn").unsigned_integer(below(2));
    if (one_in(3)) w.key("plain").integer(small());
    w.end_object();
    return out;
  }

 private:
  bool one_in(std::size_t n) { return below(n) == 0; }
  int small() { return static_cast<int>(below(21)) - 10; }
  std::string numbers(bool sorted) {
    std::string out = "[";
    for (int i = 0; i < 6; ++i)
      if (one_in(3)) out += fmt::format("{}{}", out.size() > 1 ? "," : "", sorted ? i : small());
    return out + "]";
  }
  std::string members() {
    std::string out = "{";
    for (char c : {'a', 'b', 'c'})
      if (one_in(2)) out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", c, small());
    return out + "}";
  }
  std::string set() {
    std::string out = "{\"add\":" + members();
    if (one_in(2)) out += fmt::format(",\"{}\":{}", one_in(2) ? "remove" : "intersect", members());
    return out + "}";
  }
  // Locations are always objects or never, so that they associate.
  std::string tree(int depth) {
    std::string out = "{\"v\":" + std::to_string(small());
    for (char c : {'x', 'y'})
      if (depth > 0 && one_in(2)) out += fmt::format(",\"{}\":{}", c, tree(depth - 1));
    return out + "}";
  }
  std::string patch(int depth) {
    switch (below(depth > 0 ? 5 : 3)) {
      case 0:
        return "null";
      case 1:
      case 2:
        return std::to_string(small());
      default: {
        std::string out = "{";
        for (char c : {'x', 'y'})
          if (one_in(2)) out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", c, patch(depth - 1));
        return out + "}";
      }
    }
  }

  std::mt19937_64 random_;
};

class Model {
 public:
  Model(std::string_view schema, Mode mode) : validator_(Schema::compile(schema)), mode_(mode) {}

  void add(std::uint32_t binding, const std::string& json, bool front) {
    json::Tree tree;
    tree.parse(json);
    std::string key;
    data::pack(key, tree, tree.find(tree.root(), "id"));
    Group& group = groups_[{binding, key}];
    if (front)
      group.front = json::canonical(json);
    else
      group.documents.push_back(json::canonical(json));
  }

  Lines drain() {
    Lines out;
    for (auto& [at, group] : groups_) {
      std::vector<std::string> operands = group.documents;
      if (group.front) operands.insert(operands.begin(), *group.front);
      std::string held = operands[0];
      bool deleted = false, alone = mode_ == Mode::partial, front = group.front.has_value();
      for (std::size_t i = 1; i < operands.size(); ++i) {
        if (!alone && fold(held, operands[i], deleted)) continue;
        out.push_back(line(at.first, at.second, held, front, deleted));
        held = operands[i];
        alone = front = deleted = false;
      }
      out.push_back(line(at.first, at.second, held, front, deleted));
    }
    groups_.clear();
    return out;
  }

 private:
  struct Group {
    std::optional<std::string> front;
    std::vector<std::string> documents;
  };
  bool fold(std::string& left, const std::string& right, bool& deleted) {
    json::Tree tree;
    tree.parse(right);
    std::string out;
    std::string_view lhs = left;
    Fold fold = Reducer().reduce(&lhs, tree, validator_.validate(tree), mode_, out);
    if (fold == Fold::not_associative) return false;
    deleted = fold == Fold::deleted;
    left = out;
    return true;
  }
  Validator validator_;
  Mode mode_;
  std::map<std::pair<std::uint32_t, std::string>, Group> groups_;
};

::testing::AssertionResult same(const Lines& left, const Lines& right) {
  if (left == right) return ::testing::AssertionSuccess();
  auto [a, b] = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
  return ::testing::AssertionFailure() << "first difference:\n"
                                       << (a == left.end() ? "the end" : *a) << '\n'
                                       << (b == right.end() ? "the end" : *b);
}

struct Trial {
  Trial(std::uint64_t seed, std::string_view schema, Mode mode) : random(seed), model(schema, mode) {
    for (int i = 0; i < 2; ++i) bindings.push_back(binding(schema, mode));
    budget = std::array{1_KiB, 6_KiB, 20_KiB, 100_KiB, ample}[random.below(5)];
    keys = 1 + random.below(20);
  }
  void run(bool with_fronts, auto add) {
    for (std::size_t i = 0, n = 20 + random.below(200); i < n; ++i) {
      auto at = static_cast<std::uint32_t>(random.below(2));
      add(at, random.document(keys), with_fronts && random.below(8) == 0);
    }
  }

  RandomDocuments random;
  Model model;
  std::vector<CombineBinding> bindings;
  std::size_t budget, keys;
};

TEST(CombinerProperty, EqualsTheModelWheneverItSpills) {
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    Mode mode = seed % 2 == 0 ? Mode::full : Mode::partial;
    Trial trial(seed, everything, mode);
    Combiner tested(trial.bindings, trial.budget);
    for (int transaction = 0; transaction < 2; ++transaction) {
      trial.run(mode == Mode::full, [&](std::uint32_t at, const std::string& document, bool front) {
        tested.add(at, document, front);
        trial.model.add(at, document, front);
      });
      ASSERT_TRUE(same(drain(tested), trial.model.drain())) << "seed " << seed << ", budget " << trial.budget;
    }
  }
}

TEST(CombinerProperty, FullModeDoesNotMindWhatDoesNotAssociate) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Trial trial(seed, apart, Mode::full);
    Combiner tested(trial.bindings, trial.budget);
    trial.run(true, [&](std::uint32_t at, const std::string& document, bool front) {
      tested.add(at, document, front);
      trial.model.add(at, document, front);
    });
    ASSERT_TRUE(same(drain(tested), trial.model.drain())) << "seed " << seed << ", budget " << trial.budget;
  }
}

// Where a partial result is split may depend on spills, but never what it amounts to.
TEST(CombinerProperty, PartialResultsFoldIntoTheFullOne) {
  std::size_t added = 0, left = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Trial trial(seed, apart, Mode::full);
    for (CombineBinding& b : trial.bindings) b.mode = Mode::partial;
    Combiner tested(trial.bindings, trial.budget);
    Model again(apart, Mode::full);
    trial.run(false, [&](std::uint32_t at, const std::string& document, bool) {
      tested.add(at, document);
      trial.model.add(at, document, false);
      ++added;
    });
    tested.finish();
    while (const Combined* c = tested.next()) {
      again.add(c->binding, std::string(c->json), false);
      ++left;
    }
    ASSERT_TRUE(same(again.drain(), trial.model.drain())) << "seed " << seed << ", budget " << trial.budget;
  }
  EXPECT_LT(left, added / 2);
}

}  // namespace
}  // namespace sluice::runtime
