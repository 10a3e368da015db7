#include "sluice/runtime/shape.hpp"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "format.hpp"
#include "regex.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::runtime {
namespace {

using json::Number;
using protocol::Exists;

const Shape& anything() {
  static const Shape shape;
  return shape;
}

double to_double(const Number& n) {
  switch (n.type) {
    case Number::Type::negative:
      return static_cast<double>(n.negative);
    case Number::Type::unsigned_:
      return static_cast<double>(n.unsigned_);
    case Number::Type::floating:
      return n.floating;
  }
  return 0;
}

template <class T, class Better>
std::optional<T> tighter(const std::optional<T>& a, const std::optional<T>& b, Better better) {
  if (!a) return b;
  if (!b) return a;
  return better(*b, *a) ? b : a;
}
template <class T, class Better>
std::optional<T> looser(const std::optional<T>& a, const std::optional<T>& b, Better better) {
  if (!a || !b) return {};
  return better(*b, *a) ? a : b;
}
bool less(const Number& a, const Number& b) { return json::compare(a, b) < 0; }
bool greater(const Number& a, const Number& b) { return json::compare(a, b) > 0; }

types::Set type_of_json(std::string_view text) {
  json::Tree tree;
  tree.parse(text);
  return types::of(tree.root());
}

std::vector<Shape::Property>::const_iterator find(const std::vector<Shape::Property>& properties,
                                                  std::string_view name) {
  auto found = std::lower_bound(properties.begin(), properties.end(), name,
                                [](const Shape::Property& p, std::string_view n) { return p.name < n; });
  return found != properties.end() && found->name == name ? found : properties.end();
}

// What an object says about a property it does not name; null if nothing.
const Shape* implied(const Shape::Object& object, std::string_view name) {
  for (const Shape::Pattern& pattern : object.patterns)
    if (pattern.matches(name)) return &pattern.shape;
  return object.additional ? &*object.additional : nullptr;
}

// Facets of types that the shape does not have would only disturb.
void prune(Shape& s) {
  if (s.enumeration) {
    types::Set of_values = types::none;
    std::erase_if(*s.enumeration, [&](const std::string& value) { return !(type_of_json(value) & s.types); });
    for (const std::string& value : *s.enumeration) of_values |= type_of_json(value);
    s.types &= of_values;
  }
  if (!(s.types & types::string)) s.string = {};
  if (!(s.types & types::number)) s.numeric = {};
  if (!(s.types & types::array)) s.array = {};
  if (!(s.types & types::object)) s.object = {};
}

// ---- intersection ----

void take_first(std::string& a, std::string& b) {
  if (a.empty()) a = std::move(b);
}

void intersect(Shape::String& a, Shape::String& b) {
  if (a.format.empty()) a.check = b.check;
  take_first(a.format, b.format);
  take_first(a.content_encoding, b.content_encoding);
  a.min_length = std::max(a.min_length, b.min_length);
  a.max_length = tighter(a.max_length, b.max_length, std::less<>());
}

void intersect(Shape::Array& a, Shape::Array& b) {
  a.min_items = std::max(a.min_items, b.min_items);
  a.max_items = tighter(a.max_items, b.max_items, std::less<>());
  std::vector<Shape> tuple;
  for (std::size_t i = 0; i < std::max(a.tuple.size(), b.tuple.size()); ++i) {
    auto at = [&](const Shape::Array& side) {
      return i < side.tuple.size() ? side.tuple[i] : side.additional ? *side.additional : Shape();
    };
    tuple.push_back(intersect(at(a), at(b)));
  }
  a.tuple = std::move(tuple);
  if (a.additional && b.additional)
    a.additional = intersect(std::move(*a.additional), std::move(*b.additional));
  else if (b.additional)
    a.additional = std::move(b.additional);
}

// Calls visit(name, property of a or null, property of b or null) by ascending name.
template <class Visit>
void merge_join(std::vector<Shape::Property>& a, std::vector<Shape::Property>& b, Visit visit) {
  auto i = a.begin(), j = b.begin();
  while (i != a.end() || j != b.end()) {
    if (j == b.end() || (i != a.end() && i->name < j->name)) {
      visit(&*i++, nullptr);
    } else if (i == a.end() || j->name < i->name) {
      visit(nullptr, &*j++);
    } else {
      visit(&*i++, &*j++);
    }
  }
}

void intersect(Shape::Object& a, Shape::Object& b) {
  std::vector<Shape::Property> properties;
  merge_join(a.properties, b.properties, [&](Shape::Property* x, Shape::Property* y) {
    Shape::Property& out = properties.emplace_back(x ? std::move(*x) : std::move(*y));
    if (x && y) {
      out.required = out.required || y->required;
      out.shape = intersect(std::move(out.shape), std::move(y->shape));
    } else if (const Shape* other = implied(x ? b : a, out.name)) {
      out.shape = x ? intersect(std::move(out.shape), *other) : intersect(*other, std::move(out.shape));
    }
  });
  a.properties = std::move(properties);
  for (Shape::Pattern& pattern : b.patterns) {
    auto same = std::find_if(a.patterns.begin(), a.patterns.end(),
                             [&](const Shape::Pattern& p) { return p.text() == pattern.text(); });
    if (same == a.patterns.end())
      a.patterns.push_back(std::move(pattern));
    else
      same->shape = intersect(std::move(same->shape), std::move(pattern.shape));
  }
  if (a.additional && b.additional)
    a.additional = intersect(std::move(*a.additional), std::move(*b.additional));
  else if (b.additional)
    a.additional = std::move(b.additional);
}

void intersect_enumeration(Shape& a, Shape& b) {
  if (!b.enumeration) return;
  if (!a.enumeration) {
    a.enumeration = std::move(b.enumeration);
    return;
  }
  std::erase_if(*a.enumeration, [&](const std::string& value) {
    return std::find(b.enumeration->begin(), b.enumeration->end(), value) == b.enumeration->end();
  });
}

// ---- union ----

template <class T>
void keep_shared(T& a, const T& b) {
  if (a != b) a = T();
}

void unite(Shape::String& a, const Shape::String& b) {
  auto numeric = [](const std::string& f) { return f == "integer" || f == "number"; };
  if (a.format != b.format) {
    a.format = numeric(a.format) && numeric(b.format) ? "number" : "";
    a.check = Format::find(a.format);
  }
  keep_shared(a.content_encoding, b.content_encoding);
  a.min_length = std::min(a.min_length, b.min_length);
  a.max_length = looser(a.max_length, b.max_length, std::less<>());
}

// Can there be an item `i`?
bool may_have_item(const Shape::Array& array, std::size_t i) {
  if (array.max_items && *array.max_items <= i) return false;
  return i < array.tuple.size() || !array.additional || !array.additional->is_nothing();
}

void unite(Shape::Array& a, Shape::Array& b) {
  std::vector<Shape> tuple;
  for (std::size_t i = 0; i < std::max(a.tuple.size(), b.tuple.size()); ++i) {
    auto at = [&](const Shape::Array& side) {
      if (!may_have_item(side, i)) return Shape::nothing();
      return i < side.tuple.size() ? side.tuple[i] : side.additional ? *side.additional : Shape();
    };
    tuple.push_back(unite(at(a), at(b)));
  }
  a.tuple = std::move(tuple);
  a.min_items = std::min(a.min_items, b.min_items);
  a.max_items = looser(a.max_items, b.max_items, std::less<>());
  if (a.additional && b.additional)
    a.additional = unite(std::move(*a.additional), std::move(*b.additional));
  else
    a.additional.reset();
}

void unite(Shape::Object& a, Shape::Object& b) {
  std::vector<Shape::Property> properties;
  merge_join(a.properties, b.properties, [&](Shape::Property* x, Shape::Property* y) {
    Shape::Property& out = properties.emplace_back(x ? std::move(*x) : std::move(*y));
    if (x && y) {
      out.required = out.required && y->required;
      out.shape = unite(std::move(out.shape), std::move(y->shape));
    } else {
      const Shape* other = implied(x ? b : a, out.name);
      out.required = false;
      out.shape = unite(std::move(out.shape), other ? *other : Shape());
    }
  });
  a.properties = std::move(properties);
  for (auto [from, to] : {std::pair(&b, &a), std::pair(&a, &b)}) {
    for (Shape::Pattern& pattern : from->patterns) {
      auto same = std::find_if(to->patterns.begin(), to->patterns.end(),
                               [&](const Shape::Pattern& p) { return p.text() == pattern.text(); });
      const Shape other = same != to->patterns.end() ? same->shape
                          : to->additional           ? *to->additional
                                                     : Shape();
      Shape both = unite(pattern.shape, other);
      if (from == &a)
        pattern.shape = std::move(both);
      else if (same == to->patterns.end())
        to->patterns.push_back({pattern.regex, std::move(both)});
    }
  }
  if (a.additional && b.additional)
    a.additional = unite(std::move(*a.additional), std::move(*b.additional));
  else
    a.additional.reset();
}

void unite_enumeration(Shape& a, const Shape& b) {
  if (!a.enumeration || !b.enumeration) {
    a.enumeration.reset();
    return;
  }
  for (const std::string& value : *b.enumeration)
    if (std::find(a.enumeration->begin(), a.enumeration->end(), value) == a.enumeration->end())
      a.enumeration->push_back(value);
}

// ---- locations ----

// Whether a child exists, given its parent and what the parent says about it.
Exists below(Exists parent, const Shape& parent_shape, types::Set container, Exists child,
             const Shape& shape) {
  if (parent == Exists::cannot || child == Exists::cannot || shape.is_nothing()) return Exists::cannot;
  if (parent == Exists::implicit || child == Exists::implicit) return Exists::implicit;
  bool must = parent == Exists::must && parent_shape.types == container && child == Exists::must;
  return must ? Exists::must : Exists::may;
}

std::optional<std::size_t> item_index(std::string_view token) {
  if (token.empty() || token.size() > 9 || (token[0] == '0' && token.size() > 1)) return {};
  std::size_t value = 0;
  for (char c : token) {
    if (c < '0' || c > '9') return {};
    value = value * 10 + static_cast<std::size_t>(c - '0');
  }
  return value;
}

Shape::Located descend(const Shape::Located& from, std::string_view token) {
  const Shape& s = *from.shape;
  if (s.types & types::object) {
    auto property = find(s.object.properties, token);
    if (property != s.object.properties.end()) {
      Exists exists = property->required ? Exists::must : Exists::may;
      return {&property->shape, below(from.exists, s, types::object, exists, property->shape)};
    }
    const Shape* other = implied(s.object, token);
    bool item = (s.types & types::array) && item_index(token) && (!other || other->is_nothing());
    if (!item) {
      const Shape& shape = other ? *other : anything();
      return {&shape, below(from.exists, s, types::object, Exists::implicit, shape)};
    }
  }
  std::optional<std::size_t> index = item_index(token);
  if (!(s.types & types::array) || !index || !may_have_item(s.array, *index))
    return {&anything(), Exists::cannot};
  bool in_tuple = *index < s.array.tuple.size();
  const Shape& shape = in_tuple             ? s.array.tuple[*index]
                       : s.array.additional ? *s.array.additional
                                            : anything();
  Exists exists = *index < s.array.min_items ? Exists::must : in_tuple ? Exists::may : Exists::implicit;
  return {&shape, below(from.exists, s, types::array, exists, shape)};
}

std::string escaped(std::string_view token) { return json::Pointer::of({std::string(token)}).text(); }

void collect(const Shape& shape, const std::string& pointer, bool pattern, Exists exists,
             std::vector<Shape::Location>& out) {
  out.push_back({pointer, pattern, &shape, exists});
  auto child = [&](const Shape& c, const std::string& token, types::Set container, Exists e, bool p) {
    collect(c, pointer + token, pattern || p, below(exists, shape, container, e, c), out);
  };
  for (const Shape::Property& p : shape.object.properties)
    child(p.shape, escaped(p.name), types::object, p.required ? Exists::must : Exists::may, false);
  for (const Shape::Pattern& p : shape.object.patterns)
    child(p.shape, escaped(p.text()), types::object, Exists::implicit, true);
  if (shape.object.additional) child(*shape.object.additional, "/*", types::object, Exists::implicit, true);
  for (std::size_t i = 0; i < shape.array.tuple.size(); ++i)
    child(shape.array.tuple[i], fmt::format("/{}", i), types::array,
          i < shape.array.min_items ? Exists::must : Exists::may, false);
  if (shape.array.additional) child(*shape.array.additional, "/*", types::array, Exists::implicit, true);
}

}  // namespace

