#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "sluice/config/shape.hpp"
#include "sluice/json/write.hpp"

// What reading, printing and the schema share.
namespace sluice::config {

// The notes that the items of a list or map take over from their property.
Notes item_notes(const Notes& notes);
// The shape below optionals.
const Shape& bare(const Shape& shape);
// JSON pointer of a property or item.
std::string child(std::string_view path, std::string_view key);
// The default shown in the schema, as JSON; `value` is the member of a default-constructed owner.
std::optional<std::string> shown_default(const Property& property, const void* value);
void write(json::Writer& out, const Shape& shape, const Notes& notes, const void* value, bool redact);

}  // namespace sluice::config
