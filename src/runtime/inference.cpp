#include "sluice/runtime/inference.hpp"

#include <algorithm>

#include "regex.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view complexity_extension = "x-complexity-limit";

template <class Visit>
void each_child(Shape& s, Visit visit) {
  for (Shape::Property& p : s.object.properties) visit(p.shape);
  for (Shape::Pattern& p : s.object.patterns) visit(p.shape);
  if (s.object.additional) visit(*s.object.additional);
  for (Shape& item : s.array.tuple) visit(item);
  if (s.array.additional) visit(*s.array.additional);
}

bool is_open(const Shape::Object& o) { return !o.additional || to_schema(*o.additional) == "true"; }

void close(Shape& s) {
  each_child(s, close);
  if (!s.object.properties.empty() && is_open(s.object)) s.object.additional = Shape::nothing();
}

Shape::Property* find(Shape::Object& object, std::string_view name) {
  auto at = std::find_if(object.properties.begin(), object.properties.end(),
                         [&](const Shape::Property& p) { return p.name == name; });
  return at == object.properties.end() ? nullptr : &*at;
}

// The shape of a property, which is named if it was not.
Shape& name(Shape& s, std::string_view name) {
  auto& properties = s.object.properties;
  if (Shape::Property* known = find(s.object, name)) return known->shape;
  auto after = std::find_if(properties.begin(), properties.end(), [&](auto& p) { return p.name > name; });
  Shape::Property& added = *properties.insert(after, Shape::Property());
  added.name = name;
  return added.shape;
}

// Drops names that say no more than that there are no others.
void drop_impossible(Shape& s) {
  each_child(s, drop_impossible);
  if (s.object.additional && s.object.additional->is_nothing())
    std::erase_if(s.object.properties,
                  [](const Shape::Property& p) { return !p.required && p.shape.is_nothing(); });
}

// Leaves only what decides which values are admitted.
void strip(Shape& s) {
  s.title.clear();
  s.description.clear();
  s.content_media_type.clear();
  s.string.content_encoding.clear();
  s.default_json.reset();
  s.secret = false;
  s.extensions.clear();
  each_child(s, strip);
}
std::string admitted(Shape shape) {
  strip(shape);
  drop_impossible(shape);
  return to_schema(shape);
}

std::string complete_schema(const Shape& shape) {
  std::string out = R"({"$schema":"https://json-schema.org/draft/2019-09/schema")";
  std::string members = to_schema(shape);
  if (members == "true") return out += '}';
  out += ',';
  return out.append(members, 1);
}

}  // namespace

Shape closed_shape(const Schema& schema) {
  Shape shape = Shape::infer(schema);
  Shape::Property* meta = find(shape.object, "_meta");
  bool open = meta && is_open(meta->shape.object);
  close(shape);
  if (open) meta->shape.object.additional.reset();
  // As a pattern, so that it becomes no field.
  bool closed = shape.object.additional && shape.object.additional->is_nothing();
  if (closed && !meta) {
    Shape object;
    object.types = types::object;
    shape.object.patterns.push_back({std::make_shared<const Regex>("^_meta$"), std::move(object)});
  }
  return shape;
}

// ---- names ----

Names::Names(Shape closed) {
  // Every document has them.
  if (!closed.object.properties.empty()) name(name(closed, "_meta"), "uuid");
  root_ = add(closed);
}

std::uint32_t Names::add(const Shape& s) {
  Place place;
  place.closed = s.object.additional && s.object.additional->is_nothing();
  bool needed = place.closed;
  auto below = [&](const Shape& child) {
    std::uint32_t at = add(child);
    needed = needed || at != none;
    return at;
  };
  std::vector<Name> names;
  for (const Shape::Property& p : s.object.properties) names.push_back({p.name, below(p.shape)});
  for (const Shape::Pattern& p : s.object.patterns) place.patterns.emplace_back(p.regex, below(p.shape));
  if (s.object.additional && !place.closed) place.other = below(*s.object.additional);
  for (const Shape& item : s.array.tuple) place.tuple.push_back(below(item));
  if (s.array.additional) place.items = below(*s.array.additional);
  if (!needed) return none;
  place.first = static_cast<std::uint32_t>(names_.size());
  std::move(names.begin(), names.end(), std::back_inserter(names_));
  place.end = static_cast<std::uint32_t>(names_.size());
  places_.push_back(std::move(place));
  return static_cast<std::uint32_t>(places_.size() - 1);
}

NameCheck::NameCheck(std::shared_ptr<const Names> names) : names_(std::move(names)) {
  for (std::uint32_t i = 0; i < names_->names_.size(); ++i) next_.push_back(i + 1);
  for (const Names::Place& place : names_->places_) next_.push_back(place.first);
}

