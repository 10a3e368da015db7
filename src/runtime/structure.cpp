#include "structure.hpp"

#include "sluice/base/short_text.hpp"

namespace sluice::runtime {

void Structure::remember(const json::Tree& tree) {
  places_.clear();
  names_.clear();
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const json::Node& node = tree[i];
    places_.push_back({node.end, static_cast<std::uint32_t>(node.key.size()), node.kind});
    names_ += node.key;
  }
}

bool Structure::is_of(const json::Tree& tree) const {
  if (tree.size() != places_.size()) return false;
  const char* name = names_.data();
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const json::Node& node = tree[i];
    const Place& place = places_[i];
    if (node.kind != place.kind || node.end != place.end) return false;
    if (!text::same(node.key, {name, place.name_size})) return false;
    name += place.name_size;
  }
  return true;
}

}  // namespace sluice::runtime
