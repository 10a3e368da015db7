#include <cstring>

#include "sluice/base/error.hpp"
#include "sluice/config/config.hpp"
#include "walk.hpp"

namespace sluice::config {
namespace {

template <class T>
const T& as(const void* value) {
  return *static_cast<const T*>(value);
}

std::int64_t signed_value(const void* value, int width) {
  switch (width) {
    case 1:
      return as<std::int8_t>(value);
    case 2:
      return as<std::int16_t>(value);
    case 4:
      return as<std::int32_t>(value);
    default:
      return as<std::int64_t>(value);
  }
}

std::uint64_t unsigned_value(const void* value, int width) {
  switch (width) {
    case 1:
      return as<std::uint8_t>(value);
    case 2:
      return as<std::uint16_t>(value);
    case 4:
      return as<std::uint32_t>(value);
    default:
      return as<std::uint64_t>(value);
  }
}

void write_integer(json::Writer& out, const Shape& shape, const void* value) {
  if (shape.is_signed)
    out.integer(signed_value(value, shape.width));
  else
    out.unsigned_integer(unsigned_value(value, shape.width));
}

bool is_unset(const Shape& shape, const void* value) {
  if (shape.kind == Shape::Kind::json) return as<Json>(value).text.empty();
  if (shape.kind == Shape::Kind::variant)
    return shape.alternatives[shape.selected(value)]->kind == Shape::Kind::none;
  if (shape.kind != Shape::Kind::optional) return false;
  bool set = false;
  shape.each(
      value, [](void* flag, std::string_view, const void*) { *static_cast<bool*>(flag) = true; }, &set);
  return !set;
}

std::string text_of(const Property& property, const void* owner) {
  std::string text;
  json::Writer out(text);
  write(out, *property.shape, property.notes, property.in(owner), false);
  return text;
}

void write_properties(json::Writer& out, const Shape& shape, const void* value, bool redact) {
  std::shared_ptr<void> defaults = redact ? nullptr : shape.make();
  for (const Property& p : shape.properties) {
    if (is_unset(*p.shape, p.in(value))) continue;
    if (!redact && !p.notes.schema_required && text_of(p, value) == text_of(p, defaults.get())) continue;
    out.key(p.key);
    write(out, *p.shape, p.notes, p.in(value), redact);
  }
}

struct Items {
  json::Writer& out;
  const Shape& item;
  Notes notes;
  bool redact, keyed;

  static void visit(void* context, std::string_view key, const void* value) {
    auto& self = *static_cast<Items*>(context);
    if (self.keyed) self.out.key(key);
    write(self.out, self.item, self.notes, value, self.redact);
  }
};

bool is_empty(const Shape& shape, const void* value) {
  std::string text;
  json::Writer out(text);
  write(out, shape, {}, value, false);
  return text == "\"\"" || text == "0" || text == "0.0" || text == "[]" || text == "{}";
}

}  // namespace

Notes item_notes(const Notes& notes) {
  Notes item;
  item.secret = notes.secret;
  item.pattern = notes.item_pattern;
  item.one_of = notes.one_of;
  item.discriminator = notes.discriminator;
  item.tag_required = notes.tag_required;
  return item;
}

const Shape& bare(const Shape& shape) {
  return shape.kind == Shape::Kind::optional ? bare(*shape.item) : shape;
}

void write(json::Writer& out, const Shape& shape, const Notes& notes, const void* value, bool redact) {
  using Kind = Shape::Kind;
  if (redact && notes.secret && !is_unset(shape, value) && !is_empty(shape, value)) {
    out.string("***");
    return;
  }
  switch (shape.kind) {
    case Kind::string:
      out.string(as<std::string>(value));
      return;
    case Kind::secret: {
      const std::string& text = as<Secret>(value).reveal();
      out.string(redact && !text.empty() ? "***" : text);
      return;
    }
    case Kind::boolean:
      out.boolean(as<bool>(value));
      return;
    case Kind::integer:
      write_integer(out, shape, value);
      return;
    case Kind::number:
      out.number(shape.width == 4 ? double(as<float>(value)) : as<double>(value));
      return;
    case Kind::text:
      out.string(shape.write(value));
      return;
    case Kind::choice: {
      std::size_t chosen = shape.chosen(value);
      SLUICE_CHECK(chosen < shape.choices.size());
      out.string(shape.choices[chosen].text);
      return;
    }
    case Kind::json:
      if (as<Json>(value).text.empty())
        out.null();
      else
        out.raw(as<Json>(value).text);
      return;
    case Kind::optional: {
      if (is_unset(shape, value)) {
        out.null();
        return;
      }
      Items items{out, *shape.item, notes, redact, false};
      shape.each(value, Items::visit, &items);
      return;
    }
    case Kind::array: {
      Items items{out, *shape.item, item_notes(notes), redact, false};
      out.begin_array();
      shape.each(value, Items::visit, &items);
      out.end_array();
      return;
    }
    case Kind::map: {
      Items items{out, *shape.item, item_notes(notes), redact, true};
      out.begin_object();
      shape.each(value, Items::visit, &items);
      out.end_object();
      return;
    }
    case Kind::object:
      out.begin_object();
      write_properties(out, shape, value, redact);
      out.end_object();
      return;
    case Kind::variant: {
      const Shape& arm = *shape.alternatives[shape.selected(value)];
      out.begin_object();
      if (!notes.discriminator.empty() && !arm.about.tag_text.empty())
        out.key(notes.discriminator).string(arm.about.tag_text);
      write_properties(out, arm, shape.value(value), redact);
      out.end_object();
      return;
    }
    case Kind::none:
      out.null();
      return;
  }
}

std::string write_value(const Shape& shape, const void* value, bool redact) {
  std::string text;
  json::Writer out(text);
  write(out, shape, {}, value, redact);
  return text;
}

}  // namespace sluice::config
