#include <map>

#include "schema_model.hpp"
#include "sluice/json/write.hpp"
#include "sluice/runtime/shape.hpp"

namespace sluice::runtime {
namespace {

using namespace schema;

std::string canonical(const Value& value) {
  std::string out;
  json::write_canonical(out, value.document->tree, *value.node);
  return out;
}

protocol::Reduce to_protocol(Reduction::Strategy strategy) {
  switch (strategy) {
    case Reduction::Strategy::append:
      return protocol::Reduce::append;
    case Reduction::Strategy::first_write_wins:
      return protocol::Reduce::first_write_wins;
    case Reduction::Strategy::last_write_wins:
      return protocol::Reduce::last_write_wins;
    case Reduction::Strategy::maximize:
      return protocol::Reduce::maximize;
    case Reduction::Strategy::merge:
      return protocol::Reduce::merge;
    case Reduction::Strategy::minimize:
      return protocol::Reduce::minimize;
    case Reduction::Strategy::set:
      return protocol::Reduce::set;
    case Reduction::Strategy::sum:
      return protocol::Reduce::sum;
    case Reduction::Strategy::json_schema_merge:
      return protocol::Reduce::json_schema_merge;
  }
  return protocol::Reduce::unset;
}

class Inferrer {
 public:
  // A schema that refers back to one around it has no finite shape: there it is "anything".
  Shape infer(const Sub& sub) {
    if (auto known = done_.find(&sub); known != done_.end()) return known->second;
    if (std::find(open_.begin(), open_.end(), &sub) != open_.end()) {
      cut_ = true;
      return Shape();
    }
    bool outer_cut = std::exchange(cut_, false);
    open_.push_back(&sub);
    Shape shape = walk(sub);
    open_.pop_back();
    if (!cut_) done_.emplace(&sub, shape);
    cut_ = cut_ || outer_cut;
    return shape;
  }

 private:
  Shape walk(const Sub& sub) {
    if (sub.never) return Shape::nothing();
    Shape shape = intersect(own(sub), Shape());
    if (sub.in_place) shape = in_place(*sub.in_place, std::move(shape));
    if (sub.unevaluated_properties && !shape.object.additional && (shape.types & types::object))
      shape.object.additional = infer(*sub.unevaluated_properties);
    if (sub.unevaluated_items && !shape.array.additional && (shape.types & types::array))
      shape.array.additional = infer(*sub.unevaluated_items);
    return shape;
  }

  Shape own(const Sub& sub) {
    Shape s;
    s.types = sub.types;
    s.title = sub.notes.title;
    s.description = sub.notes.description;
    s.content_media_type = sub.notes.content_media_type;
    s.string.content_encoding = sub.notes.content_encoding;
    s.string.format = sub.notes.unknown_format;
    s.secret = sub.notes.secret;
    if (sub.notes.default_value) s.default_json = canonical(*sub.notes.default_value);
    for (auto& [name, value] : sub.notes.extensions) s.extensions[std::string(name)] = canonical(value);
    if (sub.reduce) s.reduce = to_protocol(sub.reduce->strategy);
    if (sub.redact == Redaction::block) s.redact = protocol::Redact::block;
    if (sub.redact == Redaction::sha256) s.redact = protocol::Redact::sha256;
    if (sub.enumeration) {
      s.enumeration.emplace();
      for (const Value& value : *sub.enumeration) s.enumeration->push_back(canonical(value));
    }
    if (sub.constant) {
      Shape one;
      one.enumeration = {canonical(*sub.constant)};
      s = intersect(std::move(s), std::move(one));
    }
    if (sub.string) string(s.string, *sub.string);
    if (sub.number) numeric(s.numeric, *sub.number);
    if (sub.array) array(s.array, *sub.array);
    if (sub.object) object(s.object, *sub.object);
    return s;
  }

  static std::optional<std::uint64_t> limit(std::uint64_t n) {
    return n == unbounded ? std::nullopt : std::optional(n);
  }
  static void string(Shape::String& out, const StringRules& r) {
    out.min_length = r.min_length;
    out.max_length = limit(r.max_length);
    out.check = r.format;
    if (r.format) out.format = r.format->name;
  }
  static void numeric(Shape::Numeric& out, const NumberRules& r) {
    if (r.minimum) out.minimum = r.minimum_value;
    if (r.exclusive_minimum && (!out.minimum || json::compare(*out.minimum, r.exclusive_minimum_value) < 0))
      out.minimum = r.exclusive_minimum_value;
    if (r.maximum) out.maximum = r.maximum_value;
    if (r.exclusive_maximum && (!out.maximum || json::compare(*out.maximum, r.exclusive_maximum_value) > 0))
      out.maximum = r.exclusive_maximum_value;
  }
  void array(Shape::Array& out, const ArrayRules& r) {
    out.min_items = r.min_items;
    out.max_items = limit(r.max_items);
    for (const Sub* item : r.tuple) out.tuple.push_back(infer(*item));
    if (r.rest) out.additional = infer(*r.rest);
  }
  void object(Shape::Object& out, const ObjectRules& r) {
    for (const PatternProperty& p : r.patterns) out.patterns.push_back({p.regex, infer(*p.sub)});
    for (const Properties::Slot& slot : r.properties.slots()) {
      Shape::Property& p = out.properties.emplace_back();
      p.name = slot.name;
      p.required = slot.required;
      if (slot.sub) p.shape = infer(*slot.sub);
      bool matched = slot.sub != nullptr;
      for (std::size_t i = 0; i < r.patterns.size(); ++i) {
        if (!r.patterns[i].regex->found_in(slot.name)) continue;
        matched = true;
        p.shape = intersect(std::move(p.shape), out.patterns[i].shape);
      }
      if (!matched && r.additional) p.shape = infer(*r.additional);
    }
    if (r.additional) out.additional = infer(*r.additional);
  }

  Shape in_place(const InPlace& p, Shape shape) {
    if (p.ref) shape = intersect(std::move(shape), infer(*p.ref));
    for (const Sub* sub : p.all_of) shape = intersect(std::move(shape), infer(*sub));
    if (!p.any_of.empty()) shape = intersect(std::move(shape), either(p.any_of));
    if (!p.one_of.empty()) shape = intersect(std::move(shape), either(p.one_of));
    if (p.then && p.otherwise)
      shape = intersect(std::move(shape), unite(infer(*p.then), infer(*p.otherwise)));
    return shape;
  }
  Shape either(const std::vector<const Sub*>& subs) {
    Shape out = Shape::nothing();
    for (const Sub* sub : subs) out = unite(std::move(out), infer(*sub));
    return out;
  }

  std::vector<const Sub*> open_;
  std::map<const Sub*, Shape> done_;
  bool cut_ = false;
};

}  // namespace

Shape Shape::infer(const Schema& schema) { return Inferrer().infer(*schema.model().root); }

}  // namespace sluice::runtime
