#include <gtest/gtest.h>

#include "sample.hpp"
#include "sluice/testing/snapshot.hpp"

namespace {

using namespace sluice;
using sample::field;

TEST(Schema, IsAsRecorded) {
  sluice::testing::expect_snapshot(SNAPSHOTS "/endpoint.schema.json",
                                   sluice::testing::pretty(config::json_schema<sample::Endpoint>()));
}

struct Empty {
  static constexpr auto about = config::about("Nothing");
  static constexpr auto fields() { return std::tuple{}; }
};

TEST(Schema, OfAnEmptyStructHasNoProperties) {
  EXPECT_EQ(config::json_schema<Empty>(), R"({"$schema":"https://json-schema.org/draft/2020-12/schema",)"
                                          R"("type":"object","title":"Nothing","properties":{}})");
}

struct None {
  static constexpr auto about = config::about("None").tag("none");
  static constexpr auto fields() { return std::tuple{}; }
};
struct Csv {
  static constexpr auto about = config::about("CSV").tag("csv");
  int skip = 0;
  static constexpr auto fields() { return std::tuple{field("skip", &Csv::skip)}; }
};
struct Format {
  std::variant<std::monostate, None, Csv> format;
  static constexpr auto fields() {
    return std::tuple{field("format", &Format::format).discriminator("type", true)};
  }
};

TEST(Schema, MarksTagsOtherThanAuthTypeNonsensitiveAndRequiredOnDemand) {
  EXPECT_EQ(config::json_schema<Format>(),
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{)"
            R"("format":{"type":"object",)"
            R"("default":{"type":"none"},"discriminator":{"propertyName":"type"},"oneOf":[)"
            R"({"type":"object","title":"None","properties":{"type":{"type":"string","const":"none",)"
            R"("default":"none","order":0,"nonsensitive":true}},"required":["type"]},)"
            R"({"type":"object","title":"CSV","properties":{"type":{"type":"string","const":"csv",)"
            R"("default":"csv","order":0,"nonsensitive":true},)"
            R"("skip":{"type":"integer","default":0}},"required":["type"]}]}}})");
}

struct Base {
  std::string stream;
  static constexpr auto fields() { return std::tuple{field("stream", &Base::stream).required()}; }
};
struct Derived : Base {
  std::optional<std::string> path;
  static constexpr auto fields() {
    return std::tuple_cat(Base::fields(), std::tuple{field("path", &Derived::path).nullable()});
  }
};

TEST(Schema, TakesInheritedMembers) {
  EXPECT_EQ(config::json_schema<Derived>(),
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{)"
            R"("stream":{"type":"string"},"path":{"type":["string","null"],"default":null}},)"
            R"("required":["stream"]})");
  auto value = config::parse<Derived>(R"({"stream":"s","path":"p"})");
  EXPECT_EQ(value.stream, "s");
  EXPECT_EQ(value.path, "p");
}

}  // namespace
