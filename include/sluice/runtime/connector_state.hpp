#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/protocol/messages.hpp"

namespace sluice::runtime {

// What a connector changed of its state during a phase of a transaction (runtime.md §12.3), folded.
class StateUpdate {
 public:
  void add(const protocol::ConnectorState& state);
  bool empty() const { return patches_.empty(); }
  // The whole new state.
  std::string apply_to(std::string_view base) const;
  // As the patches of a shard (§12.4): "[patch]", or "[null,value]" for a replacement; empty if nothing was
  // added.
  std::string patches() const;

 private:
  std::vector<std::string> patches_;  // more than one only where they cannot be folded
  bool replaces_ = false;             // the first is no patch, but the value that replaces the state
};

}  // namespace sluice::runtime
