#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

// Reading JSON without a tree. Finding the end of values at several GB/s: what is needed of documents that
// are handed on, or of which a part is wanted. Well-formedness is not checked; whoever reads the document
// does that.
namespace sluice::json {

struct Node;

// Finds where an object or array ends, in text that comes in pieces.
class ContainerEnd {
 public:
  // `open` is the first byte of the value: '{' or '['.
  explicit ContainerEnd(char open) : state_{open, open == '{' ? '}' : ']'} {}

  // Reads the next piece, the first of which starts with `open`. Returns how many of its bytes belong to the
  // value if it ends there, npos if it goes on.
  std::size_t feed(std::string_view piece);
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  struct State {
    char open, close;
    bool in_string = false, escaped = false;
    std::uint64_t depth = 0;
  };

 private:
  State state_;
};

// Behind the JSON value that begins at `at`, or null if it does not end before `end` (a number needs a byte
// after it) or there is none.
const char* value_end(const char* at, const char* end);

// Reads the scalar at `at` into kind, truth, text and raw of `node` as a parse does, but does not check its
// encoding. Returns its end; null if none is there or it has to be decoded, for an escape.
const char* read_scalar(Node& node, const char* at, const char* end);

}  // namespace sluice::json
