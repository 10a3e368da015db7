#include <bit>
#include <cmath>
#include <limits>

#include "format.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/shape.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;
using json::Node;
using json::Number;
using json::Tree;

// ---- bounds of §13.2 ----

std::uint64_t below_length(std::uint64_t n) { return n == 0 ? 0 : std::bit_ceil(n) / 2; }
std::uint64_t above_length(std::uint64_t n) { return n == 0 ? 0 : std::bit_ceil(n); }

Number unsigned_number(std::uint64_t value) {
  Number n;
  n.unsigned_ = value;
  return n;
}
Number negative_number(std::int64_t value) {
  if (value >= 0) return unsigned_number(static_cast<std::uint64_t>(value));
  Number n;
  n.type = Number::Type::negative;
  n.negative = value;
  return n;
}
Number floating_number(double value) {
  Number n;
  n.type = Number::Type::floating;
  n.floating = value;
  return n;
}

struct Bounds {
  Number low, high;
};

// The powers of ten around n > 0, the higher one at most `most`.
std::pair<std::uint64_t, std::uint64_t> powers(std::uint64_t n, std::uint64_t most) {
  std::uint64_t power = 1;
  while (n / power >= 10) power *= 10;
  return {power, power > most / 10 ? most : power * 10};
}

Bounds bounds_of(double value) {
  if (value == 0) return {floating_number(0), floating_number(0)};
  double size = std::fabs(value), low = 0, high = 1;
  if (size >= 1) {
    low = std::pow(10, std::floor(std::log10(size)));
    // log10 may be off by one in the last place next to a power.
    if (low > size) low /= 10;
    if (low * 10 <= size) low *= 10;
    high = std::min(low * 10, std::numeric_limits<double>::max());
  }
  if (value > 0) return {floating_number(low), floating_number(high)};
  return {floating_number(-high), floating_number(low == 0 ? 0 : -low)};
}

Bounds bounds_of(const Number& n) {
  switch (n.type) {
    case Number::Type::unsigned_: {
      if (n.unsigned_ == 0) return {unsigned_number(0), unsigned_number(0)};
      auto [low, high] = powers(n.unsigned_, std::numeric_limits<std::uint64_t>::max());
      return {unsigned_number(low), unsigned_number(high)};
    }
    case Number::Type::negative: {
      constexpr std::uint64_t most = std::uint64_t{1} << 63;
      auto [low, high] = powers(std::uint64_t{0} - static_cast<std::uint64_t>(n.negative), most);
      return {negative_number(static_cast<std::int64_t>(std::uint64_t{0} - high)),
              negative_number(-static_cast<std::int64_t>(low))};
    }
    case Number::Type::floating:
      return bounds_of(n.floating);
  }
  return {};
}

// An integral double that a 64-bit integer can hold counts as that integer.
Number normal(Number n) {
  if (n.type != Number::Type::floating || std::trunc(n.floating) != n.floating) return n;
  if (n.floating >= 0 && n.floating < 0x1p64) return unsigned_number(static_cast<std::uint64_t>(n.floating));
  if (n.floating < 0 && n.floating >= -0x1p63) return negative_number(static_cast<std::int64_t>(n.floating));
  return n;
}

