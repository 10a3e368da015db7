#include "sluice/runtime/reduce.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <vector>

#include "decimal_sum.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/layouts.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/reduction.hpp"
#include "sluice/runtime/schema.hpp"
#include "sluice/runtime/shape.hpp"

namespace sluice::runtime {

using json::Kind;
using json::Node;
using json::Number;
using json::Tree;
using Strategy = Reduction::Strategy;

namespace {

struct Buffers {
  Tree left;
  json::Canonical canonical;
  std::vector<json::Member> members;  // a stack: the members of the objects being merged
};

constexpr Reduction last_write_wins;
constexpr std::size_t shown_bytes = 200;  // of an operand in an error

struct Element {
  const Tree* tree;
  const Node* node;
};

std::string where(const Tree& tree, const Node& target) {
  std::vector<std::string> tokens;
  const Node* at = &tree.root();
  while (at != &target) {
    std::size_t i = 0;
    const Node* next = nullptr;
    for (const Node& child : tree.children(*at)) {
      if (&child > &target) break;
      next = &child;
      ++i;
    }
    tokens.push_back(at->kind == Kind::object ? std::string(next->key) : std::to_string(i - 1));
    at = next;
  }
  return json::Pointer::of(std::move(tokens)).text();
}

std::string shown(const Node* node) {
  if (!node) return "nothing";
  if (node->raw.size() <= shown_bytes) return std::string(node->raw);
  return std::string(text::cut_utf8(node->raw, shown_bytes)) + "…";
}

bool is_container(const Node& node) { return node.kind == Kind::array || node.kind == Kind::object; }
bool is_number(const Node* node) { return node && node->kind == Kind::number; }

std::strong_ordering compare_at(const json::Pointer& location, Element a, Element b) {
  const Node *x = location.find(*a.tree, *a.node), *y = location.find(*b.tree, *b.node);
  if (x && y) return json::compare(*a.tree, *x, *b.tree, *y);
  // A missing location counts as null, the least of all.
  auto rank = [](const Node* node) { return node && node->kind != Kind::null ? 1 : 0; };
  return rank(x) <=> rank(y);
}

std::strong_ordering compare_keys(const std::vector<json::Pointer>& key, Element a, Element b) {
  for (const json::Pointer& location : key)
    if (auto order = compare_at(location, a, b); order != 0) return order;
  if (key.empty()) return json::compare(*a.tree, *a.node, *b.tree, *b.node);
  return std::strong_ordering::equal;
}

double to_double(const Number& n) {
  if (n.type == Number::Type::floating) return n.floating;
  return n.type == Number::Type::negative ? static_cast<double>(n.negative)
                                          : static_cast<double>(n.unsigned_);
}

// Appends a + b; false if they overflow. Integers stay integers of 64 bits.
bool write_sum(std::string& out, const Number& a, const Number& b) {
  using enum Number::Type;
  if (a.type == floating || b.type == floating) {
    double sum = to_double(a) + to_double(b);
    if (!std::isfinite(sum)) return false;
    json::write_double(out, sum);
    return true;
  }
  auto magnitude = [](const Number& n) {
    return n.type == negative ? std::uint64_t{0} - static_cast<std::uint64_t>(n.negative) : n.unsigned_;
  };
  constexpr std::uint64_t least = std::uint64_t{1} << 63;  // the magnitude of the least integer
  std::uint64_t x = magnitude(a), y = magnitude(b), sum = 0;
  bool minus = a.type == negative;
  if (a.type == b.type) {
    if (__builtin_add_overflow(x, y, &sum) || (minus && sum > least)) return false;
  } else {
    if (x < y) minus = !minus;
    sum = x < y ? y - x : x - y;
  }
  fmt::format_to(std::back_inserter(out), "{}{}", minus && sum != 0 ? "-" : "", sum);
  return true;
}

// The members of a `set` value (runtime.md §9.3).
struct SetValue {
  const Node* add = nullptr;
  const Node* mask = nullptr;  // `intersect` or `remove`
  bool intersects = false;
  Kind kind = Kind::null;  // of all members; null if there is none
};

// Folds one document into another. Rules says which annotation a value of the right-hand side has.
template <class Rules>
class Folder {
 public:
  Folder(Buffers& buffers, const Tree* left, const Tree& right, Rules rules, Mode mode, std::string& out)
      : buffers_(buffers), left_(left), right_(right), rules_(rules), full_(mode == Mode::full), out_(out) {}

