#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/config/config.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"
#include "walk.hpp"

namespace sluice::config {
namespace {

using json::Node;
using Kind = Shape::Kind;

std::string quoted(std::string_view text) {
  constexpr std::size_t shown = 80;
  std::string out;
  json::write_string(out, text::cut_utf8(text, shown));
  return text.size() > shown ? out + "…" : out;
}

std::string list(const std::vector<std::string>& names) {
  return names.empty() ? "none" : text::join(names, ", ");
}

// What was found, without its value where that may be a secret.
std::string found(const Node& node, bool with_value) {
  switch (node.kind) {
    case json::Kind::null:
      return "null";
    case json::Kind::boolean:
      return with_value ? fmt::format("the boolean {}", node.truth) : "a boolean";
    case json::Kind::number:
      return with_value ? fmt::format("the number {}", text::cut_utf8(node.text, 40)) : "a number";
    case json::Kind::string:
      return with_value ? "the string " + quoted(node.text) : "a string";
    case json::Kind::array:
      return "an array";
    case json::Kind::object:
      return "an object";
  }
  return {};
}

std::string folded(std::string_view name) {
  std::string out = text::lower_ascii(name);
  std::erase_if(out, [](char c) { return c == '_' || c == '-'; });
  return out;
}

bool accepts(const Property& property, std::string_view name) {
  auto aliases = std::span(property.notes.aliases).first(property.notes.alias_count);
  return property.key == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end();
}

std::vector<std::string> visible_names(const Shape& shape, std::string_view discriminator) {
  std::vector<std::string> names;
  if (!discriminator.empty()) names.push_back(quoted(discriminator));
  for (const Property& p : shape.properties)
    if (!p.notes.hidden) names.push_back(quoted(p.key));
  return names;
}

void store(void* out, std::uint64_t bits, std::size_t width) {
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(out, &bits, width);
}

// Reads a document into a value and gathers what is wrong with it.
class Parser {
 public:
  Parser(const json::Tree& tree, Role role) : tree_(tree), role_(role) {}

  void root(const Shape& shape, void* out) {
    value(tree_.root(), shape, {}, out, "");
    if (problems_.empty()) return;
    std::string message = text::join(problems_, "; ");
    if (omitted_ > 0) message += fmt::format("; and {} more", omitted_);
    throw Error(Error::Kind::config, std::move(message));
  }

 private:
  void problem(const std::string& path, std::string_view what) {
    constexpr std::size_t shown = 20;
    if (problems_.size() == shown) return void(++omitted_);
    problems_.push_back(fmt::format("{}: {}", path.empty() ? "configuration" : path, what));
  }
  void mismatch(const std::string& path, std::string_view expected, const Node& node, bool with_value) {
    problem(path, fmt::format("expected {}, got {}", expected, found(node, with_value)));
  }

  void value(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    switch (shape.kind) {
      case Kind::string:
        if (string(node, notes, !notes.secret, path)) static_cast<std::string*>(out)->assign(node.text);
        return;
      case Kind::secret:
        if (string(node, notes, false, path)) *static_cast<Secret*>(out) = Secret(std::string(node.text));
        return;
      case Kind::boolean:
        if (node.kind != json::Kind::boolean) return mismatch(path, "true or false", node, !notes.secret);
        *static_cast<bool*>(out) = node.truth;
        return;
      case Kind::integer:
        return integer(node, shape, notes, out, path);
      case Kind::number:
        return number(node, shape, notes, out, path);
      case Kind::text:
        return text(node, shape, notes, out, path);
      case Kind::choice:
        return choice(node, shape, notes, out, path);
      case Kind::json:
        static_cast<Json*>(out)->text.assign(node.raw);
        return;
      case Kind::optional:
        if (node.kind == json::Kind::null) return shape.clear(out);
        return value(node, *shape.item, notes, shape.add(out, {}), path);
      case Kind::array:
        return array(node, shape, notes, out, path);
      case Kind::map:
        return map(node, shape, notes, out, path);
      case Kind::object:
        if (node.kind != json::Kind::object) return mismatch(path, "an object", node, false);
        return object(node, shape, {}, out, path);
      case Kind::variant:
        return variant(node, shape, notes, out, path);
      case Kind::none:
        return;
    }
  }

