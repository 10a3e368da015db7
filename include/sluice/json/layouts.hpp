#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/tree.hpp"

namespace sluice::json {

// The layouts of the last documents of one origin, such as a collection. Texts have one layout if they are
// the same, byte for byte, but for their scalars. Then names, nesting and order of the values are the same
// too, and all that depends on these alone is found by comparing what is between the scalars, without a
// parse. Remembers up to four layouts, each of at most 1000 nodes and 16 KiB of text: less than 500 KiB.
// Where too few texts are of a layout that is remembered, it tries none for up to some thousand.
class Layouts {
 public:
  // The number of the text's layout, which no other one has that these Layouts know or knew. 0 if its layout
  // is not known or it has to be parsed, for an escape or an error. What follows is about the text of the
  // last call, which outlives its use; there is nothing of it after a 0.
  std::uint64_t match(std::string_view text);
  // Its scalars in its order: they belong to no tree.
  std::span<const Node> scalars() const { return {scalars_.data(), layouts_[recent_].gaps.size()}; }

  // A place that all texts of a layout have in common: so many bytes behind the end of a scalar, or behind
  // the start of the text.
  struct Anchor {
    std::uint32_t scalar = 0;  // its number, from 1 on; 0: the start
    std::uint32_t offset = 0;
  };
  Anchor anchor(const char* place) const;
  const char* place(const Anchor& anchor) const {
    return (anchor.scalar == 0 ? text_.data() : end_of(scalars_[anchor.scalar - 1])) + anchor.offset;
  }

  // Takes over the layout of a text that was not matched from its parse, unless too few have been of late.
  void remember(std::string_view text, const Tree& parsed);
  bool remembers(std::string_view text) const { return pause_ == 0 && text.size() <= most_text_bytes; }
  // How many texts were of a remembered layout.
  std::uint64_t matches() const { return matches_; }

 private:
  friend class Tree;
  // Lays out the nodes as a parse of the matched text does.
  void lay_out(std::vector<Node>& nodes) const;
  void spend(int cost);
  static const char* end_of(const Node& node) { return node.raw.data() + node.raw.size(); }

  // Where the views of a node begin, counted from the end of the scalar before it or the start of the text.
  struct Place {
    std::uint32_t key, raw;
    bool named;
  };
  // Where the text of a container with children ends: `offset` bytes behind the last node in it, which is a
  // scalar or has no children.
  struct Close {
    std::uint32_t container, leaf, offset;
  };
  struct Layout {
    Layout(std::string_view text, const Tree& parsed);
    // Reads the scalars.
    bool match(std::string_view text, Node* scalars) const;

    std::uint64_t number = 0;
    std::string between;              // the text without the scalars, padded
    std::vector<std::uint32_t> gaps;  // bytes of it before each scalar
    std::uint32_t tail = 0;           // behind the last one
    std::vector<Node> nodes;          // only the sizes of their views count; null stands for any scalar
    std::vector<Place> places;
    std::vector<Close> closes;
  };

  static constexpr int most_credit = 16, shortest_pause = 64;
  // Larger texts are parsed: beside their scalars the rest costs little.
  static constexpr std::size_t most_text_bytes = 1 << 20;

  std::vector<Layout> layouts_;
  std::vector<Node> scalars_;
  std::string_view text_;   // matched last
  std::size_t recent_ = 0;  // its layout
  std::uint64_t numbers_ = 0;
  std::uint64_t matches_ = 0;
  int credit_ = most_credit;  // each text that is known gains one
  int pause_ = 0;             // texts until something is tried again
  int next_pause_ = shortest_pause;
};

}  // namespace sluice::json
