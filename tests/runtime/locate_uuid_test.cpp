#include "../../src/runtime/locate_uuid.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

constexpr std::string_view uuid = "66285dbc-543d-11ef-8001-69ef5bf77016";

std::string found(std::string document) {
  auto at = locate_uuid(document);
  return at ? document.substr(*at, 36) : "none";
}

TEST(LocateUuid, FindsItBehindValuesOfAnyKind) {
  std::string meta = "\"_meta\":{\"op\":\"c\",\"uuid\":\"" + std::string(uuid) + "\"}}";
  EXPECT_EQ(found("{" + meta), uuid);
  EXPECT_EQ(found(R"({"A":"a\"b\\",)" + meta), uuid);
  EXPECT_EQ(found(R"({"A":[1,{"_meta":{"uuid":"x"}},"]}"],"B":null,"C":-1.5e3,)" + meta), uuid);
  EXPECT_EQ(found(R"({"A":{},"B":[],)" + meta), uuid);
  EXPECT_EQ(found(R"({"A\\":true,)" + meta), uuid);
}

TEST(LocateUuid, IsNotMisledByNestedOrSimilarNames) {
  EXPECT_EQ(found(R"({"a":{"_meta":{"uuid":"66285dbc-543d-11ef-8001-69ef5bf77016"}}})"), "none");
  EXPECT_EQ(found(R"({"_meta":{"a":{"uuid":"66285dbc-543d-11ef-8001-69ef5bf77016"}}})"), "none");
  EXPECT_EQ(found(R"({"_meta":{"uuid":"short"}})"), "none");
  EXPECT_EQ(found(R"({"_meta":{"uuid":7}})"), "none");
  EXPECT_EQ(found(R"({"_meta":"uuid"})"), "none");
  EXPECT_EQ(found(R"({})"), "none");
}

TEST(LocateUuid, StopsAtTheEndOfATextThatWasCut) {
  std::string document =
      R"({"A":["x",{"b":"\"c"}],"_meta":{"op":"c","uuid":"66285dbc-543d-11ef-8001-69ef5bf77016"}})";
  for (std::size_t size = 0; size + 3 < document.size(); ++size)
    EXPECT_EQ(locate_uuid(std::string(document, 0, size)), std::nullopt) << size;
}

}  // namespace
}  // namespace sluice::runtime