  // Whether `node` is a string that the notes allow.
  bool string(const Node& node, const Notes& notes, bool with_value, const std::string& path) {
    if (node.kind != json::Kind::string) {
      mismatch(path, "a string", node, with_value);
      return false;
    }
    std::string shown = with_value ? quoted(node.text) : "the value";
    if (node.text.empty() && notes.required) {
      problem(path, "must not be empty");
    } else if (!notes.constant.empty() && node.text != notes.constant) {
      problem(path, fmt::format("expected {}, got {}", quoted(notes.constant), found(node, with_value)));
    } else if (!notes.one_of.empty() &&
               std::find(notes.one_of.begin(), notes.one_of.end(), node.text) == notes.one_of.end()) {
      std::vector<std::string> allowed;
      for (std::string_view value : notes.one_of) allowed.push_back(quoted(value));
      problem(path, fmt::format("{} is not one of {}", shown, list(allowed)));
    } else if (!node.text.empty() && !notes.pattern.empty() && !matches(node.text, notes.pattern)) {
      problem(path, fmt::format("{} does not match the pattern {}", shown, notes.pattern));
    } else {
      return true;
    }
    return false;
  }

  static bool matches(std::string_view text, std::string_view pattern) {
    RE2 regex(re2::StringPiece(pattern.data(), pattern.size()), RE2::Quiet);
    SLUICE_CHECK(regex.ok());
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
  }

  void integer(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    if (node.kind != json::Kind::number || node.text.find_first_of(".eE") != node.text.npos)
      return mismatch(path, "an integer", node, !notes.secret);
    unsigned bits = shape.width * 8u;
    const char *first = node.text.data(), *last = first + node.text.size();
    std::int64_t number = 0;
    bool small = std::from_chars(first, last, number).ec == std::errc();
    if (!shape.is_signed) {
      std::uint64_t most = bits == 64 ? ~std::uint64_t(0) : (std::uint64_t(1) << bits) - 1;
      std::uint64_t large = 0;
      bool fits = small ? number >= 0 : std::from_chars(first, last, large).ec == std::errc();
      if (small && number >= 0) large = static_cast<std::uint64_t>(number);
      if (!fits || large > most)
        return mismatch(path, fmt::format("an integer between 0 and {}", most), node, !notes.secret);
      if (small && !in_bounds(double(number), node, notes, path)) return;
      if (!small && !in_bounds(double(large), node, notes, path)) return;
      return store(out, large, shape.width);
    }
    std::int64_t most = std::numeric_limits<std::int64_t>::max() >> (64 - bits), least = -most - 1;
    if (!small || number < least || number > most)
      return mismatch(path, fmt::format("an integer between {} and {}", least, most), node, !notes.secret);
    if (in_bounds(double(number), node, notes, path))
      store(out, static_cast<std::uint64_t>(number), shape.width);
  }

  void number(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    double number = 0;
    const char *first = node.text.data(), *last = first + node.text.size();
    if (node.kind != json::Kind::number || std::from_chars(first, last, number).ec != std::errc())
      return mismatch(path, "a number", node, !notes.secret);
    if (!in_bounds(number, node, notes, path)) return;
    if (shape.width == sizeof(float))
      *static_cast<float*>(out) = static_cast<float>(number);
    else
      *static_cast<double*>(out) = number;
  }

  bool in_bounds(double number, const Node& node, const Notes& notes, const std::string& path) {
    if (notes.minimum && number < double(*notes.minimum))
      mismatch(path, fmt::format("at least {}", *notes.minimum), node, !notes.secret);
    else if (notes.maximum && number > double(*notes.maximum))
      mismatch(path, fmt::format("at most {}", *notes.maximum), node, !notes.secret);
    else
      return true;
    return false;
  }

