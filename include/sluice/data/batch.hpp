#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

// A run of JSON documents in one buffer that moves through channels as a unit. Move-only; the views that
// doc() returns live as long as the batch is not added to or destroyed.
class Batch {
 public:
  struct Document {
    std::uint32_t binding = 0;
    std::string_view json;
  };

  Batch() = default;
  Batch(Batch&&) = default;
  Batch& operator=(Batch&&) = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Copies a complete document in.
  void add(std::string_view json, std::uint32_t binding = 0) {
    text_.append(json);
    commit(binding);
  }
  // In-place building: append JSON text to text(), then commit() makes what was appended since the last
  // commit one document; rollback() drops it.
  std::string& text() { return text_; }
  void commit(std::uint32_t binding = 0) {
    docs_.push_back({start_, text_.size() - start_, binding});
    start_ = text_.size();
  }
  void rollback() { text_.resize(start_); }
  void reserve(std::size_t text_bytes, std::size_t documents) {
    text_.reserve(text_bytes);
    docs_.reserve(documents);
  }

  // Gives memory back if not even half of it is in use: channels count what is in use only.
  void trim() {
    if (text_.capacity() > 2 * text_.size()) text_.shrink_to_fit();
    if (docs_.capacity() > 2 * docs_.size()) docs_.shrink_to_fit();
  }

  std::size_t size() const { return docs_.size(); }
  bool empty() const { return docs_.empty(); }
  Document doc(std::size_t i) const {
    const Extent& d = docs_[i];
    return {d.binding, std::string_view(text_).substr(d.offset, d.length)};
  }
  // What the batch costs in a channel.
  std::size_t bytes() const { return text_.size() + docs_.size() * sizeof(Extent) + sizeof(Batch); }
  // Bytes of JSON text.
  std::size_t text_bytes() const { return start_; }
  // Empties the batch and keeps its memory.
  void clear() {
    text_.clear();
    docs_.clear();
    start_ = 0;
    checkpoint.reset();
  }

  // Adds the documents of `other`; its checkpoint, if any, takes the place of ours, which it covers.
  void append(Batch other) {
    for (std::size_t i = 0; i < other.size(); ++i) add(other.doc(i).json, other.doc(i).binding);
    if (other.checkpoint) checkpoint = std::move(other.checkpoint);
  }
  // Pieces of at most `bytes` (a larger document stands alone); the checkpoint stays with the last.
  std::vector<Batch> split(std::size_t bytes) const {
    std::vector<Batch> pieces(1);
    for (std::size_t i = 0; i < size(); ++i) {
      if (!pieces.back().empty() && pieces.back().bytes() + doc(i).json.size() > bytes) pieces.emplace_back();
      pieces.back().add(doc(i).json, doc(i).binding);
    }
    pieces.back().checkpoint = checkpoint;
    return pieces;
  }

  // Of pipelines without the Flow protocol: what makes the documents up to here durable, in the stage's
  // terms.
  std::optional<std::string> checkpoint;

 private:
  struct Extent {
    std::size_t offset, length;
    std::uint32_t binding;
  };
  std::string text_;
  std::vector<Extent> docs_;
  std::size_t start_ = 0;
};

}  // namespace sluice
