#include <algorithm>

#include "sluice/config/config.hpp"
#include "sluice/json/tree.hpp"
#include "walk.hpp"

namespace sluice::config {
namespace {

using Kind = Shape::Kind;

class SchemaWriter {
 public:
  explicit SchemaWriter(std::string& text) : out_(text) {}

  void root(const Shape& shape) {
    out_.begin_object();
    out_.key("$schema").string("https://json-schema.org/draft/2020-12/schema");
    out_.key("type").string("object");
    text("title", shape.about.title_text);
    text("description", shape.about.help_text);
    extensions(shape.about.extensions, shape.about.extension_count);
    properties(shape, {}, false);
    out_.end_object();
  }

 private:
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) out_.key(key).string(value);
  }
  void flag(std::string_view key, bool value) {
    if (value) out_.key(key).boolean(true);
  }
  void extensions(const std::array<Extension, 4>& list, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out_.key(list[i].name).raw(list[i].json);
  }

  void property(const Property& p, const void* value) {
    const Shape& shape = bare(*p.shape);
    const Notes& notes = p.notes;
    bool own_about = shape.kind == Kind::object;
    out_.begin_object();
    if (notes.schema_json.empty())
      type(shape, notes);
    else
      members(notes.schema_json);
    text("title", notes.title.empty() && own_about ? shape.about.title_text : notes.title);
    text("description", notes.help.empty() && own_about ? shape.about.help_text : notes.help);
    if (auto shown = shown_default(p, value)) out_.key("default").raw(*shown);
    if (!notes.examples_json.empty()) out_.key("examples").raw(notes.examples_json);
    annotations(shape, notes);
    if (notes.schema_json.empty()) structure(shape, notes);
    out_.end_object();
  }

  void annotations(const Shape& shape, const Notes& notes) {
    if (notes.order) out_.key("order").integer(*notes.order);
    flag("secret", notes.secret && shape.kind != Kind::secret && shape.kind != Kind::array);
    flag("multiline", notes.multiline);
    flag("advanced", notes.advanced);
    flag("nonsensitive", notes.nonsensitive);
    flag("readOnly", notes.read_only);
    extensions(notes.extensions, notes.extension_count);
    if (shape.kind == Kind::object) extensions(shape.about.extensions, shape.about.extension_count);
    if (shape.kind == Kind::variant && !notes.discriminator.empty())
      out_.key("discriminator").begin_object().key("propertyName").string(notes.discriminator).end_object();
  }

  void type_name(std::string_view name, const Notes& notes) {
    out_.key("type");
    if (notes.nullable)
      out_.begin_array().string(name).string("null").end_array();
    else
      out_.string(name);
  }

  // The keywords that say which scalar is allowed, or the type of a container.
  void type(const Shape& shape, const Notes& notes) {
    switch (shape.kind) {
      case Kind::json:
      case Kind::optional:  // bare() has passed it
      case Kind::none:
        return;
      case Kind::boolean:
        return type_name("boolean", notes);
      case Kind::integer:
      case Kind::number:
        type_name(shape.kind == Kind::integer ? "integer" : "number", notes);
        if (notes.minimum) out_.key("minimum").integer(*notes.minimum);
        if (notes.maximum) out_.key("maximum").integer(*notes.maximum);
        return;
      case Kind::array:
        return type_name("array", notes);
      case Kind::map:
      case Kind::object:
      case Kind::variant:
        return type_name("object", notes);
      case Kind::string:
      case Kind::secret:
      case Kind::text:
      case Kind::choice:
        type_name("string", notes);
        flag("secret", shape.kind == Kind::secret);
        text("const", notes.constant);
        text("pattern", notes.pattern);
        text("format", notes.format);
        alternatives_of_string(shape, notes);
    }
  }

  void alternatives_of_string(const Shape& shape, const Notes& notes) {
    if (!notes.one_of.empty()) {
      out_.key("enum").begin_array();
      for (std::string_view value : notes.one_of) out_.string(value);
      end_enum(notes);
    } else if (std::any_of(shape.choices.begin(), shape.choices.end(),
                           [](const ChoiceText& c) { return !c.title.empty(); })) {
      titled_choices(shape, notes);
    } else if (!shape.choices.empty()) {
      out_.key("enum").begin_array();
      for (const ChoiceText& c : shape.choices) out_.string(c.text);
      end_enum(notes);
    }
  }

  void end_enum(const Notes& notes) {
    if (notes.nullable) out_.null();
    out_.end_array();
  }

  void titled_choices(const Shape& shape, const Notes& notes) {
    out_.key("oneOf").begin_array();
    if (notes.nullable) {
      out_.begin_object().key("const").null();
      text("title", notes.nullable_title);
      out_.end_object();
    }
    for (const ChoiceText& c : shape.choices) {
      out_.begin_object().key("const").string(c.text);
      text("title", c.title);
      text("description", c.help);
      out_.end_object();
    }
    out_.end_array();
  }

