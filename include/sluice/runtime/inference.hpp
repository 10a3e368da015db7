#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/tree.hpp"
#include "sluice/runtime/schema.hpp"
#include "sluice/runtime/shape.hpp"

// The schema that documents of a collection are found to have, on the capture side (runtime.md §13.2).
namespace sluice::runtime {

// The shape of documents in which every object that names properties has no others, as far as the schema
// leaves that open. Only /_meta stays as it is: the runtime adds to it.
Shape closed_shape(const Schema& schema);

// The properties that a closed shape names, as NameCheck needs them. Immutable.
class Names {
 public:
  explicit Names(Shape closed);

 private:
  friend class NameCheck;
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  // A location with objects that are closed, or has such a one below.
  struct Place {
    std::uint32_t first = 0, end = 0;  // of the names of its properties, ascending
    bool closed = false;
    std::vector<std::pair<std::shared_ptr<const Regex>, std::uint32_t>> patterns;  // and where they lead
    std::uint32_t other = none, items = none;  // where other properties and items lead
    std::vector<std::uint32_t> tuple;
  };
  struct Name {
    std::string text;
    std::uint32_t below = none;
  };
  std::uint32_t add(const Shape& shape);

  std::vector<Place> places_;
  std::vector<Name> names_;
  std::uint32_t root_;
};

// Does a document have only properties that are named? As a rule they come in the order of the document
// before, so that each name is compared once. Allocates nothing. Not for several threads.
class NameCheck {
 public:
  explicit NameCheck(std::shared_ptr<const Names> names);
  bool knows(const json::Tree& tree) {
    return names_->root_ == Names::none || check(names_->root_, tree, tree.root());
  }

 private:
  bool check(std::uint32_t place, const json::Tree& tree, const json::Node& node);
  bool check_object(std::uint32_t place, const json::Tree& tree, const json::Node& node);
  std::uint32_t find(const Names::Place& place, std::string_view name) const;

  std::shared_ptr<const Names> names_;  // shared by the checks of several threads
  std::vector<std::uint32_t> next_;     // by name: which came after it last; then by place: which came first
};

// Gathers what documents, the source and former write schemas say beyond the write schema of a collection.
// Safe to use from several threads.
class Inference {
 public:
  // `stored` is what a former session inferred, empty if there is none.
  Inference(Schema write_schema, std::string stored);

  // What a SourcedSchema (protocol) says is taken as far as the write schema admits it.
  void source(const Schema& sourced);
  // Admits what was captured by another write schema.
  void former(const Schema& write_schema);
  // Admits a document of the write schema. Needed only if it has properties that names() does not know.
  void widen(const json::Tree& document);
  std::shared_ptr<const Names> names();

  // Complete with $schema; empty as long as the write schema says it all.
  std::string schema() const;
  // The schema if it has changed since the last call.
  std::optional<std::string> take_change();

 private:
  Shape known() const;
  void admit(Shape more, bool sourced);
  void settle(Shape& shape) const;

  const Schema write_;
  mutable std::mutex mutex_;  // of what follows
  std::string schema_;        // when a change was last taken, or as of now without a shape
  Box<Shape> shape_;          // once documents widened it: shapes are large, and most are never needed
  std::size_t known_locations_ = 0;  // of the shape before documents widened it
  std::shared_ptr<const Names> names_;  // shared with the checks
  std::atomic<bool> changed_ = false;
};

}  // namespace sluice::runtime
