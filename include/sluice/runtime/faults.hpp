#pragma once
#include <functional>
#include <string_view>

namespace sluice::runtime {

// The seam of crash tests: called with a name before and after everything that changes durable state, on
// whatever thread does it. Empty outside of tests.
using Faults = std::function<void(std::string_view point)>;

inline void reach(const Faults& faults, std::string_view point) {
  if (faults) faults(point);
}

}  // namespace sluice::runtime
