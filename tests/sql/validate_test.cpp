#include "sluice/sql/validate.hpp"

#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "sluice/base/error.hpp"

namespace sluice::sql {
namespace {

using protocol::Exists;
using protocol::MaterializationBinding;
using protocol::MaterializationSpec;
using protocol::Projection;
using protocol::materialize::ConstraintType;
using protocol::materialize::ValidateBinding;

std::string_view short_name(ConstraintType type) {
  switch (type) {
    case ConstraintType::field_required:
      return "REQUIRED";
    case ConstraintType::location_required:
      return "LOCATION";
    case ConstraintType::location_recommended:
      return "recommended";
    case ConstraintType::field_optional:
      return "optional";
    case ConstraintType::field_forbidden:
      return "FORBIDDEN";
    case ConstraintType::incompatible:
      return "INCOMPATIBLE";
    default:
      return "?";
  }
}

// One binding on table `t` in whatever state a case wants.
struct Case {
  PlainDialect dialect;
  Rules rules;
  ValidateBinding binding;
  Resource resource{{"t"}, false};
  std::optional<MaterializationBinding> last;
  std::optional<LiveTable> table;

  Case(std::vector<Projection> projections) {
    binding.collection.emplace();
    binding.collection->name = "acme/c";
    binding.collection->key = {"/id"};
    binding.collection->projections = std::move(projections);
  }
  Case& was(std::vector<std::string> keys, std::vector<std::string> values, std::string document,
            bool delta = false, std::uint32_t backfill = 0) {
    last.emplace();
    last->resource_path = {"t"};
    last->delta_updates = delta;
    last->backfill = backfill;
    last->field_selection.emplace();
    last->field_selection->keys = std::move(keys);
    last->field_selection->values = std::move(values);
    last->field_selection->document = std::move(document);
    return *this;
  }
  Case& has(LiveTable t) {
    table = std::move(t);
    return *this;
  }
  std::vector<protocol::materialize::ProjectionConstraint> run() const {
    InfoSchema info(dialect);
    if (table) info.add(*table);
    return constraints(dialect, rules, binding, resource, last ? &*last : nullptr, info);
  }
  // "field: CONSTRAINT CONSTRAINT" for each field.
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::string of;
    for (const auto& c : run()) {
      if (out.empty() || of != c.field) out.push_back(c.field + ":");
      of = c.field;
      out.back().append(" ").append(short_name(c.constraint->type));
    }
    return out;
  }
  std::string error() const {
    try {
      run();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::config);
      return e.what();
    }
    return {};
  }
};
using Lines = std::vector<std::string>;

std::vector<Projection> standard() {
  return {key("id"), root("doc"), field("a", {"string"}), field("o", {"object"})};
}

// ---- §3.3: the opinion, row by row ----

TEST(NewBinding, EveryRow) {
  std::vector<Projection> all{key("id"),
                              root("doc"),
                              field("_meta/op", {"string"}),
                              field("_meta/source", {"object"}),
                              field("array", {"array", "null"}),
                              field("ctid", {"string"}),
                              field("many", {"integer", "string"}),
                              field("null", {"null"}),
                              field("numeric", {"integer", "string"}),
                              field("object", {"null", "object"}),
                              field("scalar", {"boolean", "null"}),
                              field("typeless", {})};
  all[8].inference->string.emplace();
  all[8].inference->string->format = "integer";
  Case c(all);
  EXPECT_EQ(c.lines(), (Lines{"_meta/op: recommended", "_meta/source: optional", "array: recommended",
                              "ctid: FORBIDDEN", "doc: LOCATION", "id: LOCATION", "many: recommended",
                              "null: FORBIDDEN", "numeric: recommended", "object: optional",
                              "scalar: recommended", "typeless: FORBIDDEN"}));
}

TEST(NewBinding, DeltaUpdatesRequireNothing) {
  Case c({key("id"), root("doc"), root("doc2"), field("a", {"string"})});
  c.resource.delta_updates = true;
  EXPECT_EQ(c.lines(), (Lines{"a: recommended", "doc: recommended", "doc2: recommended", "id: recommended"}));
}

