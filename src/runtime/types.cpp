#include "sluice/runtime/types.hpp"

#include "decimal.hpp"
#include "sluice/base/text.hpp"

namespace sluice::runtime::types {

Set of(const json::Node& node) {
  if (node.kind != json::Kind::number) return of(node.kind);
  return is_integral(node.text) ? integer : fraction;
}

std::vector<std::string> names(Set set) {
  std::vector<std::string> out;
  if (set & array) out.emplace_back("array");
  if (set & boolean) out.emplace_back("boolean");
  if ((set & number) == integer) out.emplace_back("integer");
  if (set & null) out.emplace_back("null");
  if (set & fraction) out.emplace_back("number");
  if (set & object) out.emplace_back("object");
  if (set & string) out.emplace_back("string");
  return out;
}

std::string text(Set set) { return set == none ? "no type at all" : sluice::text::join(names(set), " or "); }

}  // namespace sluice::runtime::types
