#pragma once
#include <string>
#include <string_view>

#include "sluice/config/field.hpp"
#include "sluice/config/shape.hpp"

namespace sluice::config {

// What a document is, which decides the foreign property that is ignored at its root: `sops`, left by the
// encryption of endpoint configurations, and `_meta` of resource configurations.
enum class Role { endpoint, resource, part };

void parse_into(const Shape& shape, void* out, std::string_view json, Role role);
std::string schema_of(const Shape& shape);
std::string write_value(const Shape& shape, const void* value, bool redact);

// Reads one JSON document. Unknown properties are refused everywhere, with the names that are known. Throws
// one Error{config} that lists what is wrong, each with its JSON pointer, what was expected and what was
// found; never the value of a secret. validate(), where a struct has it, may check and normalise: it is
// called on every object of the result, inner ones first, once the document is otherwise right.
template <class T>
T parse(std::string_view json, Role role = Role::endpoint) {
  T value{};
  parse_into(shape_of<T>(), &value, json, role);
  return value;
}

// JSON Schema, draft 2020-12, without references; properties in the order of their declaration.
template <class T>
std::string json_schema() {
  return schema_of(shape_of<T>());
}

// The whole configuration in effect, for logs: secrets are "***" where they are set.
template <class T>
std::string redacted(const T& value) {
  return write_value(shape_of<T>(), &value, true);
}

// JSON that parses to the same value, secrets in clear; properties at their default are left out.
template <class T>
std::string write(const T& value) {
  return write_value(shape_of<T>(), &value, false);
}

}  // namespace sluice::config
