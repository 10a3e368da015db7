#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::runtime {

// The keys of one transaction that were asked for: 128-bit hashes of (binding, packed key) in an open table,
// 16 bytes each and at most 32 with the table's slack.
class KeySet {
 public:
  // True if the key was not there yet.
  bool insert(std::uint32_t binding, std::string_view packed_key);
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return slots_.size() * sizeof(Hash); }
  // At most; what clear() keeps is not counted by it.
  static constexpr std::size_t bytes_per_key = 32;
  // Keeps the table's memory unless it is large.
  void clear();

 private:
  struct Hash {
    std::uint64_t low = 0, high = 0;  // both zero: free
    friend bool operator==(const Hash&, const Hash&) = default;
  };
  static Hash hash(std::uint32_t binding, std::string_view packed_key);
  bool place(const Hash& hash);
  void grow();

  std::vector<Hash> slots_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace sluice::runtime
