#pragma once
#include <string>
#include <vector>

#include "sluice/base/error.hpp"

namespace sluice::cdc {

// Collects what a user must change, to be shown together: a heading, then one "- " line each.
class Problems {
 public:
  static constexpr std::size_t shown = 20;

  // `text` says what is wrong and the way out.
  void add(std::string text) { texts_.push_back(std::move(text)); }
  void add(const Error& error) { texts_.push_back(error.what()); }
  bool empty() const { return texts_.empty(); }
  const std::vector<std::string>& texts() const { return texts_; }
  // Throws one Error{config} if there are any; beyond `shown` they are counted.
  void raise() const;

 private:
  std::vector<std::string> texts_;
};

}  // namespace sluice::cdc
