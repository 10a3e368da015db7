#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/tree.hpp"

namespace sluice::json {

// The layouts of the last documents of one origin, such as a collection. Texts have one layout if they are
// the same, byte for byte, but for their scalars. Then names, nesting and order of the values are the same
// too, and a tree lays its nodes out by comparing what is between the scalars, without a parse. Remembers up
// to four layouts, each of at most 1000 nodes and 16 KiB of text: less than 500 KiB. Where too few texts are
// of a layout that is remembered, it tries none for up to some thousand.
class Layouts {
 public:
  // How many texts were of a remembered layout.
  std::uint64_t matches() const { return matches_; }

 private:
  friend class Tree;
  // Lays out the nodes as a parse of `text` does. False if its layout is not known or it has to be parsed,
  // for an escape or an error; `nodes` are unspecified then.
  bool read(std::string_view text, std::vector<Node>& nodes);
  // Takes over the layout of `text`, which read() could not read, from its nodes.
  void remember(std::string_view text, const std::vector<Node>& nodes);
  void spend(int cost);

  // Where the views of a node begin, counted from the end of the scalar before it or the start of the text.
  struct Place {
    std::uint32_t between;  // bytes to the next scalar or the end; 0 but for the first node behind a scalar
    std::uint32_t key, raw;
    bool named;
  };
  // Where the text of a container with children ends: `offset` bytes behind the last node in it, which is a
  // scalar or has no children.
  struct Close {
    std::uint32_t container, leaf, offset;
  };
  struct Layout {
    Layout(std::string_view text, const std::vector<Node>& parsed);
    bool read(std::string_view text, std::vector<Node>& into) const;

    std::string between;      // the text without the scalars
    std::size_t tail = 0;     // bytes of it behind the last scalar
    std::vector<Node> nodes;  // only the sizes of their views count; null stands for any scalar
    std::vector<Place> places;
    std::vector<Close> closes;
  };

  static constexpr int most_credit = 16, shortest_pause = 64;

  std::vector<Layout> layouts_;
  std::size_t recent_ = 0;  // the one that was met last
  std::uint64_t matches_ = 0;
  int credit_ = most_credit;  // each text that is known gains one
  int pause_ = 0;             // texts until something is tried again
  int next_pause_ = shortest_pause;
};

}  // namespace sluice::json
