#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/protocol/messages.hpp"

namespace sluice::runtime {

// Which documents of its collection a materialization binding takes: those of the selected partitions and
// published within notBefore and notAfter. Used by one thread at a time.
class SourceFilter {
 public:
  explicit SourceFilter(const protocol::MaterializationBinding& binding);
  bool takes(std::string_view document);

 private:
  struct Partition {
    json::Pointer location;
    std::set<std::string, std::less<>> include, exclude;  // values as labels have them
  };
  void select(const protocol::MaterializationBinding& binding, const protocol::LabelSet& labels,
              std::set<std::string, std::less<>> Partition::* values);
  bool in_time(std::string_view document) const;

  std::uint64_t first_clock_ = 0, last_clock_ = ~std::uint64_t{0};
  std::vector<std::pair<std::string, Partition>> partitions_;  // by field
  json::Tree tree_;
};

}  // namespace sluice::runtime
