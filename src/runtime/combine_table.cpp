#include "combine_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "sluice/base/short_text.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t least_slots = 64;

std::uint32_t hash_of(std::uint32_t binding, std::string_view key) {
  std::uint64_t hash = std::hash<std::string_view>()(key) + binding * 0x9e3779b97f4a7c15u;
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

// With some air, so that a document that grows by folding is not moved each time.
std::uint32_t room_for(std::size_t size, bool folded) {
  return static_cast<std::uint32_t>(folded ? size + size / 2 : size);
}

}  // namespace

std::strong_ordering CombineTable::compare(const Place& a, std::uint32_t binding, std::uint64_t prefix,
                                           std::string_view key) {
  if (a.binding != binding) return a.binding <=> binding;
  return a.prefix != prefix ? a.prefix <=> prefix : a.entry->key() <=> key;
}

CombineTable::CombineTable(std::size_t chunk_bytes) : arena_(chunk_bytes) {}

CombineTable::Entry& CombineTable::entry(std::uint32_t binding, std::string_view key) {
  std::uint64_t prefix = text::prefix(key);
  if (in_order_) {
    auto order = order_.empty() ? std::strong_ordering::less : compare(order_.back(), binding, prefix, key);
    if (order < 0) return add(binding, prefix, key);
    if (order == 0) return *order_.back().entry;
    index();
  }
  std::uint32_t hash = hash_of(binding, key);
  std::size_t mask = slots_.size() - 1, at = hash & mask;
  for (; slots_[at].entry; at = (at + 1) & mask) {
    if (slots_[at].hash != hash) continue;
    Entry& e = *slots_[at].entry;
    if (e.binding == binding && text::same(e.key(), key)) return e;
  }
  Entry& made = add(binding, prefix, key);
  slots_[at] = {&made, hash};
  if (order_.size() * 2 > slots_.size()) grow();
  return made;
}

CombineTable::Entry& CombineTable::add(std::uint32_t binding, std::uint64_t prefix, std::string_view key) {
  auto* made = new (arena_.allocate(sizeof(Entry) + key.size())) Entry{};
  made->binding = binding;
  made->key_size = static_cast<std::uint32_t>(key.size());
  if (!key.empty()) std::memcpy(reinterpret_cast<char*>(made + 1), key.data(), key.size());
  order_.push_back({binding, prefix, made});
  return *made;
}

// From now on keys are found by hash.
void CombineTable::index() {
  in_order_ = false;
  std::size_t slots = std::max(least_slots, std::bit_ceil(order_.size() * 2 + 1));
  slots_.assign(std::max(slots, slots_.size() / 2), Slot{});
  for (const Place& place : order_) insert({place.entry, hash_of(place.binding, place.entry->key())});
}

void CombineTable::insert(const Slot& slot) {
  std::size_t mask = slots_.size() - 1, at = slot.hash & mask;
  while (slots_[at].entry) at = (at + 1) & mask;
  slots_[at] = slot;
}

void CombineTable::grow() {
  std::vector<Slot> former(slots_.size() * 2);
  former.swap(slots_);
  for (const Slot& slot : former)
    if (slot.entry) insert(slot);
}

CombineTable::Document* CombineTable::make(const DocumentView& from) {
  std::uint32_t room = room_for(from.json.size(), from.bits & reduced_bit);
  std::size_t extents = from.values.size_bytes();
  char* memory = arena_.allocate(sizeof(Document) + extents + room);
  auto* made = new (memory) Document{};
  made->text = memory + sizeof(Document) + extents;
  made->room = room;
  write(*made, from);
  if (extents > 0) std::memcpy(memory + sizeof(Document), from.values.data(), extents);
  made->values = static_cast<std::uint32_t>(from.values.size());
  return made;
}

void CombineTable::write(Document& to, const DocumentView& from) {
  if (from.json.size() > to.room) {
    to.room = room_for(from.json.size(), true);
    to.text = arena_.allocate(to.room);
  }
  std::memcpy(to.text, from.json.data(), from.json.size());
  to.size = static_cast<std::uint32_t>(from.json.size());
  to.uuid_at = from.uuid_at;
  to.bits = from.bits;
  to.values = 0;
}

void CombineTable::set_front(Entry& entry, const DocumentView& document) {
  if (entry.front)
    write(*entry.front, document);
  else
    entry.front = make(document);
}

void CombineTable::append(Entry& entry, const DocumentView& document) {
  Document* made = make(document);
  (entry.last ? entry.last->next : entry.first) = made;
  entry.last = made;
}

void CombineTable::replace_last(Entry& entry, const DocumentView& document) { write(*entry.last, document); }

void CombineTable::clear(std::size_t kept_bytes) {
  arena_.clear(kept_bytes);
  if (in_order_) std::vector<Slot>().swap(slots_);  // of an earlier round
  if (order_.size() * 8 < order_.capacity()) std::vector<Place>().swap(order_);
  order_.clear();
  in_order_ = true;
}

const std::vector<CombineTable::Place>& CombineTable::sort() {
  auto before = [](const Place& a, const Place& b) {
    return compare(a, b.binding, b.prefix, b.entry->key()) < 0;
  };
  if (!in_order_) std::sort(order_.begin(), order_.end(), before);
  return order_;
}

}  // namespace sluice::runtime