  Fold run() {
    buffers_.members.clear();
    std::size_t start = out_.size();
    Fold fold = value(left_ ? &left_->root() : nullptr, right_.root());
    if (fold == Fold::not_associative) out_.resize(start);
    return fold;
  }

 private:
  // Appends the reduction of one location. What is `deleted` has been appended too.
  Fold value(const Node* lhs, const Node& rhs) {
    const Reduction* annotation = rules_(right_, rhs);
    const Reduction& rule = annotation ? *annotation : last_write_wins;
    Fold fold = apply(rule, lhs, rhs);
    return fold == Fold::reduced && full_ && rule.del ? Fold::deleted : fold;
  }

  Fold apply(const Reduction& rule, const Node* lhs, const Node& rhs) {
    switch (rule.strategy) {
      case Strategy::append:
        return append(lhs, rhs);
      case Strategy::first_write_wins:
        return lhs ? copy_left(*lhs) : copy(rhs);
      case Strategy::json_schema_merge:
        return merge_schema(lhs, rhs);
      case Strategy::last_write_wins:
        return replace(rule, lhs, rhs);
      case Strategy::maximize:
        return extreme(rule, lhs, rhs, std::strong_ordering::greater);
      case Strategy::minimize:
        return extreme(rule, lhs, rhs, std::strong_ordering::less);
      case Strategy::merge:
        if (!is_container(rhs)) fail(lhs, rhs, "'merge' strategy expects objects or arrays");
        return merge(rule.key, lhs, rhs);
      case Strategy::set:
        return set(rule.key, lhs, rhs);
      case Strategy::sum:
        return sum(lhs, rhs);
    }
    return Fold::reduced;
  }

  [[noreturn]] void fail(const Node* lhs, const Node& rhs, std::string_view why) const {
    throw Error(Error::Kind::config, fmt::format("while reducing \"{}\": {}: left is {}, right is {}",
                                                 where(right_, rhs), why, shown(lhs), shown(&rhs)));
  }

  Fold copy(const Tree& tree, const Node& node) {
    buffers_.canonical.write(out_, tree, node);
    return Fold::reduced;
  }
  Fold copy(const Node& rhs) { return copy(right_, rhs); }
  Fold copy_left(const Node& lhs) { return copy(*left_, lhs); }
  Element left(const Node& lhs) const { return {left_, &lhs}; }
  Element right(const Node& rhs) const { return {&right_, &rhs}; }

  // Appends a member or item that `write` writes, with the comma before it, and takes it back if it is
  // deleted.
  template <class Write>
  bool member(bool& first, Write write) {
    std::size_t start = out_.size();
    if (!first) out_ += ',';
    Fold fold = write();
    if (fold == Fold::reduced) first = false;
    if (fold == Fold::deleted) out_.resize(start);
    return fold != Fold::not_associative;
  }
  void name(const Node& node) {
    json::write_string(out_, node.key);
    out_ += ':';
  }

  Fold append(const Node* lhs, const Node& rhs) {
    if (rhs.kind != Kind::array || (lhs && lhs->kind != Kind::array && lhs->kind != Kind::null))
      fail(lhs, rhs, "'append' strategy expects arrays");
    if (!lhs) return copy(rhs);
    if (lhs->kind == Kind::null) return copy_left(*lhs);
    bool first = true;
    out_ += '[';
    for (const Node& item : left_->children(*lhs)) member(first, [&] { return copy_left(item); });
    for (const Node& item : right_.children(rhs)) member(first, [&] { return copy(item); });
    out_ += ']';
    return Fold::reduced;
  }

  Fold replace(const Reduction& rule, const Node* lhs, const Node& rhs) {
    if (!rule.associative && !full_ && lhs && json::compare(*left_, *lhs, right_, rhs) != 0)
      return Fold::not_associative;
    return copy(rhs);
  }

