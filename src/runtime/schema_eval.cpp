#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "check.hpp"
#include "decimal.hpp"
#include "schema_model.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"
#include "structure.hpp"

namespace sluice::runtime {
namespace schema {
namespace {

using json::Kind;
using json::Node;
using json::Number;
using json::Tree;

// The node number of a value that is not in the document: a property name under propertyNames.
constexpr std::uint32_t nowhere = static_cast<std::uint32_t>(-1);
constexpr std::size_t most_errors = 20;

// The children of one value that some keyword has evaluated, as bits in Buffers::bits; needed only below
// unevaluatedItems and unevaluatedProperties.
struct Marks {
  std::size_t first = 0, words = 0;
  explicit operator bool() const { return words > 0; }
};

struct Failure {
  std::string keyword, instance, error;
};

// What annotation stood at a node before it was overridden while that may have to be undone.
struct Undo {
  std::uint32_t node;
  const Reduction* reduction;
  Redaction redact;
};

// A valid document's structure and the checks of values that decided about it. Another document of the same
// structure is valid with the same annotations if all of these come out the same.
struct Precedent {
  Structure structure;
  std::vector<Check> checks;
  std::vector<const Reduction*> reductions;
  std::vector<Redaction> redacts;
  bool any_redact = false;
  std::uint64_t number = 0;  // 0: none yet
};

// Memory of a Validator, kept from document to document.
struct Buffers {
  std::vector<std::uint64_t> bits;   // a stack of Marks and of required properties seen
  std::vector<std::uint32_t> items;  // a stack of sorted items under uniqueItems
  std::vector<Undo> undo;
  std::vector<Failure> failures;  // when explaining
  std::string keyword_path, instance_path;
};

bool equal(const Tree& tree, const Node& node, const Value& value) {
  if (node.kind != value.node->kind) return false;
  if (node.kind == Kind::string) return node.text == value.node->text;
  return json::compare(tree, node, value.document->tree, *value.node) == 0;
}

std::uint64_t characters(std::string_view utf8) {
  return static_cast<std::uint64_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// One evaluation. The fast form stops at the first failure; the explaining one goes on and records each with
// the path of keywords that led to it.
template <bool explaining>
class Evaluation {
 public:
  Evaluation(Buffers& buffers, const Tree& tree, std::vector<const Reduction*>& reductions,
             std::vector<Redaction>& redacts, std::vector<Check>* record = nullptr)
      : b_(buffers), tree_(tree), reductions_(reductions), redacts_(redacts), record_(record) {}

  bool root(const Sub& sub) { return evaluate(sub, tree_.root(), 0, Marks()); }
  // Do these come out as they did when they were recorded, with what `node` gives for their nodes?
  template <class NodeOf>
  bool repeats(const std::vector<Check>& checks, NodeOf node) {
    return std::all_of(checks.begin(), checks.end(),
                       [&](const Check& check) { return repeat(check, node(check.node)) == check.holds; });
  }

 private:
  // ---- bookkeeping ----

  // Extends a path while in scope.
  class Step {
   public:
    Step(std::string& path, std::string_view keyword) : path_(path), size_(path.size()) {
      if constexpr (explaining) path_.append("/").append(keyword);
    }
    Step(std::string& path, std::string_view keyword, std::string_view token) : Step(path, keyword) {
      if constexpr (explaining) path_ += json::Pointer::of({std::string(token)}).text();
    }
    Step(std::string& path, std::string_view keyword, std::size_t i) : Step(path, keyword) {
      if constexpr (explaining) path_ += fmt::format("/{}", i);
    }
    ~Step() {
      if constexpr (explaining) path_.resize(size_);
    }
    Step(const Step&) = delete;

   private:
    std::string& path_;
    std::size_t size_;
  };
  class Into {
   public:
    Into(std::string& path, const Node& child, Kind parent, std::uint32_t ordinal)
        : path_(path), size_(path.size()) {
      if constexpr (explaining)
        path_ += parent == Kind::object ? json::Pointer::of({std::string(child.key)}).text()
                                        : fmt::format("/{}", ordinal);
    }
    ~Into() {
      if constexpr (explaining) path_.resize(size_);
    }
    Into(const Into&) = delete;

   private:
    std::string& path_;
    std::size_t size_;
  };

  template <class... Args>
  bool fail(std::string_view keyword, fmt::format_string<Args...> format, Args&&... args) {
    if constexpr (explaining) {
      if (b_.failures.size() < most_errors)
        b_.failures.push_back({b_.keyword_path + (keyword.empty() ? "" : "/") + std::string(keyword),
                               b_.instance_path, fmt::format(format, std::forward<Args>(args)...)});
    }
    return false;
  }

  // Parts of an error: put into words only where it is explained, as speculation fails often.
  static auto shown(const Node& node) {
    return if_explaining([&] {
      std::string_view head = text::cut_utf8(node.raw, 64);
      return std::string(head) + (head.size() < node.raw.size() ? "…" : "");
    });
  }
  static auto words(Types types) {
    return if_explaining([&] { return types::text(types); });
  }
  static auto words(Kind kind) {
    return if_explaining([&] {
      constexpr const char* names[] = {"null", "boolean", "number", "string", "array", "object"};
      return std::string(names[static_cast<std::size_t>(kind)]);
    });
  }
  template <class Words>
  static auto if_explaining(Words words) {
    if constexpr (explaining)
      return words();
    else
      return 0;
  }

  bool repeat(const Check& check, const Node& node) {
    switch (check.of) {
      case Check::Of::type:
        return type(*static_cast<const Sub*>(check.rule), node);
      case Check::Of::constant:
        return constant(*static_cast<const Value*>(check.rule), node);
      case Check::Of::enumeration:
        return enumeration(*static_cast<const std::vector<Value>*>(check.rule), node);
      case Check::Of::number:
        return number_rules(*static_cast<const NumberRules*>(check.rule), node);
      case Check::Of::string:
        return string_rules(*static_cast<const StringRules*>(check.rule), node);
      case Check::Of::unique:
        return unique(node);
    }
    return false;
  }
  bool recorded(Check::Of of, const void* rule, const Node& node, bool holds) {
    if (!explaining && record_) record_->push_back({of, holds, tree_.index(node), rule});
    return holds;
  }

  // Runs a check unless a failure has been found and need not be explained further.
  template <class Rule>
  static void require(bool& ok, Rule&& rule) {
    if (explaining || ok) ok = rule() && ok;
  }

  void annotate(const Sub& sub, std::uint32_t at, bool& ok) {
    if (speculative_ > 0) b_.undo.push_back({at, reduction_at(at), redact_at(at)});
    if (sub.reduce && !reductions_.empty()) reductions_[at] = &*sub.reduce;
    if (sub.redact != Redaction::none && !redacts_.empty()) {
      if (redacts_[at] != Redaction::none && redacts_[at] != sub.redact)
        ok = fail("redact", "two different redaction strategies meet here");
      redacts_[at] = sub.redact;
    }
  }
  const Reduction* reduction_at(std::uint32_t at) const {
    return reductions_.empty() ? nullptr : reductions_[at];
  }
  Redaction redact_at(std::uint32_t at) const { return redacts_.empty() ? Redaction::none : redacts_[at]; }

  void undo_to(std::size_t size) {
    for (; b_.undo.size() > size; b_.undo.pop_back()) {
      const Undo& u = b_.undo.back();
      if (!reductions_.empty()) reductions_[u.node] = u.reduction;
      if (!redacts_.empty()) redacts_[u.node] = u.redact;
    }
  }

  Marks open_marks(std::size_t bits) {
    Marks marks{b_.bits.size(), bits / 64 + 1};
    b_.bits.resize(marks.first + marks.words);
    std::fill(b_.bits.begin() + static_cast<std::ptrdiff_t>(marks.first), b_.bits.end(), 0);
    return marks;
  }
  void close_marks(const Marks& marks) { b_.bits.resize(marks.first); }
  void mark(const Marks& marks, std::size_t i) {
    if (marks) b_.bits[marks.first + i / 64] |= std::uint64_t{1} << i % 64;
  }
  bool marked(const Marks& marks, std::size_t i) const { return b_.bits[marks.first + i / 64] >> i % 64 & 1; }

  // Evaluates a subschema whose failure is not that of the document: then it leaves no trace.
  bool speculate(const Sub& sub, const Node& node, std::uint32_t at, const Marks& marks) {
    Marks saved;
    if (marks) {
      saved = open_marks(marks.words * 64 - 1);
      for (std::size_t i = 0; i < marks.words; ++i) b_.bits[saved.first + i] = b_.bits[marks.first + i];
    }
    std::size_t undo = b_.undo.size();
    ++speculative_;
    bool ok = evaluate(sub, node, at, marks);
    if (!ok) undo_to(undo);
    if (--speculative_ == 0) b_.undo.clear();
    if (marks) {
      if (!ok)
        for (std::size_t i = 0; i < marks.words; ++i) b_.bits[marks.first + i] = b_.bits[saved.first + i];
      close_marks(saved);
    }
    return ok;
  }

  // ---- one schema at one value ----

  bool evaluate(const Sub& sub, const Node& node, std::uint32_t at, const Marks& outer) {
    if (!explaining && sub.only_types(node.kind)) return type(sub, node);
    return apply(sub, node, at, outer);
  }

  bool apply(const Sub& sub, const Node& node, std::uint32_t at, const Marks& outer) {
    if (sub.never) return fail("", "no value is allowed here");
    bool ok = true;
    require(ok, [&] { return type(sub, node); });
    if ((sub.reduce || sub.redact != Redaction::none) && at != nowhere) annotate(sub, at, ok);
    const Sub* unevaluated = node.kind == Kind::object  ? sub.unevaluated_properties
                             : node.kind == Kind::array ? sub.unevaluated_items
                                                        : nullptr;
    Marks marks = unevaluated ? open_marks(node.count) : outer;
    switch (node.kind) {
      case Kind::object:
        if (sub.object) require(ok, [&] { return object_rules(*sub.object, node, at, marks); });
        break;
      case Kind::array:
        if (sub.array) require(ok, [&] { return array_rules(*sub.array, node, at, marks); });
        break;
      case Kind::string:
        if (sub.string) require(ok, [&] { return string_rules(*sub.string, node); });
        break;
      case Kind::number:
        if (sub.number) require(ok, [&] { return number_rules(*sub.number, node); });
        break;
      default:
        break;
    }
    if (sub.constant) require(ok, [&] { return constant(*sub.constant, node); });
    if (sub.enumeration) require(ok, [&] { return enumeration(*sub.enumeration, node); });
    if (sub.in_place) require(ok, [&] { return in_place(*sub.in_place, node, at, marks); });
    if (unevaluated) {
      require(ok, [&] { return rest(*unevaluated, node, at, marks); });
      if (ok && outer)
        for (std::size_t i = 0; i < node.count; ++i) mark(outer, i);
      close_marks(marks);
    }
    return ok;
  }

  bool type(const Sub& sub, const Node& node) {
    Types is = types::of(node.kind), numbers = sub.types & types::number;
    bool by_value = node.kind == Kind::number && numbers != types::number && numbers != 0;
    if (by_value) is = types::of(node);
    bool holds = (sub.types & is) != 0;
    if (by_value) recorded(Check::Of::type, &sub, node, holds);
    if (holds) return true;
    return fail("type", "expected {}, found {}", words(sub.types),
                node.kind == Kind::number ? shown(node) : words(node.kind));
  }

  bool constant(const Value& value, const Node& node) {
    return recorded(Check::Of::constant, &value, node, equal(tree_, node, value)) ||
           fail("const", "expected {}, found {}", shown(*value.node), shown(node));
  }
  bool enumeration(const std::vector<Value>& values, const Node& node) {
    auto is = [&](const Value& value) { return equal(tree_, node, value); };
    bool holds = std::any_of(values.begin(), values.end(), is);
    return recorded(Check::Of::enumeration, &values, node, holds) ||
           fail("enum", "{} is none of the allowed values", shown(node));
  }

  bool number_rules(const NumberRules& r, const Node& node) {
    bool ok = true;
    if (r.minimum || r.maximum || r.exclusive_minimum || r.exclusive_maximum) {
      Number value = json::number(node.text);
      auto bound = [&](const Node* at, const Number& limit, std::string_view keyword, auto holds) {
        if (at && !holds(json::compare(value, limit)))
          ok = fail(keyword, "{} is beyond the limit {}", shown(node), at->text);
      };
      bound(r.minimum, r.minimum_value, "minimum", [](auto order) { return order >= 0; });
      bound(r.maximum, r.maximum_value, "maximum", [](auto order) { return order <= 0; });
      bound(r.exclusive_minimum, r.exclusive_minimum_value, "exclusiveMinimum",
            [](auto order) { return order > 0; });
      bound(r.exclusive_maximum, r.exclusive_maximum_value, "exclusiveMaximum",
            [](auto order) { return order < 0; });
    }
    if (r.multiple_of && !is_multiple(node.text, r.multiple_of->text))
      ok = fail("multipleOf", "{} is no multiple of {}", shown(node), r.multiple_of->text);
    return recorded(Check::Of::number, &r, node, ok);
  }

  bool string_rules(const StringRules& r, const Node& node) {
    bool ok = true;
    // A character has one to four bytes, so most strings need no counting.
    if (node.text.size() / 4 < r.min_length && characters(node.text) < r.min_length)
      ok = fail("minLength", "{} is shorter than {} characters", shown(node), r.min_length);
    if (node.text.size() > r.max_length && characters(node.text) > r.max_length)
      ok = fail("maxLength", "{} is longer than {} characters", shown(node), r.max_length);
    if (r.pattern && (explaining || ok) && !r.pattern->found_in(node.text))
      ok = fail("pattern", "{} does not match {}", shown(node), r.pattern->pattern());
    if (r.format && (explaining || ok) && !r.format->holds(node.text))
      ok = fail("format", "{} is not of format {}", shown(node), r.format->name);
    return recorded(Check::Of::string, &r, node, ok);
  }

  bool array_rules(const ArrayRules& r, const Node& node, std::uint32_t at, const Marks& marks) {
    bool ok = true;
    if (node.count < r.min_items)
      ok = fail("minItems", "{} items are fewer than {}", node.count, r.min_items);
    if (node.count > r.max_items) ok = fail("maxItems", "{} items are more than {}", node.count, r.max_items);
    if (!r.tuple.empty() || r.rest) require(ok, [&] { return items(r, node, at, marks); });
    if (r.contains) require(ok, [&] { return contains(r, node, at, marks); });
    if (r.unique) require(ok, [&] { return unique(node); });
    return ok;
  }
  bool items(const ArrayRules& r, const Node& node, std::uint32_t at, const Marks& marks) {
    bool ok = true;
    std::uint32_t ordinal = 0;
    for (std::uint32_t i = at + 1; i < node.end; i = tree_[i].end, ++ordinal) {
      bool in_tuple = ordinal < r.tuple.size();
      const Sub* sub = in_tuple ? r.tuple[ordinal] : r.rest;
      if (!sub) break;
      mark(marks, ordinal);
      Step step =
          in_tuple ? Step(b_.keyword_path, r.tuple_keyword, ordinal) : Step(b_.keyword_path, r.rest_keyword);
      Into into(b_.instance_path, tree_[i], Kind::array, ordinal);
      require(ok, [&] { return evaluate(*sub, tree_[i], i, Marks()); });
      if (!explaining && !ok) break;
    }
    return ok;
  }
  bool contains(const ArrayRules& r, const Node& node, std::uint32_t at, const Marks& marks) {
    std::uint64_t found = 0;
    std::uint32_t ordinal = 0;
    std::size_t failures = b_.failures.size();
    for (std::uint32_t i = at + 1; i < node.end; i = tree_[i].end, ++ordinal) {
      if (!speculate(*r.contains, tree_[i], i, Marks())) continue;
      ++found;
      if (r.contains_evaluates) mark(marks, ordinal);
    }
    b_.failures.resize(failures);
    if (found < r.min_contains)
      return fail(r.min_contains == 1 ? "contains" : "minContains", "{} items match, which is fewer than {}",
                  found, r.min_contains);
    return found <= r.max_contains ||
           fail("maxContains", "{} items match, which is more than {}", found, r.max_contains);
  }
  bool unique(const Node& node) {
    std::size_t first = b_.items.size();
    for (const Node& child : tree_.children(node)) b_.items.push_back(tree_.index(child));
    auto begin = b_.items.begin() + static_cast<std::ptrdiff_t>(first);
    auto order = [&](std::uint32_t i, std::uint32_t j) {
      return json::compare(tree_, tree_[i], tree_, tree_[j]);
    };
    std::sort(begin, b_.items.end(), [&](auto i, auto j) { return order(i, j) < 0; });
    auto twin = std::adjacent_find(begin, b_.items.end(), [&](auto i, auto j) { return order(i, j) == 0; });
    bool ok = twin == b_.items.end() || fail("uniqueItems", "{} occurs more than once", shown(tree_[*twin]));
    b_.items.resize(first);
    return recorded(Check::Of::unique, nullptr, node, ok);
  }

  bool object_rules(const ObjectRules& r, const Node& node, std::uint32_t at, const Marks& marks) {
    bool ok = true;
    if (node.count < r.min_properties)
      ok = fail("minProperties", "{} properties are fewer than {}", node.count, r.min_properties);
    if (node.count > r.max_properties)
      ok = fail("maxProperties", "{} properties are more than {}", node.count, r.max_properties);
    bool named = !r.properties.slots().empty();
    if (named && r.patterns.empty() && !r.additional && !marks && !r.names &&
        r.properties.slots().size() <= 64)
      require(ok, [&] { return known_properties(r.properties, node, at); });
    else if (named || !r.patterns.empty() || r.additional || r.names)
      require(ok, [&] { return properties(r, node, at, marks); });
    for (const DependentRequired& d : r.dependent_required)
      if (explaining || ok) require(ok, [&] { return dependent_required(d, node); });
    return ok;
  }

  // The common case: other properties do not matter, and one word tells which were seen.
  bool known_properties(const Properties& known, const Node& node, std::uint32_t at) {
    bool ok = true;
    std::uint64_t seen = 0;
    const std::vector<Properties::Slot>& slots = known.slots();
    std::size_t next = 0;  // the slot after the one found last
    for (std::uint32_t i = at + 1; i < node.end; i = tree_[i].end) {
      const Node& child = tree_[i];
      std::size_t slot = next;
      if (node.sorted) {
        std::uint64_t prefix = text::prefix(child.key);
        while (slot < slots.size() && slots[slot].before(child.key, prefix)) ++slot;
        next = slot;
        if (slot == slots.size()) break;
        if (!slots[slot].is(child.key, prefix)) continue;
      } else {
        slot = known.find(child.key, next);
        if (slot == Properties::none) continue;
      }
      next = slot + 1;
      seen |= std::uint64_t{1} << slot;
      if (const Sub* sub = slots[slot].sub) require(ok, [&] { return property(*sub, child, i); });
      if (!explaining && !ok) return false;
    }
    if (known.required_mask() & ~seen)
      for (std::size_t slot = 0; slot < slots.size(); ++slot)
        if (slots[slot].required && !(seen >> slot & 1)) ok = missing(slots[slot].name);
    return ok;
  }
  bool property(const Sub& sub, const Node& child, std::uint32_t i) {
    Step step(b_.keyword_path, "properties", child.key);
    Into into(b_.instance_path, child, Kind::object, 0);
    return evaluate(sub, child, i, Marks());
  }
  bool missing(std::string_view name) { return fail("required", "property '{}' is missing", name); }

  bool properties(const ObjectRules& r, const Node& node, std::uint32_t at, const Marks& marks) {
    bool ok = true;
    const std::vector<Properties::Slot>& slots = r.properties.slots();
    Marks seen = open_marks(slots.size());
    std::size_t guess = 0;
    std::uint32_t ordinal = 0;
    for (std::uint32_t i = at + 1; i < node.end && (explaining || ok); i = tree_[i].end, ++ordinal) {
      const Node& child = tree_[i];
      bool covered = false;
      if (r.names) require(ok, [&] { return property_name(*r.names, child); });
      if (std::size_t slot = r.properties.find(child.key, guess); slot != Properties::none) {
        guess = slot + 1;
        mark(seen, slot);
        if (const Sub* sub = slots[slot].sub) {
          covered = true;
          require(ok, [&] { return property(*sub, child, i); });
        }
      }
      for (const PatternProperty& pattern : r.patterns) {
        if (!pattern.regex->found_in(child.key)) continue;
        covered = true;
        Step step(b_.keyword_path, "patternProperties", pattern.regex->pattern());
        Into into(b_.instance_path, child, Kind::object, ordinal);
        require(ok, [&] { return evaluate(*pattern.sub, child, i, Marks()); });
      }
      if (!covered && r.additional) {
        covered = true;
        Step step(b_.keyword_path, "additionalProperties");
        Into into(b_.instance_path, child, Kind::object, ordinal);
        require(ok, [&] { return evaluate(*r.additional, child, i, Marks()); });
      }
      if (covered) mark(marks, ordinal);
    }
    for (std::size_t slot = 0; slot < slots.size() && (explaining || ok); ++slot)
      if (slots[slot].required && !marked(seen, slot)) ok = missing(slots[slot].name);
    close_marks(seen);
    return ok;
  }
  bool property_name(const Sub& sub, const Node& child) {
    Node name;
    name.kind = Kind::string;
    name.text = child.key;
    name.raw = child.key;
    Step step(b_.keyword_path, "propertyNames");
    Into into(b_.instance_path, child, Kind::object, 0);
    std::vector<Check>* record = std::exchange(record_, nullptr);  // names are of the structure
    bool ok = evaluate(sub, name, nowhere, Marks());
    record_ = record;
    return ok;
  }
  bool dependent_required(const DependentRequired& d, const Node& node) {
    if (!tree_.find(node, d.name)) return true;
    bool ok = true;
    for (std::string_view name : d.required)
      if (!tree_.find(node, name))
        ok = fail("dependentRequired", "property '{}' requires '{}', which is missing", d.name, name);
    return ok;
  }

  // What unevaluatedItems or unevaluatedProperties says of the children that nothing else evaluated.
  bool rest(const Sub& sub, const Node& node, std::uint32_t at, const Marks& marks) {
    bool ok = true;
    std::uint32_t ordinal = 0;
    for (std::uint32_t i = at + 1; i < node.end; i = tree_[i].end, ++ordinal) {
      if (marked(marks, ordinal)) continue;
      Step step(b_.keyword_path, node.kind == Kind::object ? "unevaluatedProperties" : "unevaluatedItems");
      Into into(b_.instance_path, tree_[i], node.kind, ordinal);
      require(ok, [&] { return evaluate(sub, tree_[i], i, Marks()); });
    }
    return ok;
  }

  // ---- subschemas at the same value ----

  bool in_place(const InPlace& p, const Node& node, std::uint32_t at, const Marks& marks) {
    bool ok = true;
    if (p.ref) {
      Step step(b_.keyword_path, "$ref");
      require(ok, [&] { return evaluate(*p.ref, node, at, marks); });
    }
    for (std::size_t i = 0; i < p.all_of.size(); ++i) {
      Step step(b_.keyword_path, "allOf", i);
      require(ok, [&] { return evaluate(*p.all_of[i], node, at, marks); });
    }
    if (!p.any_of.empty()) require(ok, [&] { return any_of(p.any_of, node, at, marks); });
    if (!p.one_of.empty()) require(ok, [&] { return one_of(p.one_of, node, at, marks); });
    if (p.condition) require(ok, [&] { return conditional(p, node, at, marks); });
    if (p.negated) require(ok, [&] { return negated(*p.negated, node, at); });
    if (node.kind == Kind::object) {
      for (const DependentSchema& d : p.dependent) {
        Step step(b_.keyword_path, "dependentSchemas", d.name);
        if (tree_.find(node, d.name)) require(ok, [&] { return evaluate(*d.sub, node, at, marks); });
      }
    }
    return ok;
  }
  bool any_of(const std::vector<const Sub*>& subs, const Node& node, std::uint32_t at, const Marks& marks) {
    bool any = false;
    std::size_t failures = b_.failures.size();
    for (std::size_t i = 0; i < subs.size(); ++i) {
      // After a match others matter only for what they say about the value.
      if (any && !marks && !subs[i]->annotates) continue;
      Step step(b_.keyword_path, "anyOf", i);
      any = speculate(*subs[i], node, at, marks) || any;
    }
    if (any) b_.failures.resize(failures);
    return any || fail("anyOf", "{} matches none of the alternatives", shown(node));
  }
  bool one_of(const std::vector<const Sub*>& subs, const Node& node, std::uint32_t at, const Marks& marks) {
    std::size_t matches = 0;
    std::size_t failures = b_.failures.size();
    for (std::size_t i = 0; i < subs.size(); ++i) {
      Step step(b_.keyword_path, "oneOf", i);
      matches += speculate(*subs[i], node, at, marks);
      if (!explaining && matches > 1) return false;
    }
    if (matches != 0) b_.failures.resize(failures);
    if (matches > 1) return fail("oneOf", "{} matches {} alternatives, not one", shown(node), matches);
    return matches == 1 || fail("oneOf", "{} matches none of the alternatives", shown(node));
  }
  bool conditional(const InPlace& p, const Node& node, std::uint32_t at, const Marks& marks) {
    if (!p.then && !p.otherwise && !p.condition->annotates && !marks) return true;
    bool holds;
    {
      Step step(b_.keyword_path, "if");
      std::size_t failures = b_.failures.size();
      holds = speculate(*p.condition, node, at, marks);
      b_.failures.resize(failures);
    }
    const Sub* next = holds ? p.then : p.otherwise;
    if (!next) return true;
    Step step(b_.keyword_path, holds ? "then" : "else");
    return evaluate(*next, node, at, marks);
  }
  bool negated(const Sub& sub, const Node& node, std::uint32_t at) {
    std::size_t failures = b_.failures.size(), undo = b_.undo.size();
    ++speculative_;
    bool matches = evaluate(sub, node, at, Marks());
    undo_to(undo);
    if (--speculative_ == 0) b_.undo.clear();
    b_.failures.resize(failures);
    return !matches || fail("not", "{} is excluded", shown(node));
  }

  Buffers& b_;
  const Tree& tree_;
  std::vector<const Reduction*>& reductions_;
  std::vector<Redaction>& redacts_;
  std::vector<Check>* record_;
  int speculative_ = 0;
};

}  // namespace
}  // namespace schema

struct Validator::Impl {
  explicit Impl(Schema s) : schema(std::move(s)) {}