TEST(NewBinding, OnlyOneRootDocument) {
  Case c({root("a_doc"), root("b_doc"), key("id")});
  EXPECT_EQ(c.lines(), (Lines{"a_doc: LOCATION", "b_doc: FORBIDDEN", "id: LOCATION"}));
}

TEST(NewBinding, OnlyTheFirstKeyLocationIsRequired) {
  Case c({key("id"), key("id2"), root("doc"), field("alias", {"integer"}, Exists::must)});
  c.binding.collection->key = {"/id", "/id2"};
  c.binding.collection->projections[3].ptr = "/id";
  c.binding.collection->projections[3].is_primary_key = true;
  EXPECT_EQ(c.lines(), (Lines{"alias: LOCATION", "doc: LOCATION", "id: LOCATION", "id2: recommended"}));
}

TEST(NewBinding, WithoutTheRootDocument) {
  Case c({key("id"), root("doc"), field("deep", {"string"}, Exists::must), field("maybe", {"string"}),
          field("must", {"string"}, Exists::must)});
  c.binding.collection->projections[2].ptr = "/a/b";
  c.rules.no_flow_document = true;
  EXPECT_EQ(c.lines(), (Lines{"deep: recommended", "doc: optional", "id: LOCATION", "maybe: recommended",
                              "must: LOCATION"}));
  c.resource.delta_updates = true;
  EXPECT_EQ(c.lines(), (Lines{"deep: recommended", "doc: optional", "id: recommended", "maybe: recommended",
                              "must: recommended"}));
}

// ---- §3.2: the binding as a whole ----

TEST(Binding, KeysMustExistOrHaveADefault) {
  Case c({key("id"), root("doc")});
  Projection& id = c.binding.collection->projections[0];
  id.inference->types = {"integer", "null"};
  EXPECT_NE(c.error().find("key field 'id' of collection 'acme/c' may be null or absent"), std::string::npos);
  id.inference->default_json = "0";
  EXPECT_EQ(c.error(), "");
  id.inference->default_json.clear();
  id.inference->types = {"integer"};
  id.inference->exists = Exists::may;
  EXPECT_NE(c.error(), "");
}

TEST(Binding, GroupByTakesThePlaceOfTheCollectionKey) {
  Case c({key("id"), root("doc"), field("g", {"string"})});
  c.binding.group_by = {"g"};
  EXPECT_NE(c.error().find("key field 'g'"), std::string::npos);
  c.binding.collection->projections[2].inference->exists = Exists::must;
  EXPECT_EQ(c.lines(), (Lines{"doc: LOCATION", "g: recommended", "id: LOCATION"}));
  // The table is unique by g, not by id.
  c.has(live("t", {{"g", "text!"}, {"id", "int"}, {"doc", "json!"}}, {"g"})).was({"g"}, {"id"}, "doc");
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "g: REQUIRED", "id: optional"}));
}

TEST(Binding, AnExistingTableIsNotAdopted) {
  Case c(standard());
  c.has(live("t", {{"id", "int!"}, {"doc", "json"}}));
  EXPECT_NE(c.error().find("table 't' already exists, but its binding is new"), std::string::npos);
  EXPECT_NE(c.error().find("allow_existing_tables_for_new_bindings"), std::string::npos);
  c.rules.allow_existing_tables_for_new_bindings = true;
  EXPECT_EQ(c.lines(), (Lines{"a: recommended", "doc: REQUIRED", "id: REQUIRED", "o: optional"}));
}

TEST(Binding, ViewsAreRefused) {
  Case c(standard());
  c.has(live("t", {{"id", "int!"}}));
  c.table->kind = "view";
  EXPECT_NE(c.error().find("'t' is a view, not a table"), std::string::npos);
}

TEST(Binding, DeltaBecomesStandardOnlyByABackfill) {
  Case c(standard());
  c.has(live("t", {{"id", "int!"}, {"doc", "json"}}, {})).was({"id"}, {}, "doc", true);
  EXPECT_NE(c.error().find("from delta updates to standard updates"), std::string::npos);
  c.binding.backfill = 1;
  EXPECT_EQ(c.lines(), (Lines{"a: recommended", "doc: LOCATION", "id: LOCATION", "o: optional"}));
}