  void text(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    if (node.kind != json::Kind::string)
      return mismatch(path, shape.noun.empty() ? "a string" : shape.noun, node, !notes.secret);
    if (!string(node, notes, !notes.secret, path)) return;
    try {
      shape.parse(out, node.text);
    } catch (const Error& e) {
      problem(path, notes.secret ? "the value is not valid" : e.message());
    }
  }

  void choice(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    if (node.kind != json::Kind::string) return mismatch(path, "a string", node, !notes.secret);
    std::vector<std::string> allowed;
    for (std::size_t i = 0; i < shape.choices.size(); ++i) {
      if (shape.choices[i].text == node.text) return shape.choose(out, i);
      allowed.push_back(quoted(shape.choices[i].text));
    }
    problem(path, fmt::format("{} is not one of {}", quoted(node.text), list(allowed)));
  }

  void array(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    if (node.kind != json::Kind::array) return mismatch(path, "an array", node, false);
    shape.clear(out);
    Notes item = item_notes(notes);
    std::size_t i = 0;
    for (const Node& child_node : tree_.children(node))
      value(child_node, *shape.item, item, shape.add(out, {}), child(path, std::to_string(i++)));
  }

  void map(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    if (node.kind != json::Kind::object) return mismatch(path, "an object", node, false);
    shape.clear(out);
    Notes item = item_notes(notes);
    for (const Node& member : tree_.children(node))
      value(member, *shape.item, item, shape.add(out, member.key), child(path, member.key));
  }

  bool is_ignored(std::string_view name, const std::string& path) const {
    if (!path.empty()) return false;
    return (role_ == Role::endpoint && name == "sops") || (role_ == Role::resource && name == "_meta");
  }

  void object(const Node& node, const Shape& shape, std::string_view discriminator, void* out,
              const std::string& path) {
    std::vector<const Node*> given(shape.properties.size(), nullptr);
    for (const Node& member : tree_.children(node)) {
      auto named = [&](const Property& p) { return accepts(p, member.key); };
      auto property = std::find_if(shape.properties.begin(), shape.properties.end(), named);
      if (property != shape.properties.end()) {
        const Node*& slot = given[std::size_t(property - shape.properties.begin())];
        if (slot) given_twice(*slot, member, path);
        slot = &member;
      } else if (member.key != discriminator && !shape.about.is_open && !is_ignored(member.key, path)) {
        unknown(member.key, shape, discriminator, path);
      }
    }
    for (std::size_t i = 0; i < given.size(); ++i) property(shape.properties[i], given[i], out, path);
  }

  void property(const Property& p, const Node* node, void* owner, const std::string& path) {
    bool given = node && (node->kind != json::Kind::null || p.notes.required ||
                          p.shape->kind == Kind::optional || p.shape->kind == Kind::json);
    if (given) return value(*node, *p.shape, p.notes, p.in(owner), child(path, node->key));
    bool falls_back = bare(*p.shape).kind != Kind::variant && shown_default(p, p.in(owner)).has_value();
    if (p.notes.required && !falls_back) problem(child(path, p.key), "required, but missing");
  }

  void given_twice(const Node& first, const Node& second, const std::string& path) {
    if (first.key == second.key)
      problem(child(path, first.key), "given twice");
    else
      problem(child(path, second.key),
              fmt::format("means the same as {}: give one of them", quoted(first.key)));
  }

  void unknown(std::string_view name, const Shape& shape, std::string_view discriminator,
               const std::string& path) {
    std::vector<std::string> known = visible_names(shape, discriminator);
    std::string what = "unknown property";
    for (const std::string& candidate : known)
      if (folded(candidate) == folded(quoted(name))) what += fmt::format(", did you mean {}?", candidate);
    problem(child(path, text::cut_utf8(name, 80)), what + " (known here: " + list(known) + ")");
  }

  void variant(const Node& node, const Shape& shape, const Notes& notes, void* out, const std::string& path) {
    if (node.kind != json::Kind::object) return mismatch(path, "an object", node, false);
    auto arm =
        notes.discriminator.empty() ? fitting_arm(node, shape, path) : tagged_arm(node, shape, notes, path);
    if (!arm) return;
    const Shape& chosen = *shape.alternatives[*arm];
    void* place = shape.select(out, *arm);
    if (chosen.kind == Kind::object) object(node, chosen, notes.discriminator, place, path);
  }