  template <bool explaining>
  bool run(const json::Tree& tree, std::vector<schema::Check>* into = nullptr) {
    const schema::Model& model = schema.model();
    if (model.reduces) outcome.reductions_.assign(tree.size(), nullptr);
    if (model.redacts) outcome.redacts_.assign(tree.size(), Redaction::none);
    outcome.structure_ = 0;
    outcome.checks_ = nullptr;
    return schema::Evaluation<explaining>(buffers, tree, outcome.reductions_, outcome.redacts_, into)
        .root(*model.root);
  }

  // Documents of a collection mostly look like one of the last ones.
  bool repeats(const json::Tree& tree) {
    for (std::size_t i = 0; i < precedents.size(); ++i) {
      std::size_t at = (recent + i) % precedents.size();
      const schema::Precedent& precedent = precedents[at];
      if (!precedent.structure.is_of(tree)) continue;
      if (!schema::Evaluation<false>(buffers, tree, outcome.reductions_, outcome.redacts_)
               .repeats(precedent.checks,
                        [&](std::uint32_t node) -> const json::Node& { return tree[node]; }))
        continue;
      recent = at;
      misses = 0;
      outcome.checks_ = &precedent.checks;
      if (outcome.structure_ == precedent.number) return true;
      outcome.reductions_ = precedent.reductions;
      outcome.redacts_ = precedent.redacts;
      outcome.any_redact_ = precedent.any_redact;
      outcome.structure_ = precedent.number;
      return true;
    }
    return false;
  }
  // Where no two are alike, remembering costs more than it brings.
  bool should_remember(const json::Tree& tree) {
    ++misses;
    return tree.size() <= most_remembered_nodes && (misses <= 16 || misses % 16 == 0);
  }
  void remember(const json::Tree& tree) {
    if (precedents.size() < most_precedents) precedents.emplace_back();
    recent = (recent + 1) % precedents.size();
    schema::Precedent& precedent = precedents[recent];
    precedent.structure.remember(tree);
    precedent.checks = record;
    precedent.reductions = outcome.reductions_;
    precedent.redacts = outcome.redacts_;
    precedent.any_redact = outcome.any_redact_;
    precedent.number = outcome.structure_ = ++structures;
    outcome.checks_ = &precedent.checks;
  }
  void evaluate(const json::Tree& tree) {
    bool remembering = should_remember(tree);
    record.clear();
    outcome.valid_ = run<false>(tree, remembering ? &record : nullptr);
    outcome.any_redact_ = std::any_of(outcome.redacts_.begin(), outcome.redacts_.end(),
                                      [](Redaction r) { return r != Redaction::none; });
    if (outcome.valid_ && remembering && record.size() <= most_checks_a_node * tree.size()) remember(tree);
  }

