#include "document.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "regex.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/write.hpp"

namespace sluice::runtime {
namespace {

using json::Kind;

// Aliases may be used again and again within each other; a file that unfolds to more values than this for each
// of its bytes is an attack or a mistake.
constexpr std::size_t values_per_byte = 10;
constexpr int most_levels = 500;

// ---- scalars of YAML 1.2 §10.3.2 ----

bool digits(std::string_view text, std::string_view set = "0123456789") {
  return !text.empty() && text.find_first_not_of(set) == text.npos;
}

// The JSON token of a plain scalar that is a number; empty if it is none.
std::string number_token(std::string_view text) {
  bool negative = text.starts_with('-');
  std::string_view rest = text.substr(negative || text.starts_with('+'));
  if (rest == text && (rest.starts_with("0x") || rest.starts_with("0o"))) {
    bool hex = rest[1] == 'x';
    std::string_view body = rest.substr(2);
    if (!digits(body, hex ? "0123456789abcdefABCDEF" : "01234567") || body.size() > 16) return {};
    return std::to_string(std::stoull(std::string(body), nullptr, hex ? 16 : 8));
  }
  std::size_t e = std::min(rest.find_first_of("eE"), rest.size());
  std::string_view mantissa = rest.substr(0, e), exponent = rest.substr(e);
  std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  std::string_view whole = mantissa.substr(0, point), part = mantissa.substr(point);
  if (!whole.empty() && !digits(whole)) return {};
  if (part.size() > 1 && !digits(part.substr(1))) return {};
  if (whole.empty() && part.size() < 2) return {};
  if (!exponent.empty()) {
    std::string_view power = exponent.substr(1);
    if (power.starts_with('+') || power.starts_with('-')) power.remove_prefix(1);
    if (!digits(power)) return {};
  }
  while (whole.size() > 1 && whole[0] == '0') whole.remove_prefix(1);
  std::string out(negative ? "-" : "");
  out.append(whole.empty() ? "0" : whole).append(part.size() == 1 ? ".0" : part).append(exponent);
  return out;
}

void resolve_plain(Value& value, const std::string& text, const Place& place) {
  auto among = [&](std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), text) != words.end();
  };
  value.kind = Kind::string;
  value.text = text;
  if (among({"", "~", "null", "Null", "NULL"})) {
    value.kind = Kind::null;
    value.text = "null";
  } else if (among({"true", "True", "TRUE", "false", "False", "FALSE"})) {
    value.kind = Kind::boolean;
    value.text = text::lower_ascii(text);
  } else if (among({".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                    "-.Inf", "-.INF"})) {
    fail(place, fmt::format("the number {} has no form in JSON", text),
         "Put it in quotes to make it a string.");
  } else if (std::string token = number_token(text); !token.empty()) {
    value.kind = Kind::number;
    value.text = token;
  }
}

// ---- YAML ----

class YamlReader {
 public:
  YamlReader(const std::string& path, std::size_t bytes) : path_(path), most_(bytes * values_per_byte) {}

  Value read(const YAML::Node& node, int level = 0) {
    Value value;
    value.line = node.Mark().line + 1;
    Place place{path_, value.line};
    if (++count_ > most_) fail(place, "the aliases of this file unfold to too many values");
    if (level > most_levels) fail(place, fmt::format("values are nested deeper than {} levels", most_levels));
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        value.text = "null";
        break;
      case YAML::NodeType::Scalar:
        scalar(value, node, place);
        break;
      case YAML::NodeType::Sequence:
        value.kind = Kind::array;
        for (const YAML::Node& item : node) value.items.push_back(read(item, level + 1));
        break;
      case YAML::NodeType::Map:
        value.kind = Kind::object;
        for (const auto& member : node) {
          Place at{path_, member.first.Mark().line + 1};
          if (!member.first.IsScalar() && !member.first.IsNull()) fail(at, "a key must be a scalar");
          std::string key = member.first.IsNull() ? "null" : member.first.Scalar();
          if (value.find(key)) fail(at, fmt::format("the key '{}' occurs twice", key));
          Value child = read(member.second, level + 1);
          // A block begins on the line below its key, an alias where its anchor is: the key's line tells
          // more.
          child.line = at.line;
          value.members.emplace_back(std::move(key), std::move(child));
        }
        break;
    }
    return value;
  }

 private:
  // yaml-cpp gives plain scalars the tag "?" and quoted ones "!".
  static void scalar(Value& value, const YAML::Node& node, const Place& place) {
    constexpr std::string_view core = "tag:yaml.org,2002:";
    std::string tag = node.Tag();
    if (tag.empty() || tag == "?") return resolve_plain(value, node.Scalar(), place);
    value.kind = Kind::string;
    value.text = node.Scalar();
    if (tag == "!" || tag == std::string(core) + "str") return;
    if (!tag.starts_with(core)) fail(place, fmt::format("the tag '{}' is not known", tag));
    resolve_plain(value, node.Scalar(), place);
    std::string_view type = std::string_view(tag).substr(core.size());
    bool fits = (type == "null" && value.is(Kind::null)) || (type == "bool" && value.is(Kind::boolean)) ||
                ((type == "int" || type == "float") && value.is(Kind::number));
    if (!fits)
      fail(place, fmt::format("'{}' is not of the type that the tag '!!{}' says", node.Scalar(), type));
  }

  const std::string& path_;
  std::size_t count_ = 0, most_;
};

Value parse_yaml(std::string_view text, const std::string& path) {
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(std::string(text));
  } catch (const YAML::Exception& e) {
    fail({path, e.mark.line + 1}, fmt::format("not valid YAML: {}", e.msg));
  }
  if (documents.size() > 1)
    fail({path, documents[1].Mark().line + 1}, "a file must hold one YAML document, not several");
  return YamlReader(path, text.size() + 1).read(documents.empty() ? YAML::Node() : documents.front());
}

