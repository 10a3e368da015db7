#pragma once
#include <string_view>

namespace sluice::runtime {

// The values of the `format` keyword, asserted on strings (runtime.md §3).
struct Format {
  std::string_view name;  // canonical: aliases share an entry
  bool (*holds)(std::string_view text);

  // Null if no such format is known.
  static const Format* find(std::string_view name);
  // The most specific format of schema inference (§13.2) that `text` has, or null.
  static const Format* detect(std::string_view text);
};

}  // namespace sluice::runtime
