#include "sluice/cdc/problems.hpp"

#include <algorithm>

namespace sluice::cdc {

void Problems::raise() const {
  if (texts_.empty()) return;
  std::string message = "the capture cannot run due to the following problems:";
  for (std::size_t i = 0; i < std::min(texts_.size(), shown); ++i) message += "\n - " + texts_[i];
  if (texts_.size() > shown)
    message += "\n - (" + std::to_string(texts_.size() - shown) + " more are not shown)";
  throw Error(Error::Kind::config, std::move(message));
}

}  // namespace sluice::cdc