// ---- JSON ----

class JsonReader {
 public:
  JsonReader(const json::Tree& tree, std::string_view text, const std::string& path)
      : tree_(tree), at_(text.data()), path_(path) {}

  // Nodes come in the order of the text, so the line is counted along.
  Value read(const json::Node& node) {
    Value value;
    value.kind = node.kind;
    value.line = line(node.raw.data());
    value.text = node.kind == Kind::string  ? node.text
                 : node.kind < Kind::string ? node.raw
                                            : std::string_view();
    for (const json::Node& child : tree_.children(node)) {
      if (node.kind == Kind::array) {
        value.items.push_back(read(child));
      } else {
        Value member = read(child);
        if (value.find(child.key))
          fail({path_, member.line}, fmt::format("the key '{}' occurs twice", child.key));
        value.members.emplace_back(std::string(child.key), std::move(member));
      }
    }
    return value;
  }

 private:
  int line(const char* to) {
    for (; at_ < to; ++at_) line_ += *at_ == '\n';
    return line_;
  }

  const json::Tree& tree_;
  const char* at_;
  int line_ = 1;
  const std::string& path_;
};

Value parse_json(std::string_view text, const std::string& path) {
  json::Tree tree;
  try {
    tree.parse(text);
  } catch (Error& e) {
    e.add(path);
    throw;
  }
  return JsonReader(tree, text, path).read(tree.root());
}

// ---- writing ----

// Strings that YAML reads as themselves without quotes.
bool plain(const std::string& text) {
  static const Regex safe(R"(^[$A-Za-z_/][A-Za-z0-9_./-]*( [A-Za-z0-9_./()-]+)*$)");
  if (!safe.found_in(text)) return false;
  Value value;
  resolve_plain(value, text, {});
  return value.is(Kind::string);
}

void yaml_string(std::string& out, const std::string& text) {
  if (plain(text))
    out += text;
  else
    json::write_string(out, text);
}

bool inline_value(const Value& value) { return value.items.empty() && value.members.empty(); }

// A list of a few short scalars stays on its line.
bool short_list(const Value& value) {
  std::size_t size = 0;
  for (const Value& item : value.items) {
    if (!inline_value(item) || item.kind >= Kind::array) return false;
    size += item.text.size() + 2;
  }
  return size < 60;
}

void yaml_value(std::string& out, const Value& value, std::size_t indent);

