#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/layouts.hpp"
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
  // The same through the layout of the document, if that is known; else the layouts learn it, with `tree`.
  // They are the same ones in each call, as what is known of a layout goes by its number.
  bool scan(std::string_view document, Layouts& layouts, Tree& tree);
  void find(const Tree& document);

  // Where a value is in its document; of size 0 if it is missing.
  struct Extent {
    std::uint32_t at = 0, size = 0;
  };
  // Of what was found in the text, location by location; replaces `out`.
  void extents(std::vector<Extent>& out, std::string_view document) const;
  // Takes what was found before of the same locations, instead of looking again.
  void find(std::string_view document, std::span<const Extent> extents);

  std::size_t size() const { return found_.size(); }
  // The value at a location, null if it is missing. What scan() found belongs to no tree: of a container
  // there is the text, but no children. What it found by a layout lives until the next match of these.
  const Node* operator[](std::size_t location) const { return found_[location]; }

 private:
  // A step on the way to locations; children ascend by name.
  struct Place {
    std::string name;
    std::vector<std::size_t> locations;  // that end here
    std::vector<Place> children;
  };
  // Where texts of a layout have the value at a location.
  struct Spot {
    enum class Is : std::uint8_t { missing, scalar, container } is = Is::missing;
    Layouts::Anchor begin, end;
  };
  struct Known {
    std::uint64_t layout;
    std::vector<Spot> spots;  // by location
  };
  const Known* known(std::uint64_t layout) const;
  void learn(std::uint64_t layout, const Layouts& layouts);
  static Spot spot(const Node* found, const Layouts& layouts);
  void read(const Known& known, const Layouts& layouts);
  const Node& scanned(const char* begin, const char* end);
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
  std::vector<Known> known_;  // of the last layouts
  const Layouts* layouts_ = nullptr;
  std::size_t oldest_ = 0;
};

}  // namespace sluice::json
