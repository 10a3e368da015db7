#include "sluice/sql/types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sluice/base/error.hpp"
#include "sluice/config/config.hpp"

namespace sluice::sql {
namespace {

using Types = std::set<std::string, std::less<>>;

// Without null, and with the fractional numbers under their family's name.
Types value_types(const protocol::Projection& projection) {
  Types types;
  if (!projection.inference) return types;
  for (const std::string& type : projection.inference->types)
    if (type != "null") types.insert(type == "fractional" ? "number" : type);
  if (types.contains("number")) types.erase("integer");
  return types;
}

bool only(const Types& types, std::initializer_list<std::string_view> allowed) {
  return std::ranges::all_of(
      types, [&](const std::string& t) { return std::ranges::find(allowed, t) != allowed.end(); });
}

bool is_integer_format(std::string_view format) {
  return format == "integer" || format == "int32" || format == "int64" || format == "uint32" ||
         format == "uint64";
}

bool is_binary(const protocol::InferenceString& s) {
  return s.content_encoding == "base64" &&
         (s.content_type.empty() || s.content_type == "application/octet-stream");
}

struct FieldConfigFields {
  bool cast_to_string = false, ignore_string_format = false;
  std::string ddl;
  static constexpr auto fields() {
    using Self = FieldConfigFields;
    return std::tuple{config::field("castToString", &Self::cast_to_string),
                      config::field("ignoreStringFormat", &Self::ignore_string_format),
                      config::field("DDL", &Self::ddl)};
  }
};

struct LenientFields : FieldConfigFields {
  static constexpr auto about = config::about("").open();
  static constexpr auto fields() {
    using Self = LenientFields;
    return std::tuple{config::field("castToString", &Self::cast_to_string),
                      config::field("ignoreStringFormat", &Self::ignore_string_format),
                      config::field("DDL", &Self::ddl)};
  }
};

template <class T>
FieldConfig parse_as(std::string_view json, std::string_view field) {
  if (json.empty()) return {};
  try {
    T parsed = config::parse<T>(json, config::Role::part);
    return {parsed.cast_to_string || parsed.ignore_string_format, std::move(parsed.ddl)};
  } catch (Error& e) {
    e.add(fmt::format("configuration of field '{}'", field));
    throw;
  }
}

}  // namespace

FlatType flat_type(const protocol::Projection& projection, bool is_key) {
  Types types = value_types(projection);
  protocol::InferenceString string;
  if (projection.inference && projection.inference->string) string = *projection.inference->string;
  if (!is_key && types.contains("string")) {
    if (is_integer_format(string.format) && only(types, {"integer", "string"}))
      return FlatType::string_integer;
    if (string.format == "number" && only(types, {"number", "integer", "string"}))
      return FlatType::string_number;
  }
  if (types.empty()) return FlatType::never;
  if (types.size() > 1) return FlatType::multiple;
  const std::string& type = *types.begin();
  if (type == "string") return is_binary(string) ? FlatType::binary : FlatType::string;
  if (type == "integer") return FlatType::integer;
  if (type == "number") return FlatType::number;
  if (type == "boolean") return FlatType::boolean;
  if (type == "object") return FlatType::object;
  if (type == "array") return FlatType::array;
  throw Error(Error::Kind::config,
              fmt::format("field '{}' has the unknown type '{}'", projection.field, type));
}

bool must_exist(const protocol::Projection& projection) {
  return projection.inference && projection.inference->exists == protocol::Exists::must &&
         std::ranges::find(projection.inference->types, "null") == projection.inference->types.end();
}

bool has_default(const protocol::Projection& projection) {
  return projection.inference && !projection.inference->default_json.empty();
}

std::string schema_text(const protocol::Projection& projection) {
  if (!projection.inference) return "{ type: [] }";
  const protocol::Inference& inference = *projection.inference;
  std::string out = fmt::format("{{ type: [{}]", fmt::join(inference.types, ", "));
  if (inference.string) {
    const protocol::InferenceString& s = *inference.string;
    if (!s.format.empty()) out += ", format: " + s.format;
    if (!s.content_type.empty()) out += ", content-type: " + s.content_type;
    if (!s.content_encoding.empty()) out += ", content-encoding: " + s.content_encoding;
    if (s.max_length) out += fmt::format(", maxLength: {}", s.max_length);
  }
  return out + " }";
}

FieldConfig FieldConfig::parse(std::string_view json, std::string_view field) {
  return parse_as<FieldConfigFields>(json, field);
}

FieldConfig FieldConfig::parse_lenient(std::string_view json, std::string_view field) {
  return parse_as<LenientFields>(json, field);
}

}  // namespace sluice::sql
