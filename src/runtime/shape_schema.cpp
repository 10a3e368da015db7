#include <cmath>

#include "sluice/json/write.hpp"
#include "sluice/runtime/shape.hpp"

namespace sluice::runtime {
namespace {

bool is_anything(const Shape& s) {
  return s.types == types::any && !s.enumeration && s.title.empty() && s.description.empty() &&
         s.content_media_type.empty() && !s.default_json && !s.secret && s.extensions.empty() &&
         s.string.format.empty() && s.string.content_encoding.empty() && s.string.min_length == 0 &&
         !s.string.max_length && !s.numeric.minimum && !s.numeric.maximum && s.array.min_items == 0 &&
         !s.array.max_items && s.array.tuple.empty() && !s.array.additional && s.object.properties.empty() &&
         s.object.patterns.empty() && !s.object.additional;
}

class SchemaWriter {
 public:
  explicit SchemaWriter(std::string& out) : out_(out) {}

  void write(const Shape& s) {
    if (s.is_nothing()) {
      out_.boolean(false);
      return;
    }
    if (is_anything(s)) {
      out_.boolean(true);
      return;
    }
    out_.begin_object();
    members(s);
    out_.end_object();
  }

  void members(const Shape& s) {
    if (s.types != types::any) type(s.types);
    if (s.enumeration) raw_array("enum", *s.enumeration);
    text("title", s.title);
    text("description", s.description);
    if (s.default_json) out_.key("default").raw(*s.default_json);
    if (s.secret) out_.key("secret").boolean(true);
    text("format", s.string.format);
    text("contentEncoding", s.string.content_encoding);
    text("contentMediaType", s.content_media_type);
    count("minLength", s.string.min_length);
    limit("maxLength", s.string.max_length);
    number("minimum", s.numeric.minimum);
    number("maximum", s.numeric.maximum);
    count("minItems", s.array.min_items);
    limit("maxItems", s.array.max_items);
    items(s.array);
    object(s.object);
    for (auto& [name, value] : s.extensions) out_.key(name).raw(value);
  }

 private:
  void type(types::Set set) {
    std::vector<std::string> names = types::names(set);
    out_.key("type");
    if (names.size() == 1) {
      out_.string(names[0]);
      return;
    }
    out_.begin_array();
    for (const std::string& name : names) out_.string(name);
    out_.end_array();
  }
  void items(const Shape::Array& a) {
    if (!a.tuple.empty()) {
      out_.key("items").begin_array();
      for (const Shape& item : a.tuple) write(item);
      out_.end_array();
    }
    if (!a.additional) return;
    out_.key(a.tuple.empty() ? "items" : "additionalItems");
    write(*a.additional);
  }
  void object(const Shape::Object& o) {
    if (!o.properties.empty()) {
      out_.key("properties").begin_object();
      for (const Shape::Property& p : o.properties) {
        out_.key(p.name);
        write(p.shape);
      }
      out_.end_object();
    }
    bool any = std::any_of(o.properties.begin(), o.properties.end(), [](auto& p) { return p.required; });
    if (any) {
      out_.key("required").begin_array();
      for (const Shape::Property& p : o.properties)
        if (p.required) out_.string(p.name);
      out_.end_array();
    }
    if (!o.patterns.empty()) {
      out_.key("patternProperties").begin_object();
      for (const Shape::Pattern& p : o.patterns) {
        out_.key(p.text());
        write(p.shape);
      }
      out_.end_object();
    }
    if (!o.additional) return;
    out_.key("additionalProperties");
    write(*o.additional);
  }
  void raw_array(std::string_view key, const std::vector<std::string>& values) {
    out_.key(key).begin_array();
    for (const std::string& value : values) out_.raw(value);
    out_.end_array();
  }
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) out_.key(key).string(value);
  }
  void count(std::string_view key, std::uint64_t value) {
    if (value != 0) out_.key(key).unsigned_integer(value);
  }
  void limit(std::string_view key, const std::optional<std::uint64_t>& value) {
    if (value) out_.key(key).unsigned_integer(*value);
  }
  void number(std::string_view key, const std::optional<json::Number>& value) {
    if (!value) return;
    switch (value->type) {
      case json::Number::Type::negative:
        out_.key(key).integer(value->negative);
        break;
      case json::Number::Type::unsigned_:
        out_.key(key).unsigned_integer(value->unsigned_);
        break;
      case json::Number::Type::floating:
        // A bound beyond all doubles bounds nothing.
        if (std::isfinite(value->floating)) out_.key(key).number(value->floating);
        break;
    }
  }

  json::Writer out_;
};

}  // namespace

std::string to_schema(const Shape& shape) {
  std::string out;
  SchemaWriter(out).write(shape);
  return out;
}

std::string unite_schemas(std::string_view a, std::string_view b) {
  Shape shape = unite(Shape::infer(Schema::compile(a)), Shape::infer(Schema::compile(b)));
  // Schemas of collections are objects, also the one that accepts all or nothing.
  std::string out = to_schema(shape);
  if (out == "true") out = "{}";
  if (out == "false") out = R"({"not":{}})";
  return out;
}

}  // namespace sluice::runtime
