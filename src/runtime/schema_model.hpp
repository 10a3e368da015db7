#pragma once
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format.hpp"
#include "regex.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/runtime/schema.hpp"
#include "sluice/runtime/types.hpp"

// The compiled form of a schema: what the evaluator and static inference walk. Everything is built once by
// schema_compile.cpp and read-only after.
namespace sluice::runtime::schema {

using Types = types::Set;

struct Sub;

// A text file of schemas: the one compiled, or one that the resolver supplied. Views and nodes point into it.
struct Document {
  std::string url, text;
  json::Tree tree;
};

// A JSON value of a schema text.
struct Value {
  const Document* document = nullptr;
  const json::Node* node = nullptr;
};

struct NumberRules {
  // Exclusive bounds are kept apart: a schema may have both kinds.
  const json::Node *minimum = nullptr, *maximum = nullptr;
  const json::Node *exclusive_minimum = nullptr, *exclusive_maximum = nullptr;
  const json::Node* multiple_of = nullptr;
  json::Number minimum_value, maximum_value, exclusive_minimum_value, exclusive_maximum_value;
};

inline constexpr std::uint64_t unbounded = std::numeric_limits<std::uint64_t>::max();

struct StringRules {
  std::uint64_t min_length = 0, max_length = unbounded;  // in characters
  const Format* format = nullptr;
  std::optional<Regex> pattern;
};

struct ArrayRules {
  std::uint64_t min_items = 0, max_items = unbounded;
  std::vector<const Sub*> tuple;  // prefixItems, or items in its array form
  const Sub* rest = nullptr;      // items past the tuple
  std::string_view tuple_keyword, rest_keyword;
  const Sub* contains = nullptr;
  std::uint64_t min_contains = 1, max_contains = unbounded;
  bool contains_evaluates = false;  // 2020-12: items that `contains` matches count as evaluated
  bool unique = false;
};

// The named properties of an object schema, found by name. Names that are only required have no schema.
class Properties {
 public:
  struct Slot {
    std::string_view name;
    const Sub* sub = nullptr;
    bool required = false;
    std::uint64_t prefix = 0;  // of the name; set by build()

    bool is(std::string_view other, std::uint64_t other_prefix) const {
      return prefix == other_prefix && text::same(name, other);
    }
    bool before(std::string_view other, std::uint64_t other_prefix) const {
      return prefix != other_prefix ? prefix < other_prefix : !text::same(name, other) && name < other;
    }
  };
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  // `slots` in ascending order of names, each once.
  void build(std::vector<Slot> slots);
  const std::vector<Slot>& slots() const { return slots_; }
  // Of the first 64 slots, those that are required.
  std::uint64_t required_mask() const { return required_mask_; }

  // The slot of `name`. Documents mostly have their properties in order, so the slot at `guess` is tried
  // first.
  std::size_t find(std::string_view name, std::size_t guess) const {
    if (guess < slots_.size() && text::same(slots_[guess].name, name)) return guess;
    if (slots_.size() <= 4) {
      for (std::size_t i = 0; i < slots_.size(); ++i)
        if (text::same(slots_[i].name, name)) return i;
      return none;
    }
    for (std::size_t at = hash(name) & mask_; table_[at] != 0; at = (at + 1) & mask_)
      if (text::same(slots_[table_[at] - 1].name, name)) return table_[at] - 1;
    return none;
  }

 private:
  static std::uint64_t hash(std::string_view name);

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> table_;  // slot number plus one; 0 is free
  std::size_t mask_ = 0;
  std::uint64_t required_mask_ = 0;
};

struct PatternProperty {
  std::shared_ptr<const Regex> regex;  // shapes inferred from the schema keep it
  const Sub* sub;
};

struct DependentRequired {
  std::string_view name;
  std::vector<std::string_view> required;
};

struct ObjectRules {
  Properties properties;
  std::vector<PatternProperty> patterns;
  const Sub* additional = nullptr;
  const Sub* names = nullptr;
  std::vector<DependentRequired> dependent_required;
  std::uint64_t min_properties = 0, max_properties = unbounded;
};

struct DependentSchema {
  std::string_view name;
  const Sub* sub;
};

// Subschemas that see the same value as their parent, in the order of evaluation.
struct InPlace {
  const Sub* ref = nullptr;
  std::vector<const Sub*> all_of, any_of, one_of;
  const Sub *condition = nullptr, *then = nullptr, *otherwise = nullptr;
  const Sub* negated = nullptr;
  std::vector<DependentSchema> dependent;
};

// What static inference wants and evaluation does not.
struct Notes {
  std::string_view title, description, content_encoding, content_media_type;
  std::optional<Value> default_value;
  bool secret = false;
  std::string_view unknown_format;
  std::vector<std::pair<std::string_view, Value>> extensions;  // x-…
  std::string_view reference;                                  // $ref as written
};

struct Sub {
  bool never = false;      // the schema `false`
  bool annotates = false;  // it or anything it applies carries reduce or redact
  // The kinds of values of which it says nothing but the type, a bit each.
  std::uint8_t type_only = 0;
  bool only_types(json::Kind kind) const { return type_only >> static_cast<unsigned>(kind) & 1; }
  Types types = types::any;
  Redaction redact = Redaction::none;
  std::optional<Reduction> reduce;
  std::unique_ptr<NumberRules> number;
  std::unique_ptr<StringRules> string;
  std::unique_ptr<ArrayRules> array;
  std::unique_ptr<ObjectRules> object;
  std::optional<Value> constant;
  std::optional<std::vector<Value>> enumeration;
  std::unique_ptr<InPlace> in_place;
  const Sub* unevaluated_items = nullptr;
  const Sub* unevaluated_properties = nullptr;
  Notes notes;
  std::string location;  // URL of its text, if it has one, and the JSON pointer into it
  Value source;
};

struct Model {
  std::deque<Document> documents;  // the compiled one first
  std::deque<Sub> subs;
  const Sub* root = nullptr;
  std::vector<std::string> warnings;
  bool reduces = false, redacts = false;  // anywhere
};

}  // namespace sluice::runtime::schema
