#pragma once
#include <string_view>

namespace sluice {

// Writes all of it, in as many pieces as that takes. Gives 0, or the errno of what could not be written;
// blocks, also on a descriptor that does not.
int write_all(int fd, std::string_view bytes);

}  // namespace sluice