std::uint64_t characters(std::string_view utf8) {
  return static_cast<std::uint64_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// ---- one value ----

class Widening {
 public:
  explicit Widening(const Tree& tree) : tree_(tree) {}

  bool value(Shape& s, const Node& node) {
    bool changed = false;
    if (s.enumeration) {
      if (listed(*s.enumeration, node)) return false;
      if (node.kind == Kind::string) {
        json::write_string(s.enumeration->emplace_back(), node.text);
        s.types |= types::string;
        return true;
      }
      s.enumeration.reset();
      changed = true;
    }
    switch (node.kind) {
      case Kind::null:
        return first(s, types::null) || changed;
      case Kind::boolean:
        return first(s, types::boolean) || changed;
      case Kind::number:
        return number(s, node) || changed;
      case Kind::string:
        return string(s, node) || changed;
      case Kind::array:
        return array(s, node) || changed;
      case Kind::object:
        return object(s, node) || changed;
    }
    return changed;
  }

 private:
  static bool first(Shape& s, types::Set type) {
    bool fresh = !(s.types & type);
    s.types |= type;
    return fresh;
  }

  bool listed(const std::vector<std::string>& values, const Node& node) const {
    return std::any_of(values.begin(), values.end(), [&](const std::string& value) {
      if (node.kind == Kind::string && value.find('\\') == value.npos)
        return value.front() == '"' && std::string_view(value).substr(1, value.size() - 2) == node.text;
      json::Tree tree;
      tree.parse(value);
      return json::compare(tree, tree.root(), tree_, node) == 0;
    });
  }

  static bool number(Shape& s, const Node& node) {
    Number value = normal(json::number(node.text));
    types::Set type = value.type == Number::Type::floating ? types::number : types::integer;
    bool fresh = !(s.types & types::number);
    bool changed = (s.types & type) != type;
    s.types |= type;
    if (fresh) {
      Bounds bounds = bounds_of(value);
      s.numeric.minimum = bounds.low;
      s.numeric.maximum = bounds.high;
      return true;
    }
    bool low = s.numeric.minimum && json::compare(value, *s.numeric.minimum) < 0;
    bool high = s.numeric.maximum && json::compare(value, *s.numeric.maximum) > 0;
    if (low) s.numeric.minimum = bounds_of(value).low;
    if (high) s.numeric.maximum = bounds_of(value).high;
    return changed || low || high;
  }

  static bool string(Shape& s, const Node& node) {
    if (first(s, types::string)) {
      std::uint64_t n = characters(node.text);
      s.string = {};
      s.string.check = Format::detect(node.text);
      if (s.string.check) s.string.format = s.string.check->name;
      s.string.min_length = below_length(n);
      s.string.max_length = above_length(n);
      return true;
    }
    bool changed = false;
    if (s.string.check && !s.string.check->holds(node.text)) {
      const Format* wider = s.string.check == Format::find("integer") ? Format::find("number") : nullptr;
      s.string.check = wider && wider->holds(node.text) ? wider : nullptr;
      s.string.format = s.string.check ? s.string.check->name : "";
      changed = true;
    }
    return length(s.string, node.text) || changed;
  }
  static bool length(Shape::String& s, std::string_view text) {
    // A character takes one to four bytes, so that most strings need no counting.
    bool long_enough = (text.size() + 3) / 4 >= s.min_length;
    if (long_enough && (!s.max_length || text.size() <= *s.max_length)) return false;
    std::uint64_t n = characters(text);
    bool shorter = n < s.min_length, longer = s.max_length && n > *s.max_length;
    if (shorter) s.min_length = below_length(n);
    if (longer) s.max_length = above_length(n);
    return shorter || longer;
  }

  bool array(Shape& s, const Node& node) {
    std::uint64_t n = node.count;
    bool changed = first(s, types::array);
    if (changed) {
      s.array = {};
      s.array.min_items = below_length(n);
      s.array.max_items = above_length(n);
      s.array.additional = Shape::nothing();
    }
    if (n < s.array.min_items) {
      s.array.min_items = below_length(n);
      changed = true;
    }
    if (s.array.max_items && n > *s.array.max_items) {
      s.array.max_items = above_length(n);
      changed = true;
    }
    std::size_t i = 0;
    for (const Node& item : tree_.children(node)) {
      if (i < s.array.tuple.size())
        changed = value(s.array.tuple[i], item) || changed;
      else if (s.array.additional)
        changed = value(*s.array.additional, item) || changed;
      ++i;
    }
    return changed;
  }

  bool object(Shape& s, const Node& node) {
    bool fresh = first(s, types::object), changed = fresh;
    Shape::Object& o = s.object;
    if (fresh) {
      o = {};
      o.additional = Shape::nothing();
    }
    // Both sides are in order, as a rule; where the document is not, its properties are looked up.
    std::size_t at = 0;
    std::ptrdiff_t required = 0;
    for (const Node& child : tree_.children(node)) {
      while (at < o.properties.size() && o.properties[at].name < child.key) ++at;
      if (at < o.properties.size() && o.properties[at].name == child.key) {
        Shape::Property& known = o.properties[at++];
        required += known.required;
        changed = value(known.shape, child) || changed;
      } else {
        changed = unexpected(o, child, fresh) || changed;
      }
    }
    bool all = required ==
               std::count_if(o.properties.begin(), o.properties.end(), [](auto& p) { return p.required; });
    if (fresh || all) return changed;
    for (Shape::Property& p : o.properties) {
      if (!p.required || tree_.find(node, p.name)) continue;
      p.required = false;
      changed = true;
    }
    return changed;
  }
  bool unexpected(Shape::Object& o, const Node& child, bool fresh) {
    auto place =
        std::lower_bound(o.properties.begin(), o.properties.end(), child.key,
                         [](const Shape::Property& p, std::string_view key) { return p.name < key; });
    if (place != o.properties.end() && place->name == child.key) return value(place->shape, child);
    if (Shape* other = unnamed(o, child.key)) return value(*other, child);
    if (!o.additional) return false;  // anything
    place = o.properties.insert(place, Shape::Property());
    place->name = child.key;
    place->required = fresh;
    place->shape = Shape::nothing();
    value(place->shape, child);
    return true;
  }
  // What takes properties without a name of their own, unless they are to get one.
  static Shape* unnamed(Shape::Object& o, std::string_view name) {
    for (Shape::Pattern& pattern : o.patterns)
      if (pattern.matches(name)) return &pattern.shape;
    return o.additional && !o.additional->is_nothing() ? &*o.additional : nullptr;
  }

  const Tree& tree_;
};

// ---- complexity ----

struct Named {
  std::size_t depth;
  Shape* parent;
};

// In order of their pointers, as properties are sorted by name.
void collect(Shape& s, std::size_t depth, std::vector<Named>& out) {
  for (Shape::Property& p : s.object.properties) {
    out.push_back({depth + 1, &s});
    collect(p.shape, depth + 1, out);
  }
  for (Shape& item : s.array.tuple) {
    out.push_back({depth + 1, &s});
    collect(item, depth + 1, out);
  }
  for (Shape::Pattern& p : s.object.patterns) collect(p.shape, depth + 1, out);
  if (s.object.additional) collect(*s.object.additional, depth + 1, out);
  if (s.array.additional) collect(*s.array.additional, depth + 1, out);
}

void fold(Box<Shape>& into, Shape shape) {
  shape.object.additional.reset();
  shape.array.additional.reset();
  shape.object.patterns.clear();
  // Unsaid, anything was allowed already.
  if (into) into = unite(std::move(*into), std::move(shape));
}

void fold_last(Shape& parent) {
  if (!parent.object.properties.empty()) {
    Shape::Property last = std::move(parent.object.properties.back());
    parent.object.properties.pop_back();
    for (Shape::Pattern& pattern : parent.object.patterns) {
      if (!pattern.matches(last.name)) continue;
      Box<Shape> both(std::move(pattern.shape));
      fold(both, std::move(last.shape));
      pattern.shape = std::move(*both);
      return;
    }
    fold(parent.object.additional, std::move(last.shape));
  } else if (!parent.array.tuple.empty()) {
    Shape last = std::move(parent.array.tuple.back());
    parent.array.tuple.pop_back();
    fold(parent.array.additional, std::move(last));
  }
}

std::size_t count_named(const Shape& s, std::size_t depth, bool& too_deep) {
  std::size_t n = s.object.properties.size() + s.array.tuple.size();
  if (n > 0 && depth == 0) too_deep = true;
  std::size_t next = depth == 0 ? 0 : depth - 1;
  for (const Shape::Property& p : s.object.properties) n += count_named(p.shape, next, too_deep);
  for (const Shape& item : s.array.tuple) n += count_named(item, next, too_deep);
  for (const Shape::Pattern& p : s.object.patterns) n += count_named(p.shape, next, too_deep);
  if (s.object.additional) n += count_named(*s.object.additional, next, too_deep);
  if (s.array.additional) n += count_named(*s.array.additional, next, too_deep);
  return n;
}

}  // namespace

bool widen(Shape& shape, const Tree& tree, const Node& node) { return Widening(tree).value(shape, node); }

bool squash(Shape& shape, std::size_t limit, std::size_t depth) {
  bool too_deep = false;
  std::size_t left = count_named(shape, depth, too_deep);
  if (left <= limit && !too_deep) return false;
  std::vector<Named> named;
  collect(shape, 0, named);
  // The deepest first, and of these the last.
  std::reverse(named.begin(), named.end());
  std::stable_sort(named.begin(), named.end(),
                   [](const Named& a, const Named& b) { return a.depth > b.depth; });
  for (const Named& location : named) {
    if (left <= limit && location.depth <= depth) break;
    fold_last(*location.parent);
    --left;
  }
  return true;
}

}  // namespace sluice::runtime