  std::optional<std::size_t> tagged_arm(const Node& node, const Shape& shape, const Notes& notes,
                                        const std::string& path) {
    const Node* tag = tree_.find(node, notes.discriminator);
    bool absent =
        !tag || tag->kind == json::Kind::null || (tag->kind == json::Kind::string && tag->text.empty());
    std::vector<std::string> allowed;
    for (std::size_t i = 0; i < shape.alternatives.size(); ++i) {
      const Shape& arm = *shape.alternatives[i];
      if (arm.kind == Kind::none ? absent
                                 : tag && tag->kind == json::Kind::string && tag->text == arm.about.tag_text)
        return i;
      if (arm.kind != Kind::none) allowed.push_back(quoted(arm.about.tag_text));
    }
    std::string at = child(path, notes.discriminator);
    if (!tag)
      problem(at, "required, but missing: it is one of " + list(allowed));
    else
      problem(at, fmt::format("expected one of {}, got {}", list(allowed), found(*tag, true)));
    return std::nullopt;
  }

  std::optional<std::size_t> fitting_arm(const Node& node, const Shape& shape, const std::string& path) {
    if (shape.alternatives.size() == 1) return 0;
    std::vector<std::string> forms;
    for (std::size_t i = 0; i < shape.alternatives.size(); ++i) {
      const Shape& arm = *shape.alternatives[i];
      if (fits(node, arm)) return i;
      if (arm.kind != Kind::none)
        forms.push_back(fmt::format("{} ({})", quoted(arm.about.title_text), list(visible_names(arm, {}))));
    }
    problem(path, "the properties fit none of the forms " + list(forms));
    return std::nullopt;
  }

  bool fits(const Node& node, const Shape& arm) const {
    for (const Node& member : tree_.children(node))
      if (std::none_of(arm.properties.begin(), arm.properties.end(),
                       [&](const Property& p) { return accepts(p, member.key); }))
        return false;
    return std::all_of(arm.properties.begin(), arm.properties.end(), [&](const Property& p) {
      bool found = !p.notes.schema_required;
      for (const Node& member : tree_.children(node)) found = found || accepts(p, member.key);
      return found;
    });
  }

  const json::Tree& tree_;
  Role role_;
  std::vector<std::string> problems_;
  std::size_t omitted_ = 0;
};

void validate(const Shape& shape, void* value, const std::string& path);

struct Below {
  const Shape& item;
  const std::string& path;
  bool indexed;
  std::size_t index = 0;

  static void visit(void* context, std::string_view key, const void* value) {
    auto& self = *static_cast<Below*>(context);
    std::string path = self.path;
    if (self.indexed) path = child(path, std::to_string(self.index++));
    if (!key.empty()) path = child(path, key);
    validate(self.item, const_cast<void*>(value), path);  // the caller owns it, and not as const
  }
};

void validate(const Shape& shape, void* value, const std::string& path) {
  if (shape.item) {
    Below below{*shape.item, path, shape.kind == Kind::array};
    shape.each(value, Below::visit, &below);
  } else if (shape.kind == Kind::variant) {
    const Shape& arm = *shape.alternatives[shape.selected(value)];
    validate(arm, const_cast<void*>(shape.value(value)), path);
  } else if (shape.kind == Kind::object) {
    for (const Property& p : shape.properties) validate(*p.shape, p.in(value), child(path, p.key));
    if (!shape.validate) return;
    try {
      shape.validate(value);
    } catch (Error& e) {
      if (!path.empty()) e.add(path);
      throw;
    }
  }
}

}  // namespace

std::string child(std::string_view path, std::string_view key) {
  std::string out(path);
  json::append_token(out, key);
  return out;
}

void parse_into(const Shape& shape, void* out, std::string_view json, Role role) {
  json::Tree tree;
  try {
    tree.parse(json);
  } catch (Error& e) {
    e.add("configuration");
    throw;
  }
  Parser(tree, role).root(shape, out);
  validate(shape, out, "");
}

}  // namespace sluice::config
