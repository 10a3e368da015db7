#include "sluice/json/locations.hpp"

#include <gtest/gtest.h>

#include "random_json.hpp"
#include "sluice/base/error.hpp"
#include "sluice/json/write.hpp"

namespace sluice::json {
namespace {

std::vector<Pointer> pointers(std::vector<std::string> texts) {
  std::vector<Pointer> out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

// What was found beside what the pointers find in the tree of the document.
void expect_found(const Locations& locations, const std::vector<Pointer>& wanted, const Tree& tree,
                  bool in_tree) {
  for (std::size_t l = 0; l < wanted.size(); ++l) {
    const Node* expected = wanted[l].find(tree);
    const Node* found = locations[l];
    ASSERT_EQ(found != nullptr, expected != nullptr) << wanted[l].text() << " of " << tree.root().raw;
    if (!found) continue;
    EXPECT_EQ(found->raw, expected->raw);
    EXPECT_EQ(found->kind, expected->kind);
    EXPECT_EQ(found->truth, expected->truth);
    bool has_text = found->kind == Kind::string || found->kind == Kind::number;
    EXPECT_TRUE(!has_text || found->text == expected->text) << found->text;
    EXPECT_TRUE(!in_tree || found == expected);
  }
}

const std::vector<Pointer> many =
    pointers({"", "/a", "/b/a", "/b", "/c/b/a", "/a/b", "/nowhere", "/c/c", "/a"});
const std::vector<Pointer> few = pointers({"/b", "/a/c"});

TEST(Locations, FindsInTheTextWhatPointersFindInTheTree) {
  RandomJson random(5);
  Locations all(many), some(few);
  Tree tree;
  int scanned = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string document = canonical(random.value(4, i % 2 == 0));
    tree.parse(document);
    for (auto [locations, wanted] : {std::pair(&all, &many), std::pair(&some, &few)}) {
      if (locations->scan(document)) {
        ++scanned;
        expect_found(*locations, *wanted, tree, false);
      }
      locations->find(tree);
      expect_found(*locations, *wanted, tree, true);
    }
  }
  EXPECT_GT(scanned, 1'000);
}

TEST(Locations, FindsTheSameByLayout) {
  RandomJson random(6);
  Locations all(many), some(few);
  Layouts layouts;
  Tree tree, scratch;
  for (int i = 0; i < 3'000; ++i) {
    std::string document = canonical(random.value(4, i % 2 == 0));
    for (int round = 0; round < 5; ++round) {
      tree.parse(document);
      std::vector<char> text(document.begin(), document.end());  // so that nothing may be read behind it
      for (auto [locations, wanted] : {std::pair(&all, &many), std::pair(&some, &few)}) {
        bool in_text = locations->scan(document);
        bool by_layout = locations->scan({text.data(), text.size()}, layouts, scratch);
        ASSERT_TRUE(by_layout || !in_text) << document;
        if (by_layout) expect_found(*locations, *wanted, tree, false);
      }
      document = refill(tree, document, [&] { return plain_scalar(random); });
    }
  }
  EXPECT_GT(layouts.matches(), 5'000u);
}

TEST(Locations, GoesByOnesLayoutsOnly) {
  Locations locations(pointers({"/a"}));
  Layouts layouts, others;
  Tree scratch;
  EXPECT_TRUE(locations.scan(R"({"a":1})", layouts, scratch));
  EXPECT_THROW(locations.scan(R"({"a":1})", others, scratch), Error);
}

TEST(Locations, TeachesNoLayoutsInVain) {
  std::string large = "[1";
  for (int i = 0; i < 2'000; ++i) large += ",1";
  large += "]";
  Locations locations(pointers({""}));
  Layouts layouts;
  Tree scratch;
  int parsed = 0;
  for (int i = 0; i < 1'000; ++i) {
    parsed += layouts.remembers(large);
    EXPECT_TRUE(locations.scan(large, layouts, scratch));
  }
  EXPECT_LT(parsed, 50);
  std::string huge = '"' + std::string(2'000'000, 'x') + '"';
  EXPECT_FALSE(layouts.remembers(huge));
  EXPECT_TRUE(locations.scan(huge, layouts, scratch));
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