  // `better` is what the left-hand side compares to the right one as if it wins.
  Fold extreme(const Reduction& rule, const Node* lhs, const Node& rhs, std::strong_ordering better) {
    if (!lhs) return copy(rhs);
    auto order = compare_keys(rule.key, left(*lhs), right(rhs));
    if (order == better) return copy_left(*lhs);
    bool tie = order == 0 && !rule.key.empty() && is_container(rhs) && lhs->kind == rhs.kind;
    return tie ? merge({}, lhs, rhs) : copy(rhs);
  }

  Fold merge(const std::vector<json::Pointer>& key, const Node* lhs, const Node& rhs) {
    if (lhs && lhs->kind != rhs.kind) {
      if (!full_) return Fold::not_associative;
      lhs = nullptr;
    }
    if (rhs.kind == Kind::object) return merge_objects(lhs, rhs);
    return key.empty() ? merge_arrays(lhs, rhs) : merge_sorted(key, lhs, rhs);
  }

  Fold merge_objects(const Node* lhs, const Node& rhs) {
    std::vector<json::Member>& stack = buffers_.members;
    std::size_t i = stack.size();
    if (lhs) json::append_members(stack, *left_, *lhs);
    std::size_t j = stack.size(), left_end = j;
    json::append_members(stack, right_, rhs);
    std::size_t start = i, right_end = stack.size();
    bool first = true, whole = true;
    out_ += '{';
    while (whole && (i < left_end || j < right_end)) {
      const Node* l = i < left_end ? stack[i].node : nullptr;
      const Node* r = j < right_end ? stack[j].node : nullptr;
      if (l && r && l->key != r->key) (l->key < r->key ? r : l) = nullptr;
      if (l) ++i;
      if (r) ++j;
      whole = member(first, [&] {
        name(r ? *r : *l);
        return r ? value(l, *r) : copy_left(*l);
      });
    }
    out_ += '}';
    stack.resize(start);
    return whole ? Fold::reduced : Fold::not_associative;
  }

  Fold merge_arrays(const Node* lhs, const Node& rhs) {
    auto items = right_.children(rhs);
    auto r = items.begin();
    bool first = true, whole = true;
    out_ += '[';
    if (lhs) {
      for (const Node& l : left_->children(*lhs)) {
        bool common = r != items.end();
        whole = whole && member(first, [&] { return common ? value(&l, *r) : copy_left(l); });
        if (common) ++r;
      }
    }
    for (; whole && r != items.end(); ++r) whole = member(first, [&] { return value(nullptr, *r); });
    out_ += ']';
    return whole ? Fold::reduced : Fold::not_associative;
  }

  // The union of arrays that are sorted by `key` and hold each key once.
  Fold merge_sorted(const std::vector<json::Pointer>& key, const Node* lhs, const Node& rhs) {
    std::vector<Element> ours;
    if (lhs) ours = sorted_items(key, *left_, *lhs, lhs, rhs);
    std::vector<Element> theirs = sorted_items(key, right_, rhs, lhs, rhs);
    out_ += '[';
    bool whole = unite(ours, theirs, [&](Element a, Element b) { return compare_keys(key, a, b); }, false);
    out_ += ']';
    return whole ? Fold::reduced : Fold::not_associative;
  }
  std::vector<Element> sorted_items(const std::vector<json::Pointer>& key, const Tree& tree,
                                    const Node& array, const Node* lhs, const Node& rhs) const {
    std::vector<Element> out;
    for (const Node& item : tree.children(array)) {
      Element element{&tree, &item};
      if (!out.empty() && compare_keys(key, out.back(), element) >= 0)
        fail(lhs, rhs, "'merge' strategy with a key expects arrays in ascending order of it, each key once");
      out.push_back(element);
    }
    return out;
  }
  // Appends the union of two ordered lists, what is common reduced.
  template <class Compare>
  bool unite(const std::vector<Element>& ours, const std::vector<Element>& theirs, Compare compare,
             bool named) {
    bool first = true, whole = true;
    auto l = ours.begin();
    auto r = theirs.begin();
    while (whole && (l != ours.end() || r != theirs.end())) {
      auto order = l == ours.end()     ? std::strong_ordering::greater
                   : r == theirs.end() ? std::strong_ordering::less
                                       : compare(*l, *r);
      whole = member(first, [&] {
        if (named) name(order > 0 ? *r->node : *l->node);
        if (order < 0) return copy(*l->tree, *l->node);
        return value(order == 0 ? l->node : nullptr, *r->node);
      });
      if (order <= 0) ++l;
      if (order >= 0) ++r;
    }
    return whole;
  }

