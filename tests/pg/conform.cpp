#include "conform.hpp"

#include <algorithm>
#include <regex>
#include <set>

#include "sluice/base/text.hpp"
#include "sluice/json/tree.hpp"

namespace sluice::pg {
namespace {

using json::Kind;
using json::Node;
using json::Tree;

bool matches(std::string_view text, const char* pattern) {
  return std::regex_match(text.begin(), text.end(), std::regex(pattern));
}

bool has_type(const Node& value, std::string_view type) {
  switch (value.kind) {
    case Kind::null:
      return type == "null";
    case Kind::boolean:
      return type == "boolean";
    case Kind::string:
      return type == "string";
    case Kind::array:
      return type == "array";
    case Kind::object:
      return type == "object";
    case Kind::number:
      return type == "number" ||
             (type == "integer" && value.text.find_first_of(".eE") == std::string_view::npos);
  }
  return false;
}

bool has_format(std::string_view text, std::string_view format) {
#define DATE "\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])"
#define TIME "([01]\\d|2[0-3]):[0-5]\\d:([0-5]\\d|60)(\\.\\d+)?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
  if (format == "date") return matches(text, DATE);
  if (format == "time") return matches(text, TIME);
  if (format == "date-time") return matches(text, DATE "T" TIME);
  if (format == "uuid") return matches(text, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  if (format == "number") return matches(text, "-?\\d+(\\.\\d+)?|NaN|-?Infinity");
  return false;
#undef DATE
#undef TIME
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string check(const Tree& schemas, const Node& schema, const Tree& values, const Node& value);

std::string check_members(const Tree& schemas, const Node& schema, const Tree& values, const Node& value,
                          const Node& properties) {
  for (const Node& member : values.children(value)) {
    const Node* property = schemas.find(properties, member.key);
    if (!property) {
      const Node* more = schemas.find(schema, "additionalProperties");
      if (more && !more->truth) return "additional property " + std::string(member.key);
      continue;
    }
    if (std::string wrong = check(schemas, *property, values, member); !wrong.empty()) return wrong;
  }
  return {};
}

std::string check_keyword(const Tree& schemas, const Node& schema, const Node& keyword, const Tree& values,
                          const Node& value) {
  std::string_view name = keyword.key;
  bool string = value.kind == Kind::string;
  auto limit = [&] { return std::stoul(std::string(keyword.text)); };
  bool fine = true;
  if (name == "type") {
    fine = keyword.kind == Kind::string && has_type(value, keyword.text);
    for (const Node& one : schemas.children(keyword)) fine = fine || has_type(value, one.text);
  } else if (name == "format") {
    fine = !string || has_format(value.text, keyword.text);
  } else if (name == "maxLength") {
    fine = !string || code_points(value.text) <= limit();
  } else if (name == "minLength") {
    fine = !string || code_points(value.text) >= limit();
  } else if (name == "contentEncoding") {
    fine = !string || text::unbase64(value.text);
  } else if (name == "items") {
    if (value.kind != Kind::array) return {};
    for (const Node& item : values.children(value))
      if (std::string wrong = check(schemas, keyword, values, item); !wrong.empty()) return wrong;
  } else if (name == "properties") {
    return check_members(schemas, schema, values, value, keyword);
  } else if (name == "required") {
    for (const Node& one : schemas.children(keyword))
      fine = fine && (value.kind != Kind::object || values.find(value, one.text));
  } else {
    fine = name == "contentMediaType" || name == "additionalProperties";
  }
  return fine ? std::string()
              : std::string(value.raw) + " against " + std::string(name) + " of " + std::string(schema.raw);
}

std::string check(const Tree& schemas, const Node& schema, const Tree& values, const Node& value) {
  for (const Node& keyword : schemas.children(schema))
    if (std::string wrong = check_keyword(schemas, schema, keyword, values, value); !wrong.empty())
      return wrong;
  return {};
}

}  // namespace

std::string offence(std::string_view schema, std::string_view value) {
  Tree schemas, values;
  schemas.parse(schema);
  values.parse(value);
  return check(schemas, schemas.root(), values, values.root());
}

}  // namespace sluice::pg
