#include "sluice/json/layouts.hpp"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "scalar.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/short_text.hpp"

namespace sluice::json {
namespace {

constexpr std::size_t most_layouts = 4, most_nodes = 1000, most_between_bytes = 16_KiB;
// Larger texts are parsed: beside their scalars the rest costs little.
constexpr std::size_t most_text_bytes = 1_MiB;

// In texts that are known, which save as much at least.
constexpr int cost_of_trying = 1, cost_of_remembering = 3;
constexpr int longest_pause = 4096;

bool is_scalar(const Node& node) { return node.kind != Kind::array && node.kind != Kind::object; }
const char* end_of(const Node& node) { return node.raw.data() + node.raw.size(); }
std::uint32_t distance(const char* from, const char* to) { return static_cast<std::uint32_t>(to - from); }

}  // namespace

bool Layouts::read(std::string_view text, std::vector<Node>& nodes) {
  if (text.size() > most_text_bytes) return false;
  if (pause_ > 0 && --pause_ > 0) return false;
  for (std::size_t i = 0; i < layouts_.size(); ++i) {
    std::size_t at = (recent_ + i) % layouts_.size();
    if (!layouts_[at].read(text, nodes)) continue;
    recent_ = at;
    ++matches_;
    credit_ = std::min(credit_ + 1, most_credit);
    if (credit_ == most_credit) next_pause_ = shortest_pause;
    return true;
  }
  spend(cost_of_trying);
  return false;
}

void Layouts::spend(int cost) {
  credit_ -= cost;
  if (credit_ >= 0) return;
  credit_ = most_credit / 2;
  pause_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, longest_pause);
}

void Layouts::remember(std::string_view text, const std::vector<Node>& nodes) {
  if (pause_ > 0 || text.size() > most_text_bytes || nodes.size() > most_nodes) return;
  if (text.find('\\') != text.npos) return;  // names would need decoding, and containers are not canonical
  spend(cost_of_remembering);
  Layout layout(text, nodes);
  if (layout.between.size() > most_between_bytes) return;
  if (layouts_.size() < most_layouts) {
    recent_ = layouts_.size();
    layouts_.push_back(std::move(layout));
  } else {
    recent_ = (recent_ + 1) % most_layouts;
    layouts_[recent_] = std::move(layout);
  }
}

Layouts::Layout::Layout(std::string_view text, const std::vector<Node>& parsed) : nodes(parsed) {
  const char* from = text.data();  // the end of the last scalar
  std::size_t first = 0;           // the first node behind it
  auto add = [&](const char* to) {
    if (first < places.size()) places[first].between = distance(from, to);
    between.append(from, to);
  };
  places.reserve(parsed.size());
  for (const Node& node : parsed) {
    auto i = static_cast<std::uint32_t>(places.size());
    bool named = node.key.data() != nullptr;
    places.push_back({.between = 0,
                      .key = named ? distance(from, node.key.data()) : 0,
                      .raw = distance(from, node.raw.data()),
                      .named = named});
    if (is_scalar(node)) {
      add(node.raw.data());
      from = end_of(node);
      first = places.size();
      nodes[i].kind = Kind::null;
      nodes[i].truth = false;
      nodes[i].text = {};
    } else {
      std::uint32_t last = node.end - 1;
      if (last > i) closes.push_back({i, last, distance(end_of(parsed[last]), end_of(node))});
    }
  }
  const char* end = text.data() + text.size();
  add(end);
  tail = distance(from, end);
}

bool Layouts::Layout::read(std::string_view text, std::vector<Node>& into) const {
  const char *from = text.data(), *end = from + text.size(), *expected = between.data();
  into = nodes;
  Node* node = into.data();
  for (const Place& place : places) {
    if (place.between > 0) {
      if (!literal(from, end, {expected, place.between})) return false;
      expected += place.between;
    }
    if (place.named) node->key = {from + place.key, node->key.size()};
    if (is_scalar(*node)) {
      from = scalar(*node, from + place.raw, end);
      if (!from) return false;
    } else {
      node->raw = {from + place.raw, node->raw.size()};
    }
    ++node;
  }
  if (!text::same({from, end}, {between.data() + between.size() - tail, tail})) return false;
  for (const Close& close : closes) {
    Node& container = into[close.container];
    container.raw = {container.raw.data(), end_of(into[close.leaf]) + close.offset};
  }
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace sluice::json
