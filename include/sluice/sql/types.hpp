#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/protocol/messages.hpp"

// What a projection is, reduced to what a database column needs to know (materialize-sql.md §5.1).
namespace sluice::sql {

enum class FlatType {
  never,  // no value but null is possible
  string,
  integer,
  number,
  boolean,
  object,
  array,
  multiple,        // values of several types, stored as JSON text
  binary,          // base64 text, stored as bytes
  string_integer,  // numbers, or strings of a numeric format
  string_number,
};

// Keys with a numeric format are plain strings: their text is their identity.
FlatType flat_type(const protocol::Projection& projection, bool is_key);
// Every document has the location, and never null.
bool must_exist(const protocol::Projection& projection);
bool has_default(const protocol::Projection& projection);
// "{ type: [integer, null], format: f, … }", absent parts left out.
std::string schema_text(const protocol::Projection& projection);

// `fieldConfig` of one field (§2.3).
struct FieldConfig {
  bool cast_to_string = false;
  std::string ddl;  // column type used as it is

  // Throws Error{config} naming `field` on unknown properties.
  static FieldConfig parse(std::string_view json, std::string_view field);
  // Ignores unknown properties: for built specifications.
  static FieldConfig parse_lenient(std::string_view json, std::string_view field);
};

// The column a projection is stored in.
struct ColumnType {
  FlatType flat = FlatType::string;  // how values are converted
  bool as_text = false;              // converted to text first (castToString)
  std::string ddl;                   // the bare type, without NOT NULL
  bool user_ddl = false;             // given by the user: fits every live column and is never migrated
};

}  // namespace sluice::sql
