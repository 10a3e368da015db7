#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice::runtime {

// Where in a document, a compact JSON object, the 36 characters of the string at /_meta/uuid start. A walk
// over the text without parsing the values that lie before it; nothing if there is no such string.
std::optional<std::size_t> locate_uuid(std::string_view document);

}  // namespace sluice::runtime
