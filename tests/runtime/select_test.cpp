#include "sluice/runtime/select.hpp"

#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/runtime/collection.hpp"

namespace sluice::runtime {
namespace {

using protocol::materialize::Constraint;
using enum protocol::materialize::ConstraintType;
using Type = protocol::materialize::ConstraintType;

struct Case {
  protocol::CollectionSpec collection;
  protocol::materialize::ValidatedBinding validated;
  FieldsDef fields;
  protocol::FieldSelection live;
  bool has_live = false;

  // All fields optional, `id` and flow_document required locations.
  explicit Case(const std::string& schema, std::vector<ProjectionDef> projections = {}) {
    CollectionDef def;
    def.name = "c";
    def.write_schema_json = schema;
    def.key = {"/id"};
    def.projections = std::move(projections);
    collection = build_collection(def, nullptr, MissingInference::placeholder);
    for (const protocol::Projection& p : collection.projections) constrain(p.field, field_optional);
    constrain("flow_document", location_required);
    constrain("id", location_required);
  }
  Constraint& constrain(const std::string& field, Type type, std::string reason = "") {
    Constraint& c = validated.constraints[field];
    c.type = type;
    c.reason = std::move(reason);
    return c;
  }
  Selection run() const { return select_fields(collection, validated, fields, has_live ? &live : nullptr); }
  // "keys | values | document"
  std::string text() const {
    Selection s = run();
    EXPECT_EQ(sluice::text::join(s.conflicts, "; "), "");
    return sluice::text::join(s.fields.keys, ",") + " | " + sluice::text::join(s.fields.values, ",") + " | " +
           s.fields.document;
  }
  std::string conflict() const { return sluice::text::join(run().conflicts, "; "); }
};

constexpr const char* schema =
    R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"name":{"type":"string"},
  "addr":{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"string"}}},"tags":{"type":"array"},
  "_meta":{"type":"object","properties":{"op":{"type":"string"},"x":{"type":"string"}}}}})";

TEST(Select, depths) {
  Case s(schema);
  s.validated.constraints.erase("_meta/flow_truncated");
  s.fields.recommended = {1};
  EXPECT_EQ(s.text(), "id | _meta/op,addr,flow_published_at,name,tags | flow_document");
  s.fields.exclude = {"addr"};
  EXPECT_EQ(s.text(), "id | _meta/op,flow_published_at,name,tags | flow_document");
  s.fields.exclude = {};
  for (std::uint32_t deep : {2u, 3u, Depth::unlimited}) {
    s.fields.recommended = {deep};
    EXPECT_EQ(s.text(), "id | _meta/op,addr/city,addr/zip,flow_published_at,name,tags | flow_document");
  }
  s.fields.exclude = {"addr"};
  EXPECT_EQ(s.text(), "id | _meta/op,flow_published_at,name,tags | flow_document")
      << "its parent is excluded";
  s.fields.exclude = {};
  s.fields.recommended = {0};
  EXPECT_EQ(s.text(), "id |  | flow_document");
  s.constrain("flow_document", field_optional);
  EXPECT_EQ(s.text(), "id |  | flow_document") << "the root is what depth 0 desires";
}

TEST(Select, objects_without_known_children) {
  Case s(
      R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"o":{"type":["object","null"]},"o-x":{"type":"string"},"p":{"type":"object","properties":{"q":{}}}}})");
  s.fields.recommended = {2};
  EXPECT_EQ(s.text(), "id | flow_published_at,o,o-x,p/q | flow_document");
  s.fields.recommended = {Depth::unlimited};
  EXPECT_EQ(s.text(), "id | flow_published_at,o-x,p/q | flow_document");
}

TEST(Select, required_fields_and_their_options) {
  Case s(schema);
  s.fields.recommended = {0};
  s.fields.require = {{"addr/city", R"({"a":1})"}, {"_meta/x", "{}"}};
  EXPECT_EQ(s.text(), "id | _meta/x,addr/city | flow_document");
  EXPECT_EQ(s.run().fields.field_config_json_map.at("addr/city"), R"({"a":1})");
  s.fields.group_by = {"name", "id"};
  EXPECT_EQ(s.text(), "name,id | _meta/x,addr/city | flow_document");
}

TEST(Select, selected_parents_cover_what_is_below) {
  Case s(schema);
  s.fields.require = {{"addr", "{}"}};
  EXPECT_EQ(s.text(), "id | _meta/op,addr,flow_published_at,name,tags | flow_document");
  s.fields.require["addr/zip"] = "{}";
  EXPECT_EQ(s.text(), "id | _meta/op,addr,addr/zip,flow_published_at,name,tags | flow_document");
}

TEST(Select, projections_of_the_user_claim_their_locations) {
  Case s(schema, {{"title", "/name", false, {}}});
  EXPECT_EQ(s.text(), "id | _meta/op,addr/city,addr/zip,flow_published_at,tags,title | flow_document");
  s.constrain("name", location_required);
  EXPECT_EQ(s.text(), "id | _meta/op,addr/city,addr/zip,flow_published_at,tags,title | flow_document")
      << "the location is stored, by another name";
  s.fields.exclude = {"name"};
  s.constrain("title", location_required);
  EXPECT_EQ(s.text(), "id | _meta/op,addr/city,addr/zip,flow_published_at,tags,title | flow_document");
}