TEST(Binding, StandardBecomesDelta) {
  Case c(standard());
  c.resource.delta_updates = true;
  c.has(live("t", {{"id", "int!"}, {"doc", "json"}})).was({"id"}, {}, "doc");
  EXPECT_EQ(c.lines(), (Lines{"a: recommended", "doc: optional", "id: REQUIRED", "o: optional"}));
}

TEST(Binding, ABackfillCounterThatDiffersMeansNew) {
  Case c(standard());
  c.has(live("t", {{"id", "text!"}, {"doc", "int"}})).was({"id"}, {}, "doc", false, 3);
  c.binding.backfill = 2;
  EXPECT_EQ(c.lines(), (Lines{"a: recommended", "doc: LOCATION", "id: LOCATION", "o: optional"}));
}

TEST(Binding, AMissingTableMeansNew) {
  Case c(standard());
  c.was({"id"}, {}, "doc");
  EXPECT_EQ(c.lines(), (Lines{"a: recommended", "doc: LOCATION", "id: LOCATION", "o: optional"}));
}

// ---- §3.4: an existing table ----

TEST(Existing, ColumnsAndFieldsWithout) {
  Case c(standard());
  c.has(live("t", {{"id", "int!"}, {"a", "text"}, {"doc", "json!"}})).was({"id"}, {"a"}, "doc");
  EXPECT_EQ(c.lines(), (Lines{"a: optional", "doc: REQUIRED", "id: REQUIRED", "o: optional"}));
}

TEST(Existing, ForbiddenStaysForbidden) {
  Case c({key("id"), root("doc"), field("n", {"null"})});
  c.has(live("t", {{"id", "int!"}, {"n", "text"}, {"doc", "json"}})).was({"id"}, {"n"}, "doc");
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "id: REQUIRED", "n: FORBIDDEN"}));
}

TEST(Existing, IncompatibleUnlessMigratable) {
  Case c({key("id"), root("doc"), field("b", {"boolean"}), field("i", {"string"})});
  c.has(live("t", {{"id", "int!"}, {"b", "text"}, {"i", "int"}, {"doc", "json"}}))
      .was({"id"}, {"b", "i"}, "doc");
  c.table->columns[1].max_length = 20;
  EXPECT_EQ(c.lines(), (Lines{"b: INCOMPATIBLE", "doc: REQUIRED", "i: optional", "id: REQUIRED"}));
  EXPECT_EQ(c.run()[0].constraint->reason,
            "field 'b' is stored as TEXT(20) but its schema { type: [boolean] } needs BOOL");
}

TEST(Existing, KeysDoNotMigrate) {
  Case c({key("id", "string"), root("doc")});
  c.has(live("t", {{"id", "int!"}, {"doc", "json"}})).was({"id"}, {}, "doc");
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "id: INCOMPATIBLE"}));
}

TEST(Existing, UserDdlFitsEverything) {
  Case c({key("id"), root("doc"), field("b", {"boolean"})});
  c.has(live("t", {{"id", "int!"}, {"b", "text"}, {"doc", "json"}})).was({"id"}, {"b"}, "doc");
  c.binding.field_config_json_map["b"] = R"({"DDL":"bit varying"})";
  EXPECT_EQ(c.lines(), (Lines{"b: optional", "doc: REQUIRED", "id: REQUIRED"}));
  c.binding.field_config_json_map["b"] = R"({"castToString":true})";
  EXPECT_EQ(c.lines(), (Lines{"b: optional", "doc: REQUIRED", "id: REQUIRED"}));
}

