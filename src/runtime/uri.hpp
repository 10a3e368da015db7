#pragma once
#include <string>
#include <string_view>

namespace sluice::runtime {

// RFC 3986 §3, appendix B: any text splits into components; absence is told from emptiness.
struct Uri {
  std::string_view scheme, authority, path, query, fragment;
  bool has_scheme = false, has_authority = false, has_query = false, has_fragment = false;

  static Uri split(std::string_view text);
};

// RFC 3986 §5.2; an opaque or missing base gives way to the reference.
std::string resolve_uri(std::string_view base, std::string_view reference);
// Decodes %XX; other bytes stay as they are.
std::string percent_decode(std::string_view text);

}  // namespace sluice::runtime