TEST(Select, location_that_a_later_field_satisfies_is_no_conflict) {
  Case s(schema);
  // Both wish for the same location with the same strength, and the first by name is excluded.
  s.collection.projections.push_back(*find_projection(s.collection, "name"));
  s.collection.projections.back().field = "zname";
  s.constrain("name", location_required);
  s.constrain("zname", location_required);
  s.fields.exclude = {"name"};
  EXPECT_EQ(s.text(), "id | _meta/op,addr/city,addr/zip,flow_published_at,tags,zname | flow_document");
}

TEST(Select, weak_wishes_give_way_silently) {
  Case s(schema, {{"title", "/name", false, {}}});
  s.constrain("tags", field_forbidden);
  s.constrain("title", field_forbidden);
  s.constrain("flow_published_at", field_forbidden);
  s.validated.constraints.erase("addr/city");
  EXPECT_EQ(s.text(), "id | _meta/op,addr/zip,name | flow_document");
}

TEST(Select, folds) {
  Case s(
      R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"A":{"type":"string"},"a":{"type":"string"}}})");
  EXPECT_EQ(s.text(), "id | A,a,flow_published_at | flow_document");
  s.constrain("A", field_optional).folded_field = "a";
  EXPECT_EQ(s.text(), "id | A,flow_published_at | flow_document");
  s.constrain("A", field_optional).folded_field = "";
  s.validated.case_insensitive_fields = true;
  EXPECT_EQ(s.text(), "id | A,flow_published_at | flow_document");
  s.fields.require = {{"A", "{}"}, {"a", "{}"}};
  EXPECT_EQ(
      s.conflict(),
      R"(conflict for field "a": the binding requires it but the endpoint takes its name for that of a selected field ("A", as "a"))");
}

TEST(Select, conflicts) {
  Case s(schema);
  s.fields.require = {{"nope", "{}"}, {"tags", "{}"}, {"name", "{}"}};
  s.fields.exclude = {"tags"};
  s.validated.constraints.erase("name");
  s.constrain("other", field_required, "needed");
  s.constrain("id", field_forbidden, "no integers");
  Selection selection = s.run();
  EXPECT_EQ(
      selection.conflicts,
      (std::vector<std::string>{
          R"(conflict for field "id": it is part of the key but the connector forbids it (no integers))",
          R"(conflict for field "name": the binding requires it but the connector does not support it)",
          R"(conflict for field "nope": the binding requires it but the collection has no such field)",
          R"(conflict for field "other": the connector requires it (needed) but the collection has no such field)",
          R"(conflict for field "tags": the binding requires it but the binding excludes it)"}));
  EXPECT_FALSE(selection.only_incompatible);
  Case document(schema);
  document.fields.exclude = {"flow_document"};
  EXPECT_EQ(
      document.conflict(),
      R"(conflict for field "flow_document": the connector requires its location but the binding excludes it)");
}

TEST(Select, live_selection) {
  Case s(schema);
  s.fields.recommended = {1};
  s.has_live = true;
  s.live.keys = {"id"};
  s.live.values = {"_meta/x", "addr/city", "gone", "name"};
  s.live.document = "flow_document";
  EXPECT_EQ(s.text(), "id | _meta/op,_meta/x,addr,addr/city,flow_published_at,name,tags | flow_document");
  s.fields.exclude = {"_meta/x"};
  EXPECT_EQ(s.text(), "id | _meta/op,addr,addr/city,flow_published_at,name,tags | flow_document");
}

TEST(Select, incompatible_fields) {
  Case s(schema);
  s.fields.recommended = {1};
  s.constrain("name", incompatible, "was integer");
  EXPECT_EQ(s.text(), "id | _meta/op,addr,flow_published_at,name,tags | flow_document")
      << "neutral without a live selection";
  s.has_live = true;
  s.live.values = {"name"};
  Selection selection = s.run();
  EXPECT_EQ(
      selection.conflicts,
      std::vector<std::string>{
          R"(conflict for field "name": it is materialized already but it cannot be stored beside what is there (was integer))"});
  EXPECT_TRUE(selection.only_incompatible);
  EXPECT_EQ(selection.fields.values,
            (std::vector<std::string>{"_meta/op", "addr", "flow_published_at", "name", "tags"}));
  s.fields.require = {{"nope", "{}"}};
  EXPECT_FALSE(s.run().only_incompatible);
}

TEST(Select, newer_constraints_replace_the_map) {
  Case s(schema);
  s.fields.recommended = {1};
  for (const auto& [field, c] : s.validated.constraints)
    s.validated.projection_constraints.push_back({field, c});
  s.validated.constraints.clear();
  s.validated.constraints["name"].type = field_forbidden;
  s.validated.projection_constraints.push_back({"id", Constraint{unsatisfiable, "changed", ""}});
  EXPECT_EQ(s.text(), "id | _meta/op,addr,flow_published_at,name,tags | flow_document");
  s.has_live = true;
  EXPECT_EQ(
      s.conflict(),
      R"(conflict for field "id": it is part of the key but it cannot be stored beside what is there (changed))");
  s.validated.projection_constraints.push_back({"tags", Constraint{}});
  EXPECT_THROW(s.run(), Error);
}

}  // namespace
}  // namespace sluice::runtime