std::uint32_t NameCheck::find(const Names::Place& place, std::string_view name) const {
  auto begin = names_->names_.begin() + place.first, end = names_->names_.begin() + place.end;
  auto at = std::lower_bound(begin, end, name,
                             [](const Names::Name& n, std::string_view text) { return n.text < text; });
  if (at == end || at->text != name) return Names::none;
  return static_cast<std::uint32_t>(at - names_->names_.begin());
}

bool NameCheck::check(std::uint32_t at, const json::Tree& tree, const json::Node& node) {
  if (node.kind == json::Kind::object) return check_object(at, tree, node);
  if (node.kind != json::Kind::array) return true;
  const Names::Place& place = names_->places_[at];
  if (place.items == Names::none && place.tuple.empty()) return true;
  std::size_t i = 0;
  for (const json::Node& item : tree.children(node)) {
    std::uint32_t below = i < place.tuple.size() ? place.tuple[i] : place.items;
    if (below != Names::none && !check(below, tree, item)) return false;
    ++i;
  }
  return true;
}

bool NameCheck::check_object(std::uint32_t at, const json::Tree& tree, const json::Node& node) {
  const Names::Place& place = names_->places_[at];
  std::uint32_t* expected = &next_[names_->names_.size() + at];
  for (const json::Node& child : tree.children(node)) {
    std::uint32_t below = place.other;
    std::uint32_t guess = *expected;
    if (guess >= place.end || !text::same(names_->names_[guess].text, child.key))
      guess = find(place, child.key);
    if (guess != Names::none) {
      *expected = guess;
      expected = &next_[guess];
      below = names_->names_[guess].below;
    } else {
      bool known = !place.closed;
      for (const auto& [regex, leads] : place.patterns) {
        if (!regex->found_in(child.key)) continue;
        known = true;
        below = leads;
      }
      if (!known) return false;
    }
    if (below != Names::none && !check(below, tree, child)) return false;
  }
  return true;
}

// ---- inference ----

Inference::Inference(Schema write_schema, std::string stored)
    : write_(std::move(write_schema)), schema_(std::move(stored)) {}

Shape Inference::known() const {
  if (shape_) return *shape_;
  return schema_.empty() ? closed_shape(write_) : Shape::infer(Schema::compile(schema_));
}

void Inference::source(const Schema& sourced) {
  admit(intersect(closed_shape(sourced), Shape::infer(write_)), true);
}

void Inference::former(const Schema& write_schema) { admit(closed_shape(write_schema), false); }

void Inference::admit(Shape more, bool sourced) {
  std::lock_guard lock(mutex_);
  Shape before = known();
  Shape after = schema_.empty() && !shape_ ? before : unite(before, closed_shape(write_));
  after = unite(std::move(after), std::move(more));
  drop_impossible(after);
  if (admitted(after) == admitted(before)) return;
  // Names that a schema gives are never folded, or a column could lose its type, and a key be no key.
  if (sourced || before.extensions.contains(std::string(complexity_extension)))
    after.extensions[std::string(complexity_extension)] = std::to_string(complexity_cap);
  after.extensions.erase("x-infer-schema");
  schema_ = complete_schema(after);
  shape_.reset();
  changed_ = true;
}

void Inference::widen(const json::Tree& document) {
  std::lock_guard lock(mutex_);
  if (!shape_) {
    shape_ = known();
    known_locations_ = shape_->locations().size();
  }
  if (runtime::widen(*shape_, document, document.root())) {
    settle(*shape_);
    changed_ = true;
  } else if (schema_.empty() && !changed_) {
    shape_.reset();  // still that of the write schema
  }
}

void Inference::settle(Shape& shape) const {
  shape.extensions.erase("x-infer-schema");
  bool sourced = shape.extensions.contains(std::string(complexity_extension));
  squash(shape, std::max(known_locations_, sourced ? complexity_cap : default_complexity_limit));
}

std::shared_ptr<const Names> Inference::names() {
  std::lock_guard lock(mutex_);
  if (!names_) names_ = std::make_shared<const Names>(closed_shape(write_));
  return names_;
}

std::string Inference::schema() const {
  std::lock_guard lock(mutex_);
  return shape_ ? complete_schema(*shape_) : schema_;
}

std::optional<std::string> Inference::take_change() {
  if (!changed_) return {};
  std::lock_guard lock(mutex_);
  changed_ = false;
  if (shape_) schema_ = complete_schema(*shape_);
  return schema_;
}

}  // namespace sluice::runtime
