#include "sluice/runtime/inferred.hpp"

#include <gtest/gtest.h>

#include "sluice/runtime/apply.hpp"
#include "sluice/runtime/inference.hpp"
#include "temporary_folder.hpp"

namespace sluice::runtime {
namespace {

constexpr char id_only[] = R"({"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}})";
constexpr char id_and_fresh[] =
    R"({"type":"object","required":["id"],"properties":{"fresh":{"type":"integer"},"id":{"type":"integer"}}})";

// A catalog with one inferred collection `c`, a capture of it, and a store.
struct World {
  explicit World(const std::string& capture) {
    CollectionDef& def = catalog.collections["c"];
    def.name = "c";
    def.key = {"/id"};
    def.write_schema_json = id_only;
    def.read_schema_json = default_read_schema();
    catalog.captures[capture].name = capture;
  }
  static protocol::CaptureBinding binding(const std::string& write_schema, const std::string& key) {
    protocol::CaptureBinding binding;
    binding.collection.emplace();
    binding.collection->name = "c";
    binding.collection->key = {key};
    binding.collection->write_schema_json = write_schema;
    return binding;
  }
  void store_applied(const protocol::CaptureSpec& spec) {
    StateCommit commit(spec.name);
    commit.put(keys::last_applied, protocol::encode(spec));
    store.commit(commit);
  }
  // As a session that met a document with `note`.
  void store_note(const std::string& task) {
    Inference inference(Schema::compile(id_only), "");
    json::Tree tree;
    tree.parse(R"({"id":1,"note":"x"})");
    inference.widen(tree);
    StateCommit commit(task);
    commit.put(std::string(keys::inferred) + "c", inference.schema());
    store.commit(commit);
  }
  bool reads(std::string_view document) {
    InferredSchemas inferred = load_inferred(catalog, store, rediscovered(catalog, store));
    protocol::CollectionSpec spec =
        build_collection(catalog.collections["c"], inferred.find("c"), MissingInference::write_schema);
    Validator validator(Schema::compile(spec.read_schema_json));
    json::Tree tree;
    tree.parse(document);
    return validator.validate(tree).valid();
  }

  testing::TemporaryFolder folder;
  StateStore store{folder.path() / "sluice.db", StateStore::Mode::write};
  Catalog catalog;
};

TEST(Inferred, ABindingThatIsInactiveForgetsNothing) {
  World world("a");
  protocol::CaptureSpec spec;
  spec.name = "a";
  spec.bindings.push_back(World::binding(id_only, "/id"));
  spec.inactive_bindings.push_back(World::binding(id_only, "/other"));
  world.store_applied(spec);
  world.store_note("a");
  EXPECT_TRUE(rediscovered(world.catalog, world.store).empty());
  EXPECT_TRUE(world.reads(R"({"id":1,"note":"x"})"));
}

TEST(Inferred, ABindingOfAnotherKeyStartsAnew) {
  World world("a");
  protocol::CaptureSpec spec;
  spec.name = "a";
  spec.bindings.push_back(World::binding(id_only, "/other"));
  world.store_applied(spec);
  world.store_note("a");
  std::vector<StateCommit> commits = rediscovered(world.catalog, world.store);
  ASSERT_EQ(commits.size(), 1u);
  EXPECT_FALSE(commits[0].entries.at(0).value);
}

TEST(Inferred, WhatARemovedCaptureInferredAdmitsTheColumnsOfItsSuccessor) {
  World world("b");
  world.store_note("a");
  world.catalog.collections["c"].write_schema_json = id_and_fresh;
  EXPECT_TRUE(world.reads(R"({"id":1,"fresh":1})"));
  EXPECT_TRUE(world.reads(R"({"id":1,"note":"x"})"));
  EXPECT_FALSE(world.reads(R"({"id":"1"})"));
}

TEST(Inferred, FormerLengthsAndRulesStayValid) {
  World world("a");
  auto with_code = [](const std::string& code) {
    return R"({"type":"object","required":["id"],"properties":{"code":)" + code +
           R"(,"id":{"type":"integer"}}})";
  };
  protocol::CaptureSpec spec;
  spec.name = "a";
  spec.bindings.push_back(World::binding(
      with_code(R"({"type":"string","minLength":3,"maxLength":3,"enum":["abc","def"]})"), "/id"));
  world.store_applied(spec);
  world.catalog.collections["c"].write_schema_json =
      with_code(R"({"type":"string","minLength":5,"maxLength":5})");
  EXPECT_TRUE(world.reads(R"({"id":1,"code":"abc"})"));
  EXPECT_TRUE(world.reads(R"({"id":1,"code":"abcde"})"));
  EXPECT_FALSE(world.reads(R"({"id":1,"code":7})"));
}

}  // namespace
}  // namespace sluice::runtime
