#include "names.hpp"

#include "regex.hpp"
#include "sluice/base/text.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view name_pattern = R"([\p{L}\p{N}\-_.]+(?:/[\p{L}\p{N}\-_.]+)*)";

}  // namespace

bool valid_name(std::string_view name) {
  static const Regex whole("^" + std::string(name_pattern) + "$");
  return whole.found_in(name);
}

std::string to_name(std::string_view text) {
  static const Regex part(name_pattern);
  std::vector<std::string> parts;
  for (std::string_view match : part.all_in(text)) parts.emplace_back(match);
  return text::join(parts, "_");
}

bool valid_partition_field(std::string_view field) {
  static const Regex whole(R"(^[\p{L}\p{N}\-_/]+$)");
  return whole.found_in(field);
}

}  // namespace sluice::runtime
