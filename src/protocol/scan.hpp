#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

// Finding the end of JSON values at several GB/s without reading them: what the JSON codec needs of documents
// that it only hands on. Well-formedness is not checked; whoever reads the document does that.
namespace sluice::protocol {

// Finds where an object or array ends, in text that comes in pieces.
class ContainerEnd {
 public:
  // `open` is the first byte of the value: '{' or '['.
  explicit ContainerEnd(char open) : open_(open), close_(open == '{' ? '}' : ']') {}

  // Reads the next piece, the first of which starts with `open`. Returns how many of its bytes belong to the
  // value if it ends there, npos if it goes on.
  std::size_t feed(std::string_view piece);
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

 private:
  std::size_t feed_block(std::string_view piece);  // of at most 64 bytes

  char open_, close_;
  bool in_string_ = false, escaped_ = false;
  std::uint64_t depth_ = 0;
};

// The bytes of the JSON value at the start of `text`, or 0 if it does not end within it (a number needs a
// byte after it) or there is none.
std::size_t value_size(std::string_view text);

}  // namespace sluice::protocol
