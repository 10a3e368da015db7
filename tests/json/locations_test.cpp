#include "sluice/json/locations.hpp"

#include <gtest/gtest.h>

#include "random_json.hpp"
#include "sluice/json/write.hpp"

namespace sluice::json {
namespace {

std::vector<Pointer> pointers(std::vector<std::string> texts) {
  std::vector<Pointer> out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

TEST(Locations, FindsInTheTextWhatPointersFindInTheTree) {
  RandomJson random(5);
  std::vector<Pointer> wanted = pointers({"", "/a", "/b/a", "/b", "/c/b/a", "/a/b", "/nowhere", "/c/c"});
  std::vector<Pointer> few = pointers({"/b", "/a/c"});
  Locations all(wanted), some(few);
  Tree tree;
  int scanned = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string document = canonical(random.value(4, i % 2 == 0));
    tree.parse(document);
    auto check = [&](Locations& locations, const std::vector<Pointer>& of, bool in_text) {
      for (std::size_t l = 0; l < of.size(); ++l) {
        const Node* expected = of[l].find(tree);
        const Node* found = locations[l];
        ASSERT_EQ(found != nullptr, expected != nullptr) << of[l].text() << " of " << document;
        if (!found) continue;
        EXPECT_EQ(found->raw, expected->raw);
        EXPECT_EQ(found->kind, expected->kind);
        EXPECT_EQ(found->truth, expected->truth);
        bool has_text = found->kind == Kind::string || found->kind == Kind::number;
        EXPECT_TRUE(!has_text || found->text == expected->text) << found->text;
        EXPECT_TRUE(in_text || found == expected);
      }
    };
    for (auto [locations, of] : {std::pair(&all, &wanted), std::pair(&some, &few)}) {
      if (locations->scan(document)) {
        ++scanned;
        check(*locations, *of, true);
      }
      locations->find(tree);
      check(*locations, *of, false);
    }
  }
  EXPECT_GT(scanned, 1'000);
}

TEST(Locations, LeavesToTheParserWhatATextDoesNotShow) {
  Locations locations(pointers({"/list/1", "/name"}));
  EXPECT_TRUE(locations.scan(R"({"a":[1,2],"name":"x"})"));
  EXPECT_FALSE(locations.scan(R"({"list":[1,2],"name":"x"})"));
  EXPECT_FALSE(locations.scan(R"({"name":"x\\y"})"));
  Locations quoted(pointers({"/a\":1,\"b"}));
  EXPECT_FALSE(quoted.scan(R"({"a":1,"b":2})"));
  Tree tree;
  tree.parse(R"({"list":[1,2],"name":"x"})");
  locations.find(tree);
  EXPECT_EQ(locations[0]->raw, "2");
  EXPECT_EQ(locations[1]->text, "x");
}

TEST(Locations, GivesUpOnTextThatEndsEarly) {
  std::string document = R"({"a":{"b":[1,{"c":"d"}]},"e":1.5,"f":"g","h":null})";
  Locations locations(pointers({"/a/b", "/h"}));
  ASSERT_TRUE(locations.scan(document));
  for (std::size_t size = 0; size < document.size(); ++size) {
    std::string part(document, 0, size);  // a copy, so that a sanitizer sees what is read beyond it
    if (!locations.scan(part)) continue;
    EXPECT_EQ(size, document.size() - 1);  // all was found before
  }
}

}  // namespace
}  // namespace sluice::json
