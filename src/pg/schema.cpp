#include "sluice/pg/types.hpp"
#include "value_kind.hpp"

namespace sluice::pg {
namespace {

struct Column {
  const Type* type = nullptr;  // no domain; null: unknown
  std::int32_t typmod = -1;
  bool nullable = true;
};

// Through domains: they may add a length and forbid NULL.
Column resolve(const TypeCatalog& types, Oid oid, std::int32_t typmod, bool nullable) {
  Column column{types.resolve(oid), typmod, nullable};
  const Type* type = types.find(oid);
  for (int depth = 0; type && type->kind == 'd' && depth < 64; ++depth) {
    if (column.typmod < 0) column.typmod = type->base_typmod;
    column.nullable = column.nullable && !type->not_null;
    type = types.find(type->base);
  }
  return column;
}

// An object from members that may be empty.
std::string object(std::initializer_list<std::string_view> members) {
  std::string json = "{";
  for (std::string_view member : members) {
    if (member.empty()) continue;
    if (json.size() > 1) json += ',';
    json += member;
  }
  return json + '}';
}

// "type":"a" or "type":["a","b"].
std::string type_member(std::string_view names, bool nullable) {
  if (names.empty()) return {};
  std::string all(names);
  if (nullable) all += R"(,"null")";
  return all.find(',') == all.npos ? R"("type":)" + all : R"("type":[)" + all + "]";
}

// The declared length of varchar(n) and char(n), which the type modifier holds with its header's four bytes.
std::string length_members(const Type& type, std::int32_t typmod) {
  if (typmod <= 4 || type.schema != "pg_catalog") return {};
  std::int32_t length = typmod - 4;
  if (type.name == "varchar") return fmt::format(R"("maxLength":{})", length);
  if (type.name == "bpchar") return fmt::format(R"("minLength":{0},"maxLength":{0})", length);
  return {};
}

std::string array_schema(const Column& column, const std::string& items, const ValueOptions& options) {
  std::string array = type_member(R"("array")", column.nullable);
  if (options.multidimensional_arrays) return object({array});
  std::string items_member = R"("items":)" + items;
  if (options.flatten_arrays) return object({array, items_member});
  std::string properties =
      R"("properties":{"dimensions":{"type":"array","items":{"type":"integer"}},"elements":)" +
      object({R"("type":"array")", items_member}) + "}";
  return object({type_member(R"("object")", column.nullable), R"("required":["dimensions","elements"])",
                 properties, R"("additionalProperties":false)"});
}

std::string scalar_schema(const Column& column, bool key, const ValueOptions& options) {
  TypeTraits known = traits(column.type);
  std::string_view names = known.schema_types, rest = known.schema_rest;
  if (known.kind == ValueKind::real && key) names = R"("string")";
  if (known.kind == ValueKind::date && !options.date_as_date) rest = R"("format":"date-time")";
  if (known.kind == ValueKind::time && !options.time_as_time) {
    names = R"("integer")";
    rest = {};
  }
  std::string lengths = column.type ? length_members(*column.type, column.typmod) : std::string();
  return object({type_member(names, column.nullable), rest, lengths});
}

std::string schema_of(const TypeCatalog& types, const Column& column, bool key, const ValueOptions& options,
                      int depth) {
  if (traits(column.type).kind != ValueKind::array) return scalar_schema(column, key, options);
  if (depth > 8) return "{}";
  // Elements of any array may be NULL, whatever the column or a domain says of the array.
  Column element = resolve(types, column.type->element, column.typmod, true);
  element.nullable = true;
  return array_schema(column, schema_of(types, element, false, options, depth + 1), options);
}

}  // namespace

std::string column_schema(const TypeCatalog& types, Oid type, std::int32_t typmod, bool nullable, bool key,
                          const ValueOptions& options) {
  return schema_of(types, resolve(types, type, typmod, nullable), key, options, 0);
}

}  // namespace sluice::pg
