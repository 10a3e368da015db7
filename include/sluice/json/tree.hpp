#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace sluice::json {

// `number` covers integers and fractions; is_integer() on the node tells them apart.
enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

// One value of a parsed document. Nodes lie in preorder in their Tree; a container's first child is the next
// node, and `end` of every node is the index just past its last descendant, so siblings are walked by
// `i = nodes[i].end`. Views point into the parsed text or into the tree's side buffer.
struct Node {
  std::string_view key;   // decoded property name; empty for array items and the root
  std::string_view text;  // strings: decoded content; numbers: the token as written; containers: unused
  std::string_view raw;   // the value's exact source text, any kind
  std::uint32_t end = 0;
  std::uint32_t count = 0;  // children of a container
  Kind kind = Kind::null;
  bool truth = false;      // booleans
  bool sorted = false;     // objects: the names of the members ascend, none twice
  bool canonical = false;  // `raw` is what Canonical would write; never so if there are escapes
};

class Layouts;

// A flat parse of one JSON document, reused from document to document without allocation once warm.
// It keeps number tokens as written and never re-rounds them. The parsed text must outlive the tree's use.
// Not a class for building documents (see Writer), but for small additions there are insert() and erase().
class Tree {
 public:
  static constexpr std::size_t max_depth = 1000;

  Tree();
  ~Tree();
  Tree(Tree&&) noexcept;
  Tree& operator=(Tree&&) noexcept;

  // Replaces the content. Throws Error{config} naming the byte offset if `text` is not one JSON value
  // (nesting beyond max_depth levels, invalid UTF-8 and unpaired surrogate escapes included); the tree is
  // then empty until the next parse.
  void parse(std::string_view text);
  // The same result, cheaper if `text` is laid out like one of the last that came with these layouts.
  void parse(std::string_view text, Layouts& layouts);
  // The same result for the text that was matched last.
  void lay_out(const Layouts& matched);

  // For a tree that is kept as it is: gives back the memory that only parsing needs. References to nodes end.
  void settle();

  const Node& root() const { return nodes_.front(); }
  const Node& operator[](std::uint32_t i) const { return nodes_[i]; }
  std::uint32_t index(const Node& node) const { return static_cast<std::uint32_t>(&node - nodes_.data()); }
  std::size_t size() const { return nodes_.size(); }

  // The property `name` of object `node`, or null if it is absent or `node` is no object. The last of equal
  // names counts.
  const Node* find(const Node& node, std::string_view name) const;

  // Children of a container: for (const Node& child : tree.children(node)).
  class Children {
   public:
    class Iterator {
     public:
      Iterator(const Node* base, std::uint32_t at) : base_(base), at_(at) {}
      const Node& operator*() const { return base_[at_]; }
      Iterator& operator++() {
        at_ = base_[at_].end;
        return *this;
      }
      bool operator!=(const Iterator& other) const { return at_ != other.at_; }

     private:
      const Node* base_;
      std::uint32_t at_;
    };
    Children(const Node* base, std::uint32_t first, std::uint32_t last)
        : base_(base), first_(first), last_(last) {}
    Iterator begin() const { return {base_, first_}; }
    Iterator end() const { return {base_, last_}; }

   private:
    const Node* base_;
    std::uint32_t first_, last_;
  };
  Children children(const Node& node) const {
    bool container = node.kind == Kind::array || node.kind == Kind::object;
    std::uint32_t i = index(node);
    return {nodes_.data(), i + 1, container ? node.end : i + 1};
  }

  // Puts a value into object `parent`, before the first member that is not of a lesser name. `key` and `raw`,
  // the text of a null, a string without escapes, or of an empty container, must outlive the tree's use.
  // References to nodes end; the raw text of the containers around it stays as it was, without the addition.
  // Returns the index of the new node.
  std::uint32_t insert(std::uint32_t parent, std::string_view key, Kind kind, std::string_view raw);
  // Removes a value that is not the root, with the same effect on references and raw texts.
  void erase(std::uint32_t node);
  // Bytes of canonical text that insert() added since parse().
  std::size_t inserted_bytes() const { return inserted_bytes_; }

 private:
  struct Impl;
  class Builder;
  void make_small_for(std::string_view text);

  std::unique_ptr<Impl> impl_;  // the parser and its buffers
  std::vector<Node> nodes_;
  std::vector<char> decoded_;  // contents of strings that hold escapes
  std::size_t inserted_bytes_ = 0;
};

struct Member {
  std::uint64_t prefix;  // the first eight bytes of the name as a number, which settles most comparisons
  const Node* node;
};
// Appends the members of `object` in bytewise order of their names; of equal names the last.
void append_members(std::vector<Member>& out, const Tree& tree, const Node& object);

// A number as the protocol tells numbers apart (flow-protocol §10): an integer of 64 bits, or a double.
struct Number {
  enum class Type : std::uint8_t { negative, unsigned_, floating } type = Type::unsigned_;
  std::int64_t negative = 0;  // < 0
  std::uint64_t unsigned_ = 0;
  double floating = 0;  // any token with a fraction or exponent, an integer beyond 64 bits, and -0
};
// `token` is a JSON number.
Number number(std::string_view token);

}  // namespace sluice::json
