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
// In texts that are known, which save as much at least.
constexpr int cost_of_trying = 1, cost_of_remembering = 3;
constexpr int longest_pause = 4096;

bool is_scalar(const Node& node) { return node.kind != Kind::array && node.kind != Kind::object; }

// Goes over a text scalar by scalar.
class Walk {
 public:
  explicit Walk(std::string_view text)
      : at_(text.data()),
        end_(at_ + text.size()),
        is_wide_(text.size() >= width),
        wide_(is_wide_ ? end_ - width + 1 : at_),
        beyond_ascii_(is_wide_ ? 0 : Sixteen::all) {}

  // Do these `size` bytes follow, which lie in a buffer that goes on for another sixteen? Then they are
  // behind.
  bool skip(const char* expected, std::uint32_t size) {
    for (; at_ < wide_; at_ += width, expected += width, size -= width) {
      Sixteen::Set same = Sixteen(at_).same(Sixteen(expected));
      if (size <= width) {
        at_ += size;
        return (~same & Sixteen::below(static_cast<int>(size))) == 0;
      }
      if (same != Sixteen::all) return false;
    }
    bool here = static_cast<std::size_t>(end_ - at_) >= size && text::same({at_, size}, {expected, size});
    if (here) at_ += size;
    return here;
  }
  bool take(Node& node) {
    if (at_ == end_) return false;
    if (*at_ == '"' && is_wide_) return take_string(node);
    if (*at_ >= '1' && *at_ <= '9' && at_ < wide_ && take_integer(node)) return true;
    at_ = scalar(node, at_, end_);
    return at_;
  }
  std::string_view rest() const { return {at_, end_}; }
  // Is nothing but ASCII in the strings? Only longer texts are asked.
  bool ascii() const { return beyond_ascii_ == 0; }

 private:
  static constexpr std::uint32_t width = Sixteen::size;

  bool take_string(Node& node) {
    const char* at = at_ + 1;
    for (; at < wide_; at += width) {
      Sixteen block(at);
      if (Sixteen::Set escapes = block.escapes()) return end_string(node, at, escapes, block.beyond_ascii());
      beyond_ascii_ |= block.beyond_ascii();
    }
    // What is left is the end of the last sixteen bytes.
    Sixteen block(end_ - width);
    auto passed = at - (end_ - width);
    Sixteen::Set escapes = block.escapes() >> passed;
    return escapes != 0 && end_string(node, at, escapes, block.beyond_ascii() >> passed);
  }
  // The sets are of what follows `at`.
  bool end_string(Node& node, const char* at, Sixteen::Set escapes, Sixteen::Set beyond_ascii) {
    int size = Sixteen::first(escapes);
    const char* quote = at + size;
    if (*quote != '"') return false;
    beyond_ascii_ |= beyond_ascii & Sixteen::below(size);
    node.kind = Kind::string;
    node.truth = false;
    node.text = {at_ + 1, quote};
    node.raw = {at_, quote + 1};
    at_ = quote + 1;
    return true;
  }
  // As most numbers are: fewer than sixteen digits, the first of them no zero, and nothing else. scalar()
  // would do, at a seventh more for a document.
  bool take_integer(Node& node) {
    Sixteen::Set others = ~Sixteen(at_).digits() & Sixteen::all;
    if (others == 0) return false;
    const char* behind = at_ + Sixteen::first(others);
    if (*behind == '.' || (*behind | 0x20) == 'e') return false;
    node.kind = Kind::number;
    node.truth = false;
    node.text = node.raw = {at_, behind};
    at_ = behind;
    return true;
  }

  const char *at_, *end_;
  bool is_wide_;               // sixteen bytes can be read
  const char* wide_;           // and that at what lies before
  Sixteen::Set beyond_ascii_;  // of strings
};

std::uint32_t distance(const char* from, const char* to) { return static_cast<std::uint32_t>(to - from); }

}  // namespace

