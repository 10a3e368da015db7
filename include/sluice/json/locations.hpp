#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"

namespace sluice::json {

// Finds the values at some locations of canonical documents, in one walk whatever their number: as a rule
// over the text, of which nothing has to be decoded or validated any more. Used by one thread at a time.
class Locations {
 public:
  Locations() = default;
  explicit Locations(const std::vector<Pointer>& locations);

  // Walks over the text, which outlives the use of what is found. False if that cannot be done without
  // decoding and without looking back, as there are escapes or a location lies within an array: then the
  // document has to be parsed.
  bool scan(std::string_view document);
  void find(const Tree& document);

  std::size_t size() const { return found_.size(); }
  // The value at a location, null if it is missing. What scan() found belongs to no tree: of a container
  // there is the text, but no children.
  const Node* operator[](std::size_t location) const { return found_[location]; }

 private:
  // A step on the way to locations; children ascend by name.
  struct Place {
    std::string name;
    std::vector<std::size_t> locations;  // that end here
    std::vector<Place> children;
  };
  static void plant(Place& from, const std::vector<std::string>& tokens, std::size_t depth,
                    std::size_t location);
  const char* scan_value(const Place& place, const char* at, const char* end);
  const char* scan_object(const Place& place, const char* at, const char* end);
  void find(const Tree& tree, const Place& place, const Node& node);
  void find_members(const Tree& tree, const Place& place, const Node& node);
  void find_items(const Tree& tree, const Place& place, const Node& node);

  Place root_;
  bool in_text_ = true;  // names with quotes could be mistaken in text
  std::vector<Node> scanned_;
  std::size_t scanned_count_ = 0;
  std::vector<const Node*> found_;
};

}  // namespace sluice::json
