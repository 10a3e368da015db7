#pragma once
#include <string_view>

#include "sluice/pg/types.hpp"

namespace sluice::pg {

// How the text of a type becomes JSON.
enum class ValueKind : std::uint8_t {
  boolean,
  integer,
  real,
  string,
  bytea,
  json,
  jsonb,
  date,
  timestamp,
  timestamptz,
  time,
  timetz,
  interval,
  inet,
  range,
  multirange,
  array,
};

// What is known of a type (capture-postgres §4.2).
struct TypeTraits {
  ValueKind kind = ValueKind::string;
  std::string_view schema_types;  // `"integer"`, `"number","string"`; empty: any
  std::string_view schema_rest;   // further members of the schema, as `"format":"date"`
};

// Of a type that is no domain; null is a type the catalog does not know.
TypeTraits traits(const Type* type);

}  // namespace sluice::pg
