#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace sluice::runtime {

// Memory that is handed out piece by piece and taken back all at once. Keeps chunks for the next round.
class Arena {
 public:
  explicit Arena(std::size_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  // Aligned for any of our records.
  char* allocate(std::size_t bytes) {
    bytes = (bytes + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);
    if (bytes > static_cast<std::size_t>(end_ - at_)) return refill(bytes);
    char* out = at_;
    at_ += bytes;
    return out;
  }
  // Of the chunks in use.
  std::size_t bytes() const { return used_ * chunk_bytes_ + large_bytes_; }
  // Keeps chunks of about that many bytes.
  void clear(std::size_t kept_bytes) {
    large_.clear();
    used_ = large_bytes_ = 0;
    at_ = end_ = nullptr;
    if (std::size_t kept = kept_bytes / chunk_bytes_ + 1; chunks_.size() > kept) chunks_.resize(kept);
  }

 private:
  using Chunk = std::unique_ptr<char[]>;

  char* refill(std::size_t bytes) {
    if (bytes > chunk_bytes_ / 4) {
      large_bytes_ += bytes;
      return large_.emplace_back(std::make_unique_for_overwrite<char[]>(bytes)).get();
    }
    if (used_ == chunks_.size()) chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_bytes_));
    char* out = chunks_[used_++].get();
    at_ = out + bytes;
    end_ = out + chunk_bytes_;
    return out;
  }

  std::size_t chunk_bytes_;
  std::vector<Chunk> chunks_, large_;
  std::size_t used_ = 0, large_bytes_ = 0;
  char *at_ = nullptr, *end_ = nullptr;
};

}  // namespace sluice::runtime
