#pragma once
#include <string>

namespace sluice::testing {

// JSON text on many lines, so that a snapshot can be read and compared.
std::string pretty(const std::string& text);

// Compares with what the file at `path` has recorded, or writes it if UPDATE_SNAPSHOTS is set.
void expect_snapshot(const std::string& path, const std::string& text);

}  // namespace sluice::testing
