#include "sluice/runtime/connector_state.hpp"

#include "sluice/json/write.hpp"
#include "sluice/runtime/reduce.hpp"

namespace sluice::runtime {

void StateUpdate::add(const protocol::ConnectorState& state) {
  if (!state.merge_patch) {
    patches_ = {merge_patch("null", state.updated_json)};
    replaces_ = true;
  } else if (patches_.empty()) {
    patches_ = {json::canonical(state.updated_json)};
  } else if (replaces_ && patches_.size() == 1) {
    patches_.back() = merge_patch(patches_.back(), state.updated_json);
  } else if (auto folded = fold_patches(patches_.back(), state.updated_json)) {
    patches_.back() = std::move(*folded);
  } else {
    patches_.push_back(json::canonical(state.updated_json));
  }
}

std::string StateUpdate::apply_to(std::string_view base) const {
  std::string state(replaces_ ? std::string_view("null") : base);
  for (const std::string& patch : patches_) state = merge_patch(state, patch);
  return state;
}

std::string StateUpdate::patches() const {
  if (empty()) return {};
  std::string out = replaces_ ? "[null," : "[";
  for (const std::string& patch : patches_) out.append(patch) += ',';
  out.back() = ']';
  return out;
}

}  // namespace sluice::runtime
