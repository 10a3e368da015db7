#include "sluice/json/locations.hpp"

#include <algorithm>
#include <cstring>

#include "sluice/base/error.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/json/scan.hpp"

namespace sluice::json {
namespace {

Kind kind_at(char first) {
  switch (first) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

// Layouts that are remembered.
constexpr std::size_t most_known = 4;

// Is this the name, with the quote behind it?
bool stands(std::string_view name, const char* at, const char* end) {
  return static_cast<std::size_t>(end - at) > name.size() && at[name.size()] == '"' &&
         text::same({at, name.size()}, name);
}

}  // namespace

Locations::Locations(const std::vector<Pointer>& locations)
    : scanned_(locations.size()), found_(locations.size()) {
  for (std::size_t i = 0; i < locations.size(); ++i) {
    plant(root_, locations[i].tokens(), 0, i);
    for (const std::string& token : locations[i].tokens())
      if (token.find('"') != token.npos) in_text_ = false;
  }
}

void Locations::plant(Place& from, const std::vector<std::string>& tokens, std::size_t depth,
                      std::size_t location) {
  if (depth == tokens.size()) {
    from.locations.push_back(location);
    return;
  }
  auto earlier = [](const Place& place, const std::string& name) { return place.name < name; };
  auto child = std::lower_bound(from.children.begin(), from.children.end(), tokens[depth], earlier);
  if (child == from.children.end() || child->name != tokens[depth]) {
    child = from.children.insert(child, Place());
    child->name = tokens[depth];
  }
  plant(*child, tokens, depth + 1, location);
}

bool Locations::scan(std::string_view text) {
  std::fill(found_.begin(), found_.end(), nullptr);
  scanned_count_ = 0;
  if (!in_text_ || text.empty() || std::memchr(text.data(), '\\', text.size())) return false;
  return scan_value(root_, text.data(), text.data() + text.size()) != nullptr;
}

bool Locations::scan(std::string_view text, Layouts& layouts, Tree& tree) {
  if (!layouts_) layouts_ = &layouts;
  SLUICE_CHECK(layouts_ == &layouts);
  std::uint64_t layout = layouts.match(text);
  const Known* at = layout == 0 ? nullptr : known(layout);
  if (at) {
    read(*at, layouts);
    return true;
  }
  if (!scan(text)) return false;
  if (layout != 0) {
    learn(layout, layouts);
  } else if (layouts.remembers(text)) {
    tree.parse(text);
    layouts.remember(text, tree);
  }
  return true;
}

const Locations::Known* Locations::known(std::uint64_t layout) const {
  for (const Known& known : known_)
    if (known.layout == layout) return &known;
  return nullptr;
}

// From what scan() found in the text that was matched last.
void Locations::learn(std::uint64_t layout, const Layouts& layouts) {
  if (known_.size() < most_known) {
    oldest_ = known_.size();
    known_.emplace_back();
  }
  Known& to = known_[oldest_];
  oldest_ = (oldest_ + 1) % most_known;
  to.layout = layout;
  to.spots.clear();
  for (const Node* node : found_) to.spots.push_back(spot(node, layouts));
}

Locations::Spot Locations::spot(const Node* found, const Layouts& layouts) {
  Spot spot;
  if (!found) return spot;
  const char *begin = found->raw.data(), *end = begin + found->raw.size();
  spot.begin = layouts.anchor(begin);
  spot.end = layouts.anchor(end);
  bool container = found->kind == Kind::array || found->kind == Kind::object;
  spot.is = container ? Spot::Is::container : Spot::Is::scalar;
  return spot;
}

void Locations::read(const Known& known, const Layouts& layouts) {
  scanned_count_ = 0;
  std::span<const Node> scalars = layouts.scalars();
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const Spot& spot = known.spots[i];
    switch (spot.is) {
      case Spot::Is::missing:
        found_[i] = nullptr;
        break;
      case Spot::Is::scalar:
        found_[i] = &scalars[spot.end.scalar - 1];  // which ends where the place is
        break;
      case Spot::Is::container:
        found_[i] = &scanned(layouts.place(spot.begin), layouts.place(spot.end));
        break;
    }
  }
}

// Behind the value at `at`, of which locations are wanted; null if the document has to be parsed.
const char* Locations::scan_value(const Place& place, const char* at, const char* end) {
  if (at == end) return nullptr;
  Kind kind = kind_at(*at);
  bool within = !place.children.empty();
  if (within && kind == Kind::array) return nullptr;
  const char* behind = within && kind == Kind::object ? scan_object(place, at, end) : value_end(at, end);
  if (!behind || place.locations.empty()) return behind;
  const Node& node = scanned(at, behind);
  for (std::size_t location : place.locations) found_[location] = &node;
  return behind;
}

const Node& Locations::scanned(const char* begin, const char* end) {
  Node& node = scanned_[scanned_count_++];
  node.kind = kind_at(*begin);
  node.truth = *begin == 't';
  node.raw = {begin, end};
  node.text = node.kind == Kind::string ? node.raw.substr(1, node.raw.size() - 2) : node.raw;
  return node;
}

// Both sides ascend by name. What follows the last location in the root is not looked at.
const char* Locations::scan_object(const Place& place, const char* at, const char* end) {
  auto wanted = place.children.begin(), last = place.children.end();
  bool may_stop = &place == &root_ && place.locations.empty();
  if (end - at >= 2 && at[1] == '}') return at + 2;
  do {
    if (++at == end || *at != '"') return nullptr;
    const char* name = ++at;
    bool here = wanted != last && stands(wanted->name, name, end);
    if (here) {
      at = name + wanted->name.size() + 1;
    } else {
      at = value_end(name - 1, end);
      if (!at) return nullptr;
      std::string_view key(name, static_cast<std::size_t>(at - name - 1));
      while (wanted != last && wanted->name < key) ++wanted;
      here = wanted != last && text::same(wanted->name, key);
    }
    if (at == end) return nullptr;
    at = here ? scan_value(*wanted++, at + 1, end) : value_end(at + 1, end);
    if (may_stop && wanted == last) return at;
  } while (at && at != end && *at == ',');
  return at && at != end && *at == '}' ? at + 1 : nullptr;
}

void Locations::extents(std::vector<Extent>& out, std::string_view document) const {
  out.clear();
  for (const Node* node : found_) {
    Extent& extent = out.emplace_back();
    if (!node) continue;
    extent.at = static_cast<std::uint32_t>(node->raw.data() - document.data());
    extent.size = static_cast<std::uint32_t>(node->raw.size());
  }
}

void Locations::find(std::string_view document, std::span<const Extent> extents) {
  SLUICE_CHECK(extents.size() == found_.size());
  scanned_count_ = 0;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const char* begin = document.data() + extents[i].at;
    found_[i] = extents[i].size == 0 ? nullptr : &scanned(begin, begin + extents[i].size);
  }
}

void Locations::find(const Tree& tree) {
  std::fill(found_.begin(), found_.end(), nullptr);
  find(tree, root_, tree.root());
}

void Locations::find(const Tree& tree, const Place& place, const Node& node) {
  for (std::size_t location : place.locations) found_[location] = &node;
  if (place.children.empty()) return;
  if (node.kind == Kind::object)
    find_members(tree, place, node);
  else if (node.kind == Kind::array)
    find_items(tree, place, node);
}

// Both sides ascend by name.
void Locations::find_members(const Tree& tree, const Place& place, const Node& node) {
  auto wanted = place.children.begin();
  for (const Node& member : tree.children(node)) {
    if (!text::same(wanted->name, member.key)) {
      while (wanted->name < member.key)
        if (++wanted == place.children.end()) return;
      if (wanted->name != member.key) continue;
    }
    find(tree, *wanted, member);
    if (++wanted == place.children.end()) return;
  }
}

void Locations::find_items(const Tree& tree, const Place& place, const Node& node) {
  for (const Place& wanted : place.children)
    if (const Node* item = item_at(tree, node, wanted.name)) find(tree, wanted, *item);
}

}  // namespace sluice::json