std::uint64_t Layouts::match(std::string_view text) {
  if (text.size() > most_text_bytes) return 0;
  if (pause_ > 0 && --pause_ > 0) return 0;
  for (std::size_t i = 0; i < layouts_.size(); ++i) {
    std::size_t at = recent_ + i < layouts_.size() ? recent_ + i : recent_ + i - layouts_.size();
    if (!layouts_[at].match(text, scalars_.data())) continue;
    text_ = text;
    recent_ = at;
    ++matches_;
    credit_ = std::min(credit_ + 1, most_credit);
    if (credit_ == most_credit) next_pause_ = shortest_pause;
    return layouts_[at].number;
  }
  spend(cost_of_trying);
  return 0;
}

void Layouts::spend(int cost) {
  credit_ -= cost;
  if (credit_ >= 0) return;
  credit_ = most_credit / 2;
  pause_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, longest_pause);
}

void Layouts::remember(std::string_view text, const Tree& parsed) {
  if (!remembers(text)) return;
  if (text.find('\\') != text.npos) return;  // names would need decoding, and containers are not canonical
  spend(cost_of_remembering);
  if (parsed.size() > most_nodes) return;
  Layout layout(text, parsed);
  if (layout.between.size() > most_between_bytes + Sixteen::size) return;
  layout.number = ++numbers_;
  scalars_.resize(std::max(scalars_.size(), layout.gaps.size()));
  if (layouts_.size() < most_layouts) {
    recent_ = layouts_.size();
    layouts_.push_back(std::move(layout));
  } else {
    recent_ = (recent_ + 1) % most_layouts;
    layouts_[recent_] = std::move(layout);
  }
}

Layouts::Anchor Layouts::anchor(const char* place) const {
  Anchor anchor;
  const char* from = text_.data();
  for (const Node& scalar : scalars()) {
    if (end_of(scalar) > place) break;
    from = end_of(scalar);
    ++anchor.scalar;
  }
  anchor.offset = distance(from, place);
  return anchor;
}

Layouts::Layout::Layout(std::string_view text, const Tree& parsed) {
  const char* from = text.data();  // the end of the last scalar
  places.reserve(parsed.size());
  nodes.reserve(parsed.size());
  for (std::uint32_t i = 0; i < parsed.size(); ++i) {
    const Node& node = parsed[i];
    nodes.push_back(node);
    bool named = node.key.data() != nullptr;
    places.push_back({.key = named ? distance(from, node.key.data()) : 0,
                      .raw = distance(from, node.raw.data()),
                      .named = named});
    if (is_scalar(node)) {
      gaps.push_back(distance(from, node.raw.data()));
      between.append(from, node.raw.data());
      from = end_of(node);
      nodes[i].kind = Kind::null;
      nodes[i].truth = false;
      nodes[i].text = {};
    } else if (std::uint32_t last = node.end - 1; last > i) {
      closes.push_back({i, last, distance(end_of(parsed[last]), end_of(node))});
    }
  }
  tail = distance(from, text.data() + text.size());
  between.append(from, tail).append(Sixteen::size, '\0');
}

bool Layouts::Layout::match(std::string_view text, Node* scalars) const {
  Walk walk(text);
  const char* expected = between.data();
  for (std::uint32_t gap : gaps) {
    if (!walk.skip(expected, gap) || !walk.take(*scalars++)) return false;
    expected += gap;
  }
  if (!text::same(walk.rest(), {expected, tail})) return false;
  // What is between the scalars was looked at in the text that was parsed.
  return walk.ascii() || simdjson::validate_utf8(text.data(), text.size());
}

void Layouts::lay_out(std::vector<Node>& into) const {
  const Layout& layout = layouts_[recent_];
  into = layout.nodes;
  const char* from = text_.data();
  const Node* scalar = scalars_.data();
  Node* node = into.data();
  for (const Place& place : layout.places) {
    if (place.named) node->key = {from + place.key, node->key.size()};
    if (is_scalar(*node)) {
      node->kind = scalar->kind;
      node->truth = scalar->truth;
      node->text = scalar->text;
      node->raw = scalar->raw;
      from = end_of(*scalar++);
    } else {
      node->raw = {from + place.raw, node->raw.size()};
    }
    ++node;
  }
  for (const Close& close : layout.closes) {
    Node& container = into[close.container];
    container.raw = {container.raw.data(), end_of(into[close.leaf]) + close.offset};
  }
}

}  // namespace sluice::json
