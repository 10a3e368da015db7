#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/protocol/messages.hpp"
#include "sluice/runtime/schema.hpp"
#include "sluice/runtime/types.hpp"

namespace sluice::runtime {

struct Format;
class Regex;

// Maybe a T, kept apart so that T can hold one of its own kind; copied with its content.
template <class T>
class Box {
 public:
  Box() = default;
  Box(T value) : value_(std::make_unique<T>(std::move(value))) {}
  Box(const Box& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
  Box(Box&&) noexcept = default;
  Box& operator=(Box other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }
  explicit operator bool() const { return value_ != nullptr; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }
  void reset() { value_.reset(); }

 private:
  std::unique_ptr<T> value_;
};

// What a schema says statically about the values at a location and below (runtime.md §4.1): less than the
// schema, yet closed under intersection and union. The default is "anything".
struct Shape {
  types::Set types = types::any;
  std::string title, description, content_media_type;
  std::optional<std::string> default_json;
  bool secret = false;
  protocol::Reduce reduce = protocol::Reduce::unset;
  protocol::Redact redact = protocol::Redact::unset;
  std::optional<std::vector<std::string>> enumeration;  // canonical JSON
  std::map<std::string, std::string> extensions;        // x-…, as JSON

  struct String {
    std::string format, content_encoding;
    std::uint64_t min_length = 0;
    std::optional<std::uint64_t> max_length;
    const Format* check = nullptr;  // of `format`, if it is one that we check
  };
  struct Numeric {
    std::optional<json::Number> minimum, maximum;
  };
  struct Array {
    std::uint64_t min_items = 0;
    std::optional<std::uint64_t> max_items;
    std::vector<Shape> tuple;
    Box<Shape> additional;  // items past the tuple; none: anything
  };
  struct Property;
  struct Pattern;
  struct Object {
    std::vector<Property> properties;  // ascending by name
    std::vector<Pattern> patterns;
    Box<Shape> additional;  // properties not named; none: anything
  };
  // Meaningful if the types have strings, numbers, arrays, objects; else as constructed.
  String string;
  Numeric numeric;
  Array array;
  Object object;

  static Shape nothing();
  bool is_nothing() const { return types == types::none; }

  static Shape infer(const Schema& schema);

  // Where a pointer leads. The shape lives as long as the one asked; what nothing is said about is
  // "anything".
  struct Located {
    const Shape* shape;
    protocol::Exists exists;
  };
  Located locate(const json::Pointer& pointer) const;

  // Every location in order of its pointer, the root included; those below patterns, additional properties
  // and additional items are marked, with `*` or the pattern as their token.
  struct Location {
    std::string pointer;
    bool pattern;
    const Shape* shape;
    protocol::Exists exists;
  };
  std::vector<Location> locations() const;

  protocol::Inference inference(protocol::Exists exists) const;
};
struct Shape::Property {
  std::string name;
  bool required = false;
  Shape shape;
};
struct Shape::Pattern {
  std::shared_ptr<const Regex> regex;  // immutable, so copies of a shape share it
  Shape shape;

  const std::string& text() const;
  bool matches(std::string_view name) const;
};
// Only here is a shape complete.
inline Shape Shape::nothing() {
  Shape shape;
  shape.types = types::none;
  return shape;
}

// Values that both, or either, describe. Where both annotate, the intersection has what `a` says except for
// reduce, which `b` overrides.
Shape intersect(Shape a, Shape b);
Shape unite(Shape a, Shape b);

// A 2019-09 schema of the shape, without `$schema`. It has no reduce and redact annotations: a shape knows
// too little of them, and beside the schema it was inferred from they would override the right ones.
std::string to_schema(const Shape& shape);

// The reduction of two schemas under jsonSchemaMerge: accepts what either accepts. Throws Error{config} if
// one is not a schema.
std::string unite_schemas(std::string_view a, std::string_view b);

// Makes the shape admit `node` (runtime.md §13.2); fastest where the properties of objects are in order. True
// if it did not before.
bool widen(Shape& shape, const json::Tree& tree, const json::Node& node);

inline constexpr std::size_t default_complexity_limit = 1000, complexity_cap = 10000, depth_limit = 12;
// Folds named locations into their parents' additional properties or items until at most `limit` are left and
// none is deeper than `depth`. True if any was.
bool squash(Shape& shape, std::size_t limit, std::size_t depth = depth_limit);

}  // namespace sluice::runtime
