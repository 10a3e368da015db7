#pragma once
#include <string>

#include "sluice/data/packed.hpp"

namespace sluice::sql {

// Appends the text form of castToString (materialize-sql.md §5.4): doubles without exponent, JSON as it is.
// Nothing for null.
void write_text(std::string& out, const data::Element& element);
// Appends the element as JSON: strings quoted, JSON as it is.
void write_json(std::string& out, const data::Element& element);

}  // namespace sluice::sql
