#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "sluice/base/error.hpp"

namespace sluice::cdc {

// The positions of checkpoints that the runtime has not acknowledged yet, oldest first. What acknowledge()
// returns is the only thing that may ever be confirmed to the source (invariant X-2).
template <class Position>
class Acknowledgements {
 public:
  // A checkpoint was sent; without a position it only counts.
  void sent(std::optional<Position> position) { waiting_.push_back(std::move(position)); }
  // The newest position among the `checkpoints` oldest ones (0 means 1). Throws Error{transient} if fewer
  // were sent.
  std::optional<Position> acknowledge(std::uint32_t checkpoints) {
    if (checkpoints == 0) checkpoints = 1;
    if (checkpoints > waiting_.size())
      throw Error(Error::Kind::transient, "the runtime acknowledged " + std::to_string(checkpoints) +
                                              " checkpoints while " + std::to_string(waiting_.size()) +
                                              " were outstanding");
    std::optional<Position> newest;
    for (; checkpoints > 0; --checkpoints) {
      if (waiting_.front()) newest = std::move(waiting_.front());
      waiting_.pop_front();
    }
    return newest;
  }
  bool empty() const { return waiting_.empty(); }

 private:
  std::deque<std::optional<Position>> waiting_;
};

}  // namespace sluice::cdc
