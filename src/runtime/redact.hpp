#pragma once
#include <string>
#include <string_view>

#include "sluice/json/write.hpp"
#include "sluice/runtime/schema.hpp"

namespace sluice::runtime {

// Appends the canonical text of the document with the redactions that `annotations` ask for (runtime.md
// §13.4). Doing it again changes nothing. Throws Error{config} if the whole document is to be blocked.
void write_redacted(std::string& out, const json::Tree& tree, const Outcome& annotations,
                    std::string_view salt);

}  // namespace sluice::runtime
