#pragma once
#include <string>
#include <string_view>

// Whether a JSON value is what a schema of column_schema() says: type, format, maxLength, minLength,
// contentEncoding, items, required, properties, additionalProperties. Any other keyword is an offence itself.
namespace sluice::pg {

// Empty if it is, else what is wrong.
std::string offence(std::string_view schema, std::string_view value);

}  // namespace sluice::pg
