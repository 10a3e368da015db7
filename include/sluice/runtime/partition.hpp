#pragma once
#include <string>

#include "sluice/json/tree.hpp"

namespace sluice::runtime {

// Labels of journals and selectors; the field's name follows the prefix.
inline constexpr char collection_label[] = "estuary.dev/collection";
inline constexpr char field_label_prefix[] = "estuary.dev/field/";

// The label value of a partition field: strings percent-encoded, other scalars as "%_" and their JSON text,
// so that the string "7" and the number 7 differ. `value` null: a missing location.
std::string partition_label(const json::Node* value);

}  // namespace sluice::runtime
