#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace sluice::protocol {

// Bytes that come in at the end and leave at the front. Unlike std::string it never initialises room, and
// keeps its memory.
class Buffer {
 public:
  std::string_view data() const { return {bytes_.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  // At least `n` bytes to be written by the caller, who then says how many it used: filled().
  char* room(std::size_t n) {
    if (capacity_ - end_ < n) make_room(n);
    return bytes_.get() + end_;
  }
  std::size_t room_size() const { return capacity_ - end_; }
  void filled(std::size_t n) { end_ += n; }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;  // memcpy takes no null, of whatever length
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    filled(bytes.size());
  }
  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) clear();
  }
  void clear() {
    begin_ = end_ = 0;
    if (capacity_ <= kept) return;
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  static constexpr std::size_t kept = std::size_t{4} << 20;  // what one giant message needed is given back

  void make_room(std::size_t n) {
    std::size_t used = size();
    if (capacity_ - used >= n && begin_ >= used) {
      std::memcpy(bytes_.get(), bytes_.get() + begin_, used);
    } else {
      std::size_t capacity = std::max(used + n, capacity_ * 2);
      auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
      if (used > 0) std::memcpy(bytes.get(), bytes_.get() + begin_, used);
      bytes_ = std::move(bytes);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = used;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace sluice::protocol
