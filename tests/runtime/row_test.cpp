#include "sluice/runtime/row.hpp"

#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

using protocol::CollectionSpec;
using protocol::Projection;

Projection projection(std::string field, std::string ptr, std::string default_json = {}) {
  Projection p;
  p.field = std::move(field);
  p.ptr = std::move(ptr);
  p.inference.emplace().default_json = std::move(default_json);
  return p;
}

CollectionSpec collection() {
  CollectionSpec spec;
  spec.name = "acme/orders";
  Projection published = projection("flow_published_at", "/_meta/uuid");
  published.inference->string.emplace();
  published.inference->string->format = "date-time";
  published.inference->string->content_encoding = "uuid";
  spec.projections = {projection("_meta/flow_truncated", "/_meta/flow_truncated"),
                      projection("_meta/uuid", "/_meta/uuid"),
                      projection("addr/city", "/addr/city"),
                      projection("first tag", "/tags/0"),
                      published,
                      projection("flow_document", ""),
                      projection("id", "/id"),
                      projection("n", "/n", "7"),
                      projection("odd/name", "/odd~1name"),
                      projection("tags", "/tags"),
                      projection("text", "/text")};
  return spec;
}

constexpr std::string_view document =
    R"({"_meta":{"uuid":"66285dbc-543d-11ef-8801-69ef5bf77016"},"addr":{"city":"Bonn","zip":1},"id":3,"odd/name":1.5,"tags":["a",{"b":[1,2,3]}],"text":"äöü"})";

// The tuple as readable text.
std::string row(std::vector<std::string> fields, std::string_view json = document,
                std::optional<protocol::SerPolicy> policy = {}) {
  CollectionSpec spec = collection();
  RowReader reader(spec, fields, policy);
  json::Layouts layouts;
  std::string packed, out;
  for (int i = 0; i < 3; ++i) {  // nothing is left over from document to document; the last by its layout
    packed.clear();
    reader.read(json, {}, layouts);
    reader.pack(packed);
  }
  data::TupleReader tuple(packed);
  while (!tuple.done()) {
    data::Element e = tuple.next();
    if (!out.empty()) out += ' ';
    if (std::holds_alternative<std::monostate>(e)) out += "null";
    if (auto* v = std::get_if<bool>(&e)) out += *v ? "true" : "false";
    if (auto* v = std::get_if<std::int64_t>(&e)) out += std::to_string(*v);
    if (auto* v = std::get_if<double>(&e)) out += fmt::format("{}", *v);
    if (auto* v = std::get_if<std::string_view>(&e)) out += "'" + std::string(*v) + "'";
    if (auto* v = std::get_if<data::Json>(&e)) out += v->text;
  }
  return out;
}

TEST(RowReader, PacksFieldsInTheirOrderWhateverTheirPlace) {
  EXPECT_EQ(row({"text", "id", "addr/city", "odd/name", "tags", "first tag"}),
            R"('äöü' 3 'Bonn' 1.5 ["a",{"b":[1,2,3]}] 'a')");
}

TEST(RowReader, AMissingLocationIsItsDefaultOrNull) {
  EXPECT_EQ(row({"n", "id", "addr/city"}, R"({"_meta":{}})"), "7 null null");
  EXPECT_EQ(row({"n"}, R"({"n":null})"), "null");
  EXPECT_EQ(row({"addr/city", "first tag"}, R"({"addr":3,"tags":[]})"), "null null");
}

TEST(RowReader, SyntheticFields) {
  EXPECT_EQ(row({"flow_published_at", "_meta/uuid", "_meta/flow_truncated"}),
            "'2024-08-06T21:46:55.543442808Z' '66285dbc-543d-11ef-8801-69ef5bf77016' false");
}

TEST(RowReader, PublicationTimesOfOneReaderAreTheirOwn) {
  CollectionSpec spec = collection();
  RowReader reader(spec, {"flow_published_at"}, {});
  json::Layouts layouts;
  auto document_of = [](std::uint64_t clock) {
    char uuid[uuid_length];
    write_uuid({clock, 0, {1, 2, 3, 4, 5, 6}}, uuid);
    return R"({"_meta":{"uuid":")" + std::string(uuid, uuid_length) + R"("}})";
  };
  std::uint64_t start = clock_of_unix(1'700'000'000'000'000'000);
  for (std::uint64_t clock : {start, start + 1, start + (10'000'000 << 4) - 1, start + (10'000'000 << 4),
                              start, start + (90'000'000 << 4) + 15, std::uint64_t{15},
                              std::uint64_t{1} << 20, clock_of_unix(-1), ~std::uint64_t{0}, start}) {
    std::string packed, expected, json = document_of(clock);
    reader.read(json, {}, layouts);
    reader.pack(packed);
    data::pack_string(expected, published_at(clock));
    EXPECT_EQ(packed, expected) << clock;
  }
}

