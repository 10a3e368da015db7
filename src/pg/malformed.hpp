#pragma once
#include <string_view>

namespace sluice::pg {

// Throws Error{transient}: `text` is not what the server prints for a `what`.
[[noreturn]] void malformed(std::string_view what, std::string_view text);

}  // namespace sluice::pg
