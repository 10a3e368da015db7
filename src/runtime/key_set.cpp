#include "key_set.hpp"

#include <highwayhash/c_bindings.h>

#include "sluice/base/bytes.hpp"

namespace sluice::runtime {
namespace {
constexpr std::size_t first_slots = 1024;
constexpr std::size_t kept_bytes = 4_MiB;
}  // namespace

// Two independent 64-bit hashes; the set lives in memory only, so the keys of the hash are free to choose.
KeySet::Hash KeySet::hash(std::uint32_t binding, std::string_view packed_key) {
  const HHKey first{binding, 0x736c7569636531, 1, 2}, second{binding, 0x736c7569636532, 3, 4};
  Hash hash;
  hash.low = HighwayHash64(first, packed_key.data(), packed_key.size());
  hash.high = HighwayHash64(second, packed_key.data(), packed_key.size());
  if (hash == Hash()) hash.low = 1;
  return hash;
}

bool KeySet::place(const Hash& hash) {
  std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash.low & mask;; i = (i + 1) & mask) {
    if (slots_[i] == hash) return false;
    if (slots_[i] == Hash()) {
      slots_[i] = hash;
      return true;
    }
  }
}

void KeySet::grow() {
  std::vector<Hash> old(slots_.empty() ? first_slots : slots_.size() * 2);
  old.swap(slots_);
  for (const Hash& hash : old)
    if (hash != Hash()) place(hash);
}

bool KeySet::insert(std::uint32_t binding, std::string_view packed_key) {
  if (size_ + size_ / 4 >= slots_.size()) grow();
  if (!place(hash(binding, packed_key))) return false;
  ++size_;
  return true;
}

void KeySet::clear() {
  if (bytes() > kept_bytes)
    std::vector<Hash>().swap(slots_);
  else if (size_ > 0)
    slots_.assign(slots_.size(), Hash());
  size_ = 0;
}

}  // namespace sluice::runtime