void yaml_scalar(std::string& out, const Value& value) {
  if (value.is(Kind::string))
    yaml_string(out, value.text);
  else if (value.is(Kind::array))
    out += "[]";
  else if (value.is(Kind::object))
    out += "{}";
  else
    out += value.text;
}

void yaml_list(std::string& out, const Value& value, std::size_t indent) {
  for (const Value& item : value.items) {
    out.append(indent, ' ').append("- ");
    if (inline_value(item)) {
      yaml_scalar(out, item);
      out += '\n';
      continue;
    }
    // The first line of the item follows the dash.
    std::string block;
    yaml_value(block, item, indent + 2);
    out += std::string_view(block).substr(indent + 2);
  }
}

void yaml_value(std::string& out, const Value& value, std::size_t indent) {
  if (value.is(Kind::array)) return yaml_list(out, value, indent);
  for (const auto& [key, member] : value.members) {
    out.append(indent, ' ');
    yaml_string(out, key);
    out += ':';
    if (inline_value(member)) {
      out += ' ';
      yaml_scalar(out, member);
      out += '\n';
    } else if (member.is(Kind::array) && short_list(member)) {
      out += " [";
      for (const Value& item : member.items) {
        if (&item != &member.items.front()) out += ", ";
        yaml_scalar(out, item);
      }
      out += "]\n";
    } else {
      out += '\n';
      yaml_value(out, member, indent + 2);
    }
  }
}

}  // namespace

Value Value::of_string(std::string text) {
  Value value;
  value.kind = Kind::string;
  value.text = std::move(text);
  return value;
}
Value Value::of_number(std::uint64_t number) {
  Value value;
  value.kind = Kind::number;
  value.text = std::to_string(number);
  return value;
}
Value Value::of_boolean(bool truth) {
  Value value;
  value.kind = Kind::boolean;
  value.text = truth ? "true" : "false";
  return value;
}
Value Value::of_json(std::string_view json) { return parse_json(json, "JSON"); }
Value Value::array() {
  Value value;
  value.kind = Kind::array;
  return value;
}
Value Value::object() {
  Value value;
  value.kind = Kind::object;
  return value;
}

const Value* Value::find(std::string_view name) const {
  for (const auto& [key, value] : members)
    if (key == name) return &value;
  return nullptr;
}
Value* Value::find(std::string_view name) { return const_cast<Value*>(std::as_const(*this).find(name)); }
Value& Value::operator[](std::string_view name) {
  if (Value* known = find(name)) return *known;
  kind = Kind::object;
  return members.emplace_back(std::string(name), Value()).second;
}
void Value::erase(std::string_view name) {
  std::erase_if(members, [&](const auto& member) { return member.first == name; });
}

Value parse_document(std::string_view text, const std::string& path) {
  if (!text::valid_utf8(text)) fail({path, 0}, "the file is not UTF-8");
  return path.ends_with(".json") ? parse_json(text, path) : parse_yaml(text, path);
}

void write_json(std::string& out, const Value& value) {
  json::Writer writer(out);
  auto write = [&](auto& self, const Value& v) -> void {
    switch (v.kind) {
      case Kind::null:
        writer.null();
        break;
      case Kind::string:
        writer.string(v.text);
        break;
      case Kind::array:
        writer.begin_array();
        for (const Value& item : v.items) self(self, item);
        writer.end_array();
        break;
      case Kind::object:
        writer.begin_object();
        for (const auto& [key, member] : v.members) {
          writer.key(key);
          self(self, member);
        }
        writer.end_object();
        break;
      default:
        writer.raw(v.text);
    }
  };
  write(write, value);
}

std::string to_json(const Value& value) {
  std::string out;
  write_json(out, value);
  return out;
}

std::string to_yaml(const Value& value) {
  std::string out;
  if (inline_value(value)) {
    yaml_scalar(out, value);
    return out + "\n";
  }
  yaml_value(out, value, 0);
  return out;
}

void fail(const Place& place, std::string_view what, std::string hint) {
  throw Error(Error::Kind::config, fmt::format("{}: {}", place.text(), what), std::move(hint));
}

}  // namespace sluice::runtime
