#include "sluice/runtime/partition.hpp"

#include "sluice/base/text.hpp"

namespace sluice::runtime {

std::string partition_label(const json::Node* value) {
  if (!value) return "%_null";
  if (value->kind == json::Kind::string) return text::percent_encode(value->text, "-_.~$&+:=@");
  return "%_" + std::string(value->raw);
}

}  // namespace sluice::runtime
