// Documents that go by a shortcut of the combiner beside the same ones that go the long way, each of which
// meets a combiner that has seen nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/runtime/combine.hpp"
#include "sluice/runtime/inference.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t ample = 64_MiB;

// What leaves the combiner for one document, or the error.
std::string outcome(Combiner& combiner, std::string_view document) {
  try {
    std::string out = text::hex(combiner.add(0, document));
    combiner.finish();
    while (const Combined* c = combiner.next())
      out += fmt::format(" {} {} {}{}{}", text::hex(c->key), c->json, c->uuid_at, c->front ? " front" : "",
                         c->deleted ? " deleted" : "");
    return out;
  } catch (const Error& e) {
    combiner.clear();
    return e.message();
  }
}

std::vector<CombineBinding> bindings(std::string_view schema, bool placeholder,
                                     std::vector<std::string_view> key = {"/id"}) {
  std::vector<CombineBinding> out(
      1, CombineBinding{.name = "acme/things", .key = {}, .defaults = {}, .schema = Schema::compile(schema)});
  for (std::string_view location : key) out[0].key.emplace_back(location);
  out[0].defaults = {"7"};
  out[0].mode = placeholder ? Mode::partial : Mode::full;
  out[0].placeholder = placeholder;
  out[0].salt = "salt";
  return out;
}

class Documents {
 public:
  explicit Documents(unsigned seed) : random_(seed) {}
  std::string next() {
    static constexpr std::string_view templates[] = {
        R"({"_meta":{"op":@,"n":[@,@]},"a":@,"b":{"c":@},"id":@})",
        R"({"_meta":{"op":@},"a":@,"b":{"c":@},"id":@})",
        R"({"_meta":{"op":@},"b":@,"c":{"a":@},"id":@})",
        R"({"a":@,"b":@,"id":@})",
        R"({"a":@,"b":[@,@],"id":@})",
        R"({"id":@,"a":@})",
        R"({"_meta":{"op":@,"uuid":@},"id":@})",
        R"( {"a":@,"id":@})",
        R"({"a":{},"id":[@]})",
        R"({"a":@})",
        R"([@])",
        R"(@)",
    };
    static constexpr std::string_view scalars[] = {
        R"("c")",   R"("d")", R"("x")",  R"("secret")",      "1",
        "2",        "-1",     "1.5",     "12345678",         "1e3",
        "true",     "false",  "null",    R"("2024-02-30")",  R"("2024-02-29")",
        R"("a\n")", R"("é")", R"("12")", R"("not a number")"};
    // A few templates for a while, or none would be remembered.
    if (++count_ % 50 == 1)
      for (std::string_view& one : current_) one = templates[below(std::size(templates))];
    std::string out;
    for (char c : current_[below(std::size(current_))]) {
      if (c == '@')
        out += scalars[below(below(4) == 0 ? std::size(scalars) : 5)];
      else
        out += c;
    }
    return out;
  }
  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  std::mt19937 random_;
  std::size_t count_ = 0;
  std::string_view current_[2];
};