TEST(RowReader, TheRootMayBeAField) { EXPECT_EQ(row({"flow_document"}), document); }

TEST(RowReader, AllFieldsAmongManyOthers) {
  std::string wide = "{";
  CollectionSpec spec;
  std::vector<std::string> fields;
  for (int i = 100; i < 400; ++i) {
    if (i > 100) wide += ',';
    wide += fmt::format("\"c{}\":{}", i, i);
    if (i % 3) continue;
    spec.projections.push_back(projection(fmt::format("f{}", 999 - i), fmt::format("/c{}", i)));
    fields.insert(fields.begin(), spec.projections.back().field);
  }
  wide += '}';
  RowReader reader(spec, fields, {});
  json::Layouts layouts;
  std::string expected;
  for (const std::string& field : fields)
    data::pack(expected, std::int64_t(999 - std::stoi(field.substr(1))));
  for (int i = 0; i < 3; ++i) {
    std::string packed;
    reader.read(wide, {}, layouts);
    reader.pack(packed);
    EXPECT_EQ(packed, expected);
  }
}

TEST(RowReader, WhetherScannedOrParsedTheRowIsTheSame) {
  protocol::SerPolicy generous;  // documents that may be cut are parsed
  generous.str_truncate_after = 1 << 20;
  const std::vector<std::string> fields = {
      "_meta/uuid", "addr/city", "first tag", "id",   "flow_document",
      "n",          "odd/name",  "tags",      "text", "flow_published_at"};
  for (
      std::string_view json :
      {document, std::string_view("{}"), std::string_view(R"({"id":-1})"), std::string_view(R"({"addr":{}})"),
       std::string_view(R"({"addr":{"city":{"a":"}","b":["]"]}},"id":1e3,"n":null,"text":""})"),
       std::string_view(
           R"({"addr":[1],"id":true,"n":false,"odd/name":18446744073709551615,"text":"a\"b\\"})"),
       std::string_view(
           R"({"":0,"_meta":{"uuid":"66285dbc-543d-11ef-8801-69ef5bf77016"},"addr":{"a":1,"city":2},"tags":[],"z":{"id":9}})")})
    for (std::size_t i = 0; i <= fields.size(); ++i) {
      std::vector<std::string> some(fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_EQ(row(some, json), row(some, json, generous)) << json;
    }
}

TEST(RowReader, AnUnknownFieldIsAnError) {
  CollectionSpec spec = collection();
  EXPECT_THROW(RowReader(spec, {"nope"}, {}), Error);
}

TEST(RowReader, ThePolicyCutsValuesAndSaysSo) {
  protocol::SerPolicy policy;
  policy.str_truncate_after = 3;  // in the middle of the second character
  EXPECT_EQ(row({"_meta/flow_truncated", "text"}, document, policy), "true 'ä'");
  EXPECT_EQ(row({"_meta/flow_truncated", "id"}, R"({"id":1,"text":"abc"})", policy), "false 1");
  policy = {};
  policy.array_truncate_after = 2;
  EXPECT_EQ(row({"tags", "_meta/flow_truncated"}, document, policy), R"(["a",{"b":[1,2]}] true)");
  policy = {};
  policy.nested_obj_truncate_after = 1;
  EXPECT_EQ(row({"addr/city", "_meta/flow_truncated"}, document, policy), "'Bonn' true");
}

TEST(RowReader, ThePolicyCutsTheStoredDocument) {
  CollectionSpec spec = collection();
  protocol::SerPolicy policy;
  policy.nested_obj_truncate_after = 1;
  policy.array_truncate_after = 1;
  RowReader reader(spec, {"id"}, policy);
  json::Layouts layouts;
  reader.read(document, {}, layouts);
  EXPECT_EQ(
      reader.document(),
      R"({"_meta":{"uuid":"66285dbc-543d-11ef-8801-69ef5bf77016"},"addr":{"city":"Bonn"},"id":3,"odd/name":1.5,"tags":["a"],"text":"äöü"})");
}

TEST(RowReader, WithoutAPolicyTheDocumentIsStoredAsItIs) {
  CollectionSpec spec = collection();
  RowReader reader(spec, {"id"}, protocol::SerPolicy());
  json::Layouts layouts;
  reader.read(document, {}, layouts);
  EXPECT_EQ(reader.document(), document);
}

}  // namespace
}  // namespace sluice::runtime