  Fold sum(const Node* lhs, const Node& rhs) {
    if (is_number(&rhs) && (!lhs || is_number(lhs))) {
      if (!lhs) return copy(rhs);
      if (!write_sum(out_, json::number(lhs->text), json::number(rhs.text)))
        fail(lhs, rhs, "`sum` resulted in numeric overflow");
      return Fold::reduced;
    }
    auto summand = [](const Node* node) { return is_number(node) || node->kind == Kind::string; };
    if (!summand(&rhs) || (lhs && !summand(lhs))) fail(lhs, rhs, "'sum' strategy expects numbers");
    auto total = decimal_sum(lhs ? lhs->text : "0", rhs.text);
    if (!total) fail(lhs, rhs, "'sum' strategy expects numbers or strings of decimal digits");
    if (!lhs) return copy(rhs);
    json::write_string(out_, *total);
    return Fold::reduced;
  }

  Fold merge_schema(const Node* lhs, const Node& rhs) {
    if (rhs.kind != Kind::object || (lhs && lhs->kind != Kind::object))
      fail(lhs, rhs, "'jsonSchemaMerge' strategy expects JSON schemas");
    try {
      out_ += unite_schemas((lhs ? *lhs : rhs).raw, rhs.raw);
    } catch (const Error& e) {
      fail(lhs, rhs, "'jsonSchemaMerge' strategy: " + e.message());
    }
    return Fold::reduced;
  }

  SetValue set_value(const Tree& tree, const Node& node, const Node* lhs, const Node& rhs) const {
    if (node.kind != Kind::object) fail(lhs, rhs, "'set' strategy expects objects");
    SetValue out;
    for (const Node& m : tree.children(node)) {
      if (m.key == "add")
        out.add = &m;
      else if (m.key != "intersect" && m.key != "remove")
        fail(lhs, rhs, "'set' strategy expects only 'add', 'intersect' and 'remove'");
      else if (out.mask && out.mask->key != m.key)
        fail(lhs, rhs, "'set' strategy expects either 'intersect' or 'remove'");
      else
        out.mask = &m;
      if (!is_container(m) || (out.kind != Kind::null && out.kind != m.kind))
        fail(lhs, rhs, "'set' strategy expects its members to be all arrays or all objects");
      out.kind = m.kind;
    }
    out.intersects = out.mask && out.mask->key == "intersect";
    return out;
  }

  Fold set(const std::vector<json::Pointer>& key, const Node* lhs, const Node& rhs) {
    SetValue l, r = set_value(right_, rhs, lhs, rhs);
    if (lhs) l = set_value(*left_, *lhs, lhs, rhs);
    if (l.kind != Kind::null && r.kind != Kind::null && l.kind != r.kind)
      fail(lhs, rhs, "'set' strategy expects its members to be all arrays or all objects");
    return SetFold(*this, key, l, r).run();
  }

  // The algebra of runtime.md §9.3, on lists ordered by key without duplicates.
  class SetFold {
   public:
    SetFold(Folder& folder, const std::vector<json::Pointer>& key, const SetValue& l, const SetValue& r)
        : folder_(folder),
          key_(key),
          l_(l),
          r_(r),
          named_((r.kind != Kind::null ? r.kind : l.kind) == Kind::object),
          left_mask_(elements(folder.left_, l.mask)),
          right_mask_(elements(&folder.right_, r.mask)) {}

    Fold run() {
      std::string& out = folder_.out_;
      bool first = true, whole = true;
      out += '{';
      if (l_.add || r_.add) {
        List kept = combine(elements(folder_.left_, l_.add), right_mask_, r_.intersects);
        first = false;
        open("\"add\":");
        whole = folder_.unite(kept, elements(&folder_.right_, r_.add), *this, named_);
        close();
      }
      if (!folder_.full_ && (l_.mask || r_.mask)) {
        if (!first) out += ',';
        mask();
      }
      out += '}';
      return whole ? Fold::reduced : Fold::not_associative;
    }

    std::strong_ordering operator()(Element a, Element b) const {
      return named_ ? a.node->key <=> b.node->key : compare_keys(key_, a, b);
    }

   private:
    using List = std::vector<Element>;

