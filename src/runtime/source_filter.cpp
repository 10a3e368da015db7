#include "source_filter.hpp"

#include <algorithm>

#include "locate_uuid.hpp"
#include "sluice/base/text.hpp"
#include "sluice/runtime/partition.hpp"
#include "sluice/runtime/row.hpp"
#include "sluice/runtime/uuid.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t nanoseconds = 1'000'000'000;

std::uint64_t clock_of(const protocol::Timestamp& time) {
  return clock_of_unix(time.seconds * nanoseconds + time.nanos);
}

}  // namespace

SourceFilter::SourceFilter(const protocol::MaterializationBinding& binding) {
  if (binding.not_before) first_clock_ = clock_of(*binding.not_before);
  if (binding.not_after) last_clock_ = clock_of(*binding.not_after) | 15;
  if (!binding.partition_selector) return;
  const protocol::LabelSelector& selector = *binding.partition_selector;
  if (selector.include) select(binding, *selector.include, &Partition::include);
  if (selector.exclude) select(binding, *selector.exclude, &Partition::exclude);
}

void SourceFilter::select(const protocol::MaterializationBinding& binding, const protocol::LabelSet& labels,
                          std::set<std::string, std::less<>> Partition::* values) {
  for (const protocol::Label& label : labels.labels) {
    if (!label.name.starts_with(field_label_prefix)) continue;
    std::string field = label.name.substr(std::string_view(field_label_prefix).size());
    auto same = [&](const auto& entry) { return entry.first == field; };
    auto at = std::find_if(partitions_.begin(), partitions_.end(), same);
    if (at == partitions_.end()) {
      Partition partition;
      partition.location = json::Pointer(projection_of(*binding.collection, field).ptr);
      at = partitions_.insert(at, {field, std::move(partition)});
    }
    (at->second.*values).insert(label.value);
  }
}

bool SourceFilter::in_time(std::string_view document) const {
  auto at = locate_uuid(document);
  auto uuid = at ? parse_uuid(document.substr(*at, uuid_length)) : std::nullopt;
  return uuid && uuid->clock >= first_clock_ && uuid->clock <= last_clock_;
}

bool SourceFilter::takes(std::string_view document) {
  bool timed = first_clock_ > 0 || ~last_clock_ != 0;
  if (timed && !in_time(document)) return false;
  if (partitions_.empty()) return true;
  tree_.parse(document);
  for (const auto& [field, partition] : partitions_) {
    std::string label = partition_label(partition.location.find(tree_));
    if (!partition.include.empty() && !partition.include.contains(label)) return false;
    if (partition.exclude.contains(label)) return false;
  }
  return true;
}

}  // namespace sluice::runtime