const std::string& Shape::Pattern::text() const { return regex->pattern(); }
bool Shape::Pattern::matches(std::string_view name) const { return regex->found_in(name); }

Shape intersect(Shape a, Shape b) {
  a.types &= b.types;
  take_first(a.title, b.title);
  take_first(a.description, b.description);
  take_first(a.content_media_type, b.content_media_type);
  if (!a.default_json) a.default_json = std::move(b.default_json);
  a.secret = a.secret || b.secret;
  if (b.reduce != protocol::Reduce::unset) a.reduce = b.reduce;
  if (a.redact == protocol::Redact::unset)
    a.redact = b.redact;
  else if (b.redact != protocol::Redact::unset && b.redact != a.redact)
    a.redact = protocol::Redact::multiple;
  a.extensions.merge(b.extensions);
  intersect_enumeration(a, b);
  intersect(a.string, b.string);
  a.numeric.minimum = tighter(a.numeric.minimum, b.numeric.minimum, greater);
  a.numeric.maximum = tighter(a.numeric.maximum, b.numeric.maximum, less);
  intersect(a.array, b.array);
  intersect(a.object, b.object);
  prune(a);
  return a;
}

Shape unite(Shape a, Shape b) {
  if (a.is_nothing()) return b;
  if (b.is_nothing()) return a;
  keep_shared(a.title, b.title);
  keep_shared(a.description, b.description);
  keep_shared(a.content_media_type, b.content_media_type);
  keep_shared(a.default_json, b.default_json);
  a.secret = a.secret || b.secret;
  if (a.reduce != b.reduce) a.reduce = protocol::Reduce::multiple;
  if (a.redact != b.redact) a.redact = protocol::Redact::multiple;
  std::erase_if(a.extensions, [&](auto& e) {
    auto same = b.extensions.find(e.first);
    return same == b.extensions.end() || same->second != e.second;
  });
  unite_enumeration(a, b);
  auto both = [&](types::Set t) { return (a.types & t) && (b.types & t); };
  auto only_b = [&](types::Set t) { return !(a.types & t) && (b.types & t); };
  if (both(types::string)) unite(a.string, b.string);
  if (only_b(types::string)) a.string = std::move(b.string);
  if (both(types::number)) {
    a.numeric.minimum = looser(a.numeric.minimum, b.numeric.minimum, greater);
    a.numeric.maximum = looser(a.numeric.maximum, b.numeric.maximum, less);
  }
  if (only_b(types::number)) a.numeric = b.numeric;
  if (both(types::array)) unite(a.array, b.array);
  if (only_b(types::array)) a.array = std::move(b.array);
  if (both(types::object)) unite(a.object, b.object);
  if (only_b(types::object)) a.object = std::move(b.object);
  a.types |= b.types;
  return a;
}