    List elements(const Tree* tree, const Node* member) const {
      List out;
      if (!member) return out;
      for (const Node& node : tree->children(*member)) out.push_back({tree, &node});
      std::stable_sort(out.begin(), out.end(), less());
      // Of equal ones the last counts.
      auto same = [this](Element a, Element b) { return (*this)(a, b) == 0; };
      out.erase(out.begin(), std::unique(out.rbegin(), out.rend(), same).base());
      return out;
    }
    auto less() const {
      return [this](Element a, Element b) { return (*this)(a, b) < 0; };
    }
    // What `list` has in common with `mask`, or what it has beyond it.
    List combine(const List& list, const List& mask, bool intersect) const {
      List out;
      auto to = std::back_inserter(out);
      if (intersect)
        std::set_intersection(list.begin(), list.end(), mask.begin(), mask.end(), to, less());
      else
        std::set_difference(list.begin(), list.end(), mask.begin(), mask.end(), to, less());
      return out;
    }
    void mask() {
      if (l_.intersects) return write("\"intersect\":", combine(left_mask_, right_mask_, r_.intersects));
      if (r_.intersects) return write("\"intersect\":", combine(right_mask_, left_mask_, false));
      List both;
      std::set_union(right_mask_.begin(), right_mask_.end(), left_mask_.begin(), left_mask_.end(),
                     std::back_inserter(both), less());
      write("\"remove\":", both);
    }
    void open(std::string_view name) { folder_.out_.append(name) += named_ ? '{' : '['; }
    void close() { folder_.out_ += named_ ? '}' : ']'; }
    void write(std::string_view name, const List& list) {
      open(name);
      bool first = true;
      for (Element e : list)
        folder_.member(first, [&] {
          if (named_) folder_.name(*e.node);
          return folder_.copy(*e.tree, *e.node);
        });
      close();
    }

    Folder& folder_;
    const std::vector<json::Pointer>& key_;
    SetValue l_, r_;
    bool named_;  // objects, whose elements are told apart by their names
    List left_mask_, right_mask_;
  };

  Buffers& buffers_;
  const Tree* left_;
  const Tree& right_;
  Rules rules_;
  bool full_;
  std::string& out_;
};

// The schema of connector state (runtime.md §12.3).
const Reduction* patch_rule(const Tree&, const Node& node) {
  static const Reduction merge{.strategy = Strategy::merge};
  static const Reduction remove{.strategy = Strategy::last_write_wins, .del = true};
  return node.kind == Kind::object ? &merge : node.kind == Kind::null ? &remove : nullptr;
}

std::optional<std::string> patch(std::string_view base, std::string_view patch, Mode mode) {
  Buffers buffers;
  Tree rhs;
  buffers.left.parse(base);
  rhs.parse(patch);
  std::string out;
  if (Folder(buffers, &buffers.left, rhs, patch_rule, mode, out).run() == Fold::not_associative) return {};
  return out;
}

}  // namespace

struct Reducer::Impl : Buffers {
  json::Layouts layouts;  // of left documents, which come binding by binding when they are drained
};

Reducer::Reducer() : impl_(std::make_unique<Impl>()) {}
Reducer::~Reducer() = default;
Reducer::Reducer(Reducer&&) noexcept = default;
Reducer& Reducer::operator=(Reducer&&) noexcept = default;

bool Reducer::takes_rhs(const Outcome& annotations) {
  const Reduction* rule = annotations.reduction(0);
  return !rule || *rule == last_write_wins;
}

Fold Reducer::reduce(const std::string_view* lhs, const Tree& rhs, const Outcome& annotations, Mode mode,
                     std::string& out) {
  const Tree* left = nullptr;
  if (lhs && !takes_rhs(annotations)) {
    impl_->left.parse(*lhs, impl_->layouts);
    left = &impl_->left;
  }
  auto rules = [&](const Tree& tree, const Node& node) { return annotations.reduction(tree.index(node)); };
  return Folder(*impl_, left, rhs, rules, mode, out).run();
}

std::string merge_patch(std::string_view base, std::string_view text) {
  return *patch(base, text, Mode::full);
}
std::optional<std::string> fold_patches(std::string_view first, std::string_view second) {
  return patch(first, second, Mode::partial);
}

}  // namespace sluice::runtime