  static constexpr std::size_t most_precedents = 4;
  static constexpr std::size_t most_remembered_nodes = 1000, most_checks_a_node = 4;

  Schema schema;
  Outcome outcome;
  schema::Buffers buffers;
  std::vector<schema::Precedent> precedents;
  std::size_t recent = 0;        // the one that was met last
  std::uint64_t misses = 0;      // since then
  std::uint64_t structures = 0;  // remembered so far
  std::vector<schema::Check> record;
  const json::Tree no_tree;  // of scalars that belong to none
};

Validator::Validator(Schema schema) : impl_(std::make_unique<Impl>(std::move(schema))) {}
Validator::~Validator() = default;
Validator::Validator(Validator&&) noexcept = default;
Validator& Validator::operator=(Validator&&) noexcept = default;

const Schema& Validator::schema() const { return impl_->schema; }

const Outcome& Validator::validate(const json::Tree& tree) {
  if (impl_->repeats(tree))
    impl_->outcome.valid_ = true;
  else
    impl_->evaluate(tree);
  impl_->buffers.bits.clear();
  impl_->buffers.items.clear();
  impl_->buffers.undo.clear();
  return impl_->outcome;
}

bool Validator::repeats(const std::vector<schema::Check>& checks, std::span<const json::Node> scalars) {
  Impl& impl = *impl_;
  return schema::Evaluation<false>(impl.buffers, impl.no_tree, impl.outcome.reductions_,
                                   impl.outcome.redacts_)
      .repeats(checks, [&](std::uint32_t node) -> const json::Node& { return scalars[node]; });
}

std::string Validator::explain(const json::Tree& tree) {
  schema::Buffers& b = impl_->buffers;
  b = schema::Buffers();
  impl_->run<true>(tree);
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  for (const schema::Failure& failure : b.failures) {
    writer.begin_object().key("keywordLocation").string(failure.keyword);
    writer.key("instanceLocation").string(failure.instance).key("error").string(failure.error).end_object();
  }
  writer.end_array();
  b.failures.clear();
  return out;
}

}  // namespace sluice::runtime