Shape::Located Shape::locate(const json::Pointer& pointer) const {
  Located at{this, is_nothing() ? Exists::cannot : Exists::must};
  for (const std::string& token : pointer.tokens()) at = descend(at, token);
  return at;
}

std::vector<Shape::Location> Shape::locations() const {
  std::vector<Location> out;
  collect(*this, "", false, is_nothing() ? Exists::cannot : Exists::must, out);
  std::stable_sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.pointer < b.pointer; });
  return out;
}

protocol::Inference Shape::inference(Exists exists) const {
  protocol::Inference out;
  out.types = types::names(types);
  out.title = title;
  out.description = description;
  out.default_json = default_json.value_or("");
  out.secret = secret;
  out.exists = exists;
  out.reduce = reduce;
  out.redact = redact;
  out.content_media_type = content_media_type;
  if (enumeration) out.enum_json_vec = *enumeration;
  auto count = [](std::uint64_t n) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(n, UINT32_MAX));
  };
  if (types & types::string) {
    protocol::InferenceString& s = out.string.emplace();
    s.content_type = content_media_type;
    s.format = string.format;
    s.content_encoding = string.content_encoding;
    s.max_length = count(string.max_length.value_or(0));
  }
  if (types & types::number) {
    protocol::InferenceNumeric& n = out.numeric.emplace();
    n.has_minimum = numeric.minimum.has_value();
    n.minimum = numeric.minimum ? to_double(*numeric.minimum) : 0;
    n.has_maximum = numeric.maximum.has_value();
    n.maximum = numeric.maximum ? to_double(*numeric.maximum) : 0;
  }
  if (types & types::array) {
    protocol::InferenceArray& a = out.array.emplace();
    a.min_items = count(array.min_items);
    a.has_max_items = array.max_items.has_value();
    a.max_items = count(array.max_items.value_or(0));
    types::Set items = array.additional ? array.additional->types : types::any;
    for (const Shape& item : array.tuple) items |= item.types;
    a.item_types = types::names(items);
  }
  return out;
}

}  // namespace sluice::runtime