TEST(Shortcut, EqualsTheLongWay) {
  int same = 0, refused = 0;
  unsigned seed = 0;
  for (std::string_view schema : {
           R"({})",
           R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}})",
           R"({"properties":{"a":{"enum":["c",1,{}]},"b":{"properties":{"c":{"const":"d"}}}}})",
           R"({"properties":{"a":{"type":["string","null"],"format":"date"},"id":{"maximum":2}}})",
           R"({"properties":{"a":{"format":"number","type":["string","number"]},"b":{"minLength":2}}})",
           R"({"properties":{"a":{"pattern":"^[cd]"},"b":{"uniqueItems":true}}})",
           R"({"properties":{"b":{"uniqueItems":true}}})",
           R"({"properties":{"b":{"enum":[[1,2],[2,1],["c","d"],{"c":1},{"c":"c"},1,2]}}})",
           R"({"properties":{"a":{"type":"string","redact":{"strategy":"sha256"}}}})",
           R"({"if":{"properties":{"_meta":{"properties":{"op":{"const":"d"}}}}},
               "then":{"reduce":{"strategy":"merge","delete":true},
                       "properties":{"a":{"redact":{"strategy":"sha256"}}}},
               "else":{"reduce":{"strategy":"merge"}}})",
           R"({"oneOf":[{"properties":{"a":{"const":1}},"required":["a"]},
                        {"properties":{"a":{"type":"string"}}}]})",
           R"({"properties":{"_meta":{"properties":{"uuid":{"type":"string","pattern":"^Doc"}}}}})",
           R"({"properties":{"id":{"multipleOf":2}},"additionalProperties":{"not":{"const":"x"}}})",
           R"({"reduce":{"strategy":"merge"},"properties":{"a":{"reduce":{"strategy":"lastWriteWins"}}}})",
       }) {
    SCOPED_TRACE(schema);
    for (bool placeholder : {true, false})
      for (const auto& key : {std::vector<std::string_view>{"/id"}, {"/a", "/b/c"}, {"/_meta/op"}}) {
        auto binding = bindings(schema, placeholder, key);
        Combiner used(binding, ample);
        Documents documents(++seed);
        for (int i = 0; i < 500; ++i) {
          std::string document = documents.next();
          Combiner fresh(binding, ample);
          std::string expected = outcome(fresh, document);
          ASSERT_EQ(outcome(used, document), expected) << document;
          ++(expected.find("fail") == std::string::npos ? same : refused);
        }
      }
  }
  EXPECT_GT(same, 10'000);
  EXPECT_GT(refused, 1'000);
}

// Several in one transaction, so that keys meet.
TEST(Shortcut, FoldsAsTheLongWayDoes) {
  for (std::string_view schema :
       {R"({})", R"({"reduce":{"strategy":"merge"},"properties":{"a":{"reduce":{"strategy":"sum"}}}})",
        R"({"if":{"properties":{"a":{"const":1}}},"then":{"reduce":{"strategy":"lastWriteWins"}},
            "else":{"reduce":{"strategy":"merge"}}})"}) {
    for (bool placeholder : {true, false}) {
      auto binding = bindings(schema, placeholder);
      Combiner used(binding, ample);
      Documents documents(7);
      for (int round = 0; round < 300; ++round) {
        // The long way: each document is spaced out, so that no text is canonical.
        Combiner fresh(binding, ample);
        for (std::size_t n = 1 + documents.below(12); n > 0; --n) {
          std::string document =
              fmt::format(R"({{"a":{},"id":{}}})", 1 + documents.below(2), documents.below(4));
          used.add(0, document);
          fresh.add(0, " " + document);
        }
        used.finish();
        fresh.finish();
        for (;;) {
          const Combined *a = used.next(), *b = fresh.next();
          ASSERT_EQ(a != nullptr, b != nullptr);
          if (!a) break;
          EXPECT_EQ(a->key, b->key);
          EXPECT_EQ(a->json, b->json);
          EXPECT_EQ(a->uuid_at, b->uuid_at);
          EXPECT_EQ(a->deleted, b->deleted);
        }
      }
    }
  }
}

// Of what inference has not seen nothing goes by.
TEST(Shortcut, ShowsInferenceWhatIsNew) {
  Schema schema = Schema::compile(R"({"type":"object","properties":{"id":{"type":"integer"}}})");
  Inference inference(schema, "");
  auto binding = bindings(schema.text(), true);
  binding[0].inference = &inference;
  Combiner combiner(binding, ample);
  (void)inference.take_change();
  for (const char* document :
       {R"({"id":1})", R"({"id":2})", R"({"id":3})", R"({"id":4,"new":1})", R"({"id":5,"new":1})",
        R"({"id":6,"new":2})", R"({"id":7,"new":2.5})", R"({"id":8,"other":"x"})"})
    outcome(combiner, document);
  std::string inferred = inference.take_change().value_or("");
  EXPECT_NE(inferred.find("\"new\""), std::string::npos) << inferred;
  EXPECT_NE(inferred.find("\"other\""), std::string::npos) << inferred;
  EXPECT_NE(inferred.find("\"new\":{\"type\":\"number\""), std::string::npos) << inferred;
}

TEST(Shortcut, ManyShapesInTurn) {
  auto binding = bindings(R"({"properties":{"a":{"enum":[1,2,3,4,5,6,7,8,9]}}})", true);
  Combiner used(binding, ample);
  for (int i = 0; i < 2'000; ++i) {
    std::string document = R"({"a":)" + std::to_string(1 + i % 9);
    for (int m = 0; m < i % 7; ++m) document += fmt::format(R"(,"m{}":{})", m, i % 2 ? "null" : "1");
    document += R"(,"z":{"id":1}})";
    Combiner fresh(binding, ample);
    ASSERT_EQ(outcome(used, document), outcome(fresh, document));
  }
}

}  // namespace
}  // namespace sluice::runtime