TEST(Existing, TheSelectedDocumentRules) {
  Case c({root("a_doc"), root("b_doc"), key("id")});
  c.has(live("t", {{"id", "int!"}, {"b_doc", "json"}})).was({"id"}, {}, "b_doc");
  EXPECT_EQ(c.lines(), (Lines{"a_doc: FORBIDDEN", "b_doc: REQUIRED", "id: REQUIRED"}));
  // Its column is gone: it is created again.
  c.has(live("t", {{"id", "int!"}}));
  EXPECT_EQ(c.lines(), (Lines{"a_doc: FORBIDDEN", "b_doc: REQUIRED", "id: REQUIRED"}));
  // Its column is of another type.
  c.has(live("t", {{"id", "int!"}, {"b_doc", "int"}}));
  EXPECT_EQ(c.lines(), (Lines{"a_doc: FORBIDDEN", "b_doc: LOCATION INCOMPATIBLE", "id: REQUIRED"}));
  c.rules.no_flow_document = true;
  EXPECT_EQ(c.lines(), (Lines{"a_doc: FORBIDDEN", "b_doc: INCOMPATIBLE", "id: REQUIRED"}));
}

TEST(Existing, ADocumentIsNotAddedLater) {
  Case c({root("doc"), key("id")});
  c.has(live("t", {{"id", "int!"}})).was({"id"}, {}, "");
  EXPECT_EQ(c.lines(), (Lines{"doc: LOCATION INCOMPATIBLE", "id: REQUIRED"}));
  c.rules.no_flow_document = true;
  EXPECT_EQ(c.lines(), (Lines{"doc: INCOMPATIBLE", "id: REQUIRED"}));
}

TEST(Existing, ADocumentThatIsNoLongerProjected) {
  Case c({root("renamed"), key("id")});
  c.has(live("t", {{"id", "int!"}, {"doc", "json"}})).was({"id"}, {}, "doc");
  EXPECT_EQ(c.lines(), (Lines{"id: REQUIRED", "renamed: FORBIDDEN LOCATION INCOMPATIBLE"}));
}

TEST(Existing, AStandardTableNeedsARootProjection) {
  Case c({key("id")});
  c.has(live("t", {{"id", "int!"}})).was({"id"}, {}, "");
  EXPECT_NE(c.error().find("no projection of the root document"), std::string::npos);
}

TEST(Existing, NewKeys) {
  Case c({root("doc"), key("id"), key("k2"), key("k3")});
  c.binding.collection->key = {"/id", "/k2", "/k3"};
  c.was({"id"}, {"k2"}, "doc");
  c.has(live("t", {{"id", "int!"}, {"k2", "int"}, {"doc", "json"}}));
  // Never selected: forbidden. Selected as a value: its column exists, but the table is not unique by it.
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "id: INCOMPATIBLE", "k2: INCOMPATIBLE", "k3: FORBIDDEN"}));
  c.has(live("t", {{"id", "int!"}, {"doc", "json"}}));
  EXPECT_EQ(c.lines()[2], "k2: optional");
}

TEST(Existing, TheLiveKeyIsCompared) {
  Case c({root("doc"), key("id"), key("k2")});
  c.binding.collection->key = {"/id", "/k2"};
  c.was({"id", "k2"}, {}, "doc");
  c.has(live("t", {{"id", "int!"}, {"k2", "int!"}, {"doc", "json"}}, {"k2", "id"}));
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "id: REQUIRED", "k2: REQUIRED"}));
  c.has(live("t", {{"id", "int!"}, {"k2", "int!"}, {"doc", "json"}}, {"id"}));
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "id: INCOMPATIBLE", "k2: INCOMPATIBLE"}));
  // A unique index does as well.
  c.table->unique_keys.push_back({"id", "k2"});
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "id: REQUIRED", "k2: REQUIRED"}));
  // Delta updates need none.
  c.has(live("t", {{"id", "int!"}, {"k2", "int!"}, {"doc", "json"}}, {}));
  c.last->delta_updates = c.resource.delta_updates = true;
  EXPECT_EQ(c.lines(), (Lines{"doc: optional", "id: REQUIRED", "k2: REQUIRED"}));
}

TEST(Existing, TheFirstKeyAloneMayBeProjectedTwice) {
  Case c({root("doc"), key("id"), key("id_too")});
  c.binding.collection->projections[2].ptr = "/id";
  c.was({"id_too"}, {}, "doc").has(live("t", {{"id_too", "int!"}, {"doc", "json"}}, {"id_too"}));
  EXPECT_EQ(c.lines(), (Lines{"doc: REQUIRED", "id: FORBIDDEN", "id_too: REQUIRED"}));
}

