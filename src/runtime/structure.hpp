#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/json/tree.hpp"

namespace sluice::runtime {

// Of a document the kinds, names and nesting of its values, without the values.
class Structure {
 public:
  void remember(const json::Tree& tree);
  bool is_of(const json::Tree& tree) const;

 private:
  struct Place {
    std::uint32_t end, name_size;  // as of the node
    json::Kind kind;
  };
  std::vector<Place> places_;
  std::string names_;  // one after the other
};

}  // namespace sluice::runtime