  // What lies below a container.
  void structure(const Shape& shape, const Notes& notes) {
    if (shape.kind == Kind::array) {
      out_.key("items");
      item(shape, notes);
    } else if (shape.kind == Kind::map) {
      out_.key("additionalProperties");
      item(shape, notes);
    } else if (shape.kind == Kind::object) {
      properties(shape, {}, !shape.about.is_open);
    } else if (shape.kind == Kind::variant) {
      arms(shape, notes);
    }
  }

  void item(const Shape& shape, const Notes& notes) {
    const Shape& of = bare(*shape.item);
    Notes own = item_notes(notes);
    out_.begin_object();
    type(of, own);
    flag("secret", own.secret && of.kind == Kind::string);
    if (of.kind == Kind::object) {
      text("title", of.about.title_text);
      text("description", of.about.help_text);
    }
    structure(of, own);
    out_.end_object();
  }

  void arms(const Shape& shape, const Notes& notes) {
    out_.key("oneOf").begin_array();
    for (const Shape* arm : shape.alternatives) {
      if (arm->kind == Kind::none) continue;
      out_.begin_object().key("type").string("object");
      text("title", arm->about.title_text);
      text("description", arm->about.help_text);
      extensions(arm->about.extensions, arm->about.extension_count);
      // Open, as the control plane adds tokens beside what the user sees.
      properties(*arm, notes, false);
      out_.end_object();
    }
    out_.end_array();
  }

  void tag(const Shape& arm, const Notes& notes) {
    std::string_view value = arm.about.tag_text;
    out_.key(notes.discriminator).begin_object();
    out_.key("type").string("string").key("const").string(value).key("default").string(value);
    out_.key("order").integer(0);
    flag("nonsensitive", notes.discriminator != "auth_type");
    out_.end_object();
  }

  // `notes` are those of the variant that `shape` is an alternative of.
  void properties(const Shape& shape, const Notes& notes, bool closed) {
    bool tagged = !notes.discriminator.empty() && !shape.about.tag_text.empty();
    std::shared_ptr<void> defaults = shape.make();
    out_.key("properties").begin_object();
    if (tagged) tag(shape, notes);
    for (const Property& p : shape.properties) {
      if (p.notes.hidden) continue;
      out_.key(p.key);
      property(p, p.in(defaults.get()));
    }
    out_.end_object();
    required(shape, tagged && notes.tag_required ? notes.discriminator : std::string_view());
    if (closed) out_.key("additionalProperties").boolean(false);
  }

  void required(const Shape& shape, std::string_view tag) {
    auto listed = [](const Property& p) { return p.notes.schema_required && !p.notes.hidden; };
    if (tag.empty() && std::none_of(shape.properties.begin(), shape.properties.end(), listed)) return;
    out_.key("required").begin_array();
    if (!tag.empty()) out_.string(tag);
    for (const Property& p : shape.properties)
      if (listed(p)) out_.string(p.key);
    out_.end_array();
  }

  void members(std::string_view schema) {
    json::Tree tree;
    tree.parse(schema);
    for (const json::Node& member : tree.children(tree.root())) out_.key(member.key).raw(member.raw);
  }

  json::Writer out_;
};

std::string quoted(std::string_view text) {
  std::string out;
  json::write_string(out, text);
  return out;
}

// The alternative that a default has: of an unset optional, the first one.
std::optional<std::string> default_tag(const Shape& variant, const Shape& outer, const Notes& notes,
                                       const void* value) {
  if (notes.discriminator.empty()) return std::nullopt;
  std::size_t chosen = outer.kind == Kind::variant ? outer.selected(value) : 0;
  const auto& arms = variant.alternatives;
  while (chosen < arms.size() && arms[chosen]->kind == Kind::none) ++chosen;
  if (chosen == arms.size()) return std::nullopt;
  return '{' + quoted(notes.discriminator) + ':' + quoted(arms[chosen]->about.tag_text) + '}';
}

}  // namespace

std::optional<std::string> shown_default(const Property& property, const void* value) {
  const Notes& notes = property.notes;
  const Shape& shape = bare(*property.shape);
  if (notes.no_default) return std::nullopt;
  if (!notes.default_json.empty()) return std::string(notes.default_json);
  if (!notes.constant.empty()) return quoted(notes.constant);
  if (shape.kind == Kind::variant) return default_tag(shape, *property.shape, notes, value);
  if (shape.kind == Kind::object || shape.kind == Kind::secret || notes.secret) return std::nullopt;
  std::string text;
  json::Writer out(text);
  write(out, *property.shape, notes, value, false);
  if (text == "null" && !notes.nullable) return std::nullopt;
  bool empty = text == "[]" || text == "{}" || (text == "\"\"" && shape.kind != Kind::choice);
  bool zero = text == "0" || text == "0.0" || text == "\"0s\"";
  if (empty || (zero && notes.schema_required)) return std::nullopt;
  return text;
}

std::string schema_of(const Shape& shape) {
  std::string text;
  SchemaWriter(text).root(shape);
  return text;
}

}  // namespace sluice::config