// ---- §3.5 ----

TEST(Names, TranslatedNamesAreFolded) {
  Case c({key("id"), root("doc"), field("a_rather_long_name", {"string"})});
  auto all = c.run();
  EXPECT_EQ(all[0].constraint->folded_field, "a_rather_l");
  EXPECT_EQ(all[1].constraint->folded_field, "");
}

TEST(Names, LongFieldsAreForbiddenOrAnError) {
  Case c({key("id"), root("doc"), field("ééééé", {"string"}), field("sixsix", {"string"})});
  c.dialect.longest_field = 5;
  EXPECT_EQ(c.lines(), (Lines{"doc: LOCATION", "id: LOCATION", "sixsix: FORBIDDEN", "ééééé: recommended"}));
  EXPECT_EQ(c.run()[2].constraint->reason, "field 'sixsix' is 6 characters long, 5 are allowed");
}

TEST(Names, ALongRequiredLocationNeedsAShortProjection) {
  Case c({key("id"), root("document")});
  c.dialect.longest_field = 5;
  EXPECT_NE(c.error().find("field 'document' is 8 characters long"), std::string::npos);
  c.binding.collection->projections.push_back(root("doc"));
  EXPECT_EQ(c.lines(), (Lines{"doc: FORBIDDEN", "document: FORBIDDEN", "id: LOCATION"}));
  c.binding.collection->projections = {root("doc"), key("id"), key("identity")};
  c.binding.collection->projections[2].ptr = "/id";
  EXPECT_EQ(c.lines(), (Lines{"doc: LOCATION", "id: LOCATION", "identity: FORBIDDEN"}));
}

TEST(Names, ALongRequiredFieldIsAnError) {
  Case c({key("identity"), root("doc")});
  c.binding.collection->key = {"/identity"};
  c.dialect.longest_field = 5;
  c.was({"identity"}, {}, "doc").has(live("t", {{"identity", "int!"}, {"doc", "json"}}, {"identity"}));
  EXPECT_NE(c.error().find("field 'identity' is 8 characters long"), std::string::npos);
}

// ---- the response ----

protocol::materialize::Validate request_of(const Case& c) {
  protocol::materialize::Validate request;
  request.bindings = {c.binding};
  return request;
}

TEST(Response, FillsBothForms) {
  Case c({root("doc"), key("id")});
  c.has(live("t", {{"id", "int!"}})).was({"id"}, {}, "");
  c.dialect.fold_case = true;
  InfoSchema info(c.dialect);
  info.add(*c.table);
  auto request = request_of(c);
  request.last_materialization.emplace().inactive_bindings = {*c.last};
  auto response = validate(c.dialect, c.rules, request, {c.resource}, info);
  ASSERT_EQ(response.bindings.size(), 1u);
  const auto& b = response.bindings[0];
  EXPECT_EQ(b.resource_path, Path{"t"});
  EXPECT_TRUE(b.case_insensitive_fields);
  EXPECT_EQ(b.projection_constraints.size(), 3u);
  // The strictest of a field's constraints.
  EXPECT_EQ(b.constraints.at("doc").type, ConstraintType::incompatible);
  EXPECT_EQ(b.constraints.at("id").type, ConstraintType::field_required);
}

TEST(Response, TwoBindingsMayNotShareATable) {
  Case c(standard());
  InfoSchema info(c.dialect);
  auto request = request_of(c);
  request.bindings.push_back(c.binding);
  EXPECT_THROW(validate(c.dialect, c.rules, request, {c.resource, c.resource}, info), Error);
}

TEST(Response, WarnsOfTooManyColumns) {
  Case c({key("id"), root("doc"), field("a", {"string"}), field("n", {"null"})});
  c.dialect.most_columns = 2;
  InfoSchema info(c.dialect);
  auto response = validate(c.dialect, c.rules, request_of(c), {c.resource}, info);
  auto found = notices(c.dialect, response);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, Notice::Kind::many_columns);
  EXPECT_EQ(found[0].count, 3u);
  c.dialect.most_columns = 3;
  EXPECT_TRUE(notices(c.dialect, response).empty());
}

}  // namespace
}  // namespace sluice::sql
