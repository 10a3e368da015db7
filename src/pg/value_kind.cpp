#include "value_kind.hpp"

#include <algorithm>
#include <array>

namespace sluice::pg {
namespace {

struct Known {
  std::string_view name;
  TypeTraits traits;
};

constexpr std::string_view str = R"("string")", number_format = R"("format":"number")";

// Types of schema pg_catalog, by name.
constexpr auto built_in = std::to_array<Known>({
    {"bit", {ValueKind::string, str, ""}},
    {"bool", {ValueKind::boolean, R"("boolean")", ""}},
    {"box", {ValueKind::string, str, ""}},
    {"bpchar", {ValueKind::string, str, ""}},
    {"bytea", {ValueKind::bytea, str, R"("contentEncoding":"base64")"}},
    {"char", {ValueKind::string, str, ""}},
    {"cidr", {ValueKind::string, str, ""}},
    {"circle", {ValueKind::string, str, ""}},
    {"date", {ValueKind::date, str, R"("format":"date")"}},
    {"float4", {ValueKind::real, R"("number","string")", number_format}},
    {"float8", {ValueKind::real, R"("number","string")", number_format}},
    {"inet", {ValueKind::inet, str, ""}},
    {"int2", {ValueKind::integer, R"("integer")", ""}},
    {"int4", {ValueKind::integer, R"("integer")", ""}},
    {"int8", {ValueKind::integer, R"("integer")", ""}},
    {"interval", {ValueKind::interval, str, ""}},
    {"json", {ValueKind::json, "", R"("contentMediaType":"application/json")"}},
    {"jsonb",
     {ValueKind::jsonb, "", R"("contentMediaType":"application/vnd.estuary.postgresql.jsonb+json")"}},
    {"jsonpath", {ValueKind::string, str, ""}},
    {"line", {ValueKind::string, str, ""}},
    {"lseg", {ValueKind::string, str, ""}},
    {"macaddr", {ValueKind::string, str, ""}},
    {"macaddr8", {ValueKind::string, str, ""}},
    {"money", {ValueKind::string, str, ""}},
    {"name", {ValueKind::string, str, ""}},
    {"numeric", {ValueKind::string, str, number_format}},
    {"oid", {ValueKind::integer, R"("integer")", ""}},
    {"path", {ValueKind::string, str, ""}},
    {"pg_lsn", {ValueKind::string, str, ""}},
    {"point", {ValueKind::string, str, ""}},
    {"polygon", {ValueKind::string, str, ""}},
    {"text", {ValueKind::string, str, ""}},
    {"time", {ValueKind::time, str, R"("format":"time")"}},
    {"timestamp", {ValueKind::timestamp, str, R"("format":"date-time")"}},
    {"timestamptz", {ValueKind::timestamptz, str, R"("format":"date-time")"}},
    {"timetz", {ValueKind::timetz, str, R"("format":"time")"}},
    {"tsquery", {ValueKind::string, str, ""}},
    {"tsvector", {ValueKind::string, str, ""}},
    {"uuid", {ValueKind::string, str, R"("format":"uuid")"}},
    {"varbit", {ValueKind::string, str, ""}},
    {"varchar", {ValueKind::string, str, ""}},
    {"xid8", {ValueKind::string, str, ""}},
    {"xml", {ValueKind::string, str, ""}},
});
static_assert(std::ranges::is_sorted(built_in, {}, &Known::name));

// Types of extensions, whichever schema they are installed in.
constexpr auto of_extensions = std::to_array<std::string_view>({"citext", "hstore", "ltree"});

}  // namespace

TypeTraits traits(const Type* type) {
  constexpr TypeTraits any{ValueKind::string, "", ""}, text{ValueKind::string, str, ""};
  if (!type) return any;
  if (type->element != 0) return {ValueKind::array, "", ""};
  switch (type->kind) {
    case 'r':
      return {ValueKind::range, str, ""};
    case 'm':
      return {ValueKind::multirange, str, ""};
    case 'e':
      return text;
    case 'b':
      break;
    default:
      return any;
  }
  if (type->schema == "pg_catalog") {
    auto known = std::ranges::lower_bound(built_in, type->name, {}, &Known::name);
    return known != built_in.end() && known->name == type->name ? known->traits : any;
  }
  return std::ranges::find(of_extensions, type->name) != of_extensions.end() ? text : any;
}

}  // namespace sluice::pg
