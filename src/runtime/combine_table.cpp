#include "combine_table.hpp"

#include <algorithm>
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

bool CombineTable::before(const Place& a, const Place& b) {
  if (a.binding != b.binding) return a.binding < b.binding;
  if (a.prefix != b.prefix) return a.prefix < b.prefix;
  return a.entry->key() < b.entry->key();
}

CombineTable::CombineTable(std::size_t chunk_bytes) : arena_(chunk_bytes), slots_(least_slots) {}

CombineTable::Entry& CombineTable::entry(std::uint32_t binding, std::string_view key) {
  std::uint32_t hash = hash_of(binding, key);
  std::size_t mask = slots_.size() - 1, at = hash & mask;
  for (; slots_[at].entry; at = (at + 1) & mask) {
    if (slots_[at].hash != hash) continue;
    Entry& e = *slots_[at].entry;
    if (e.binding == binding && text::same(e.key(), key)) return e;
  }
  auto* made = new (arena_.allocate(sizeof(Entry) + key.size())) Entry{};
  made->binding = binding;
  made->key_size = static_cast<std::uint32_t>(key.size());
  if (!key.empty()) std::memcpy(reinterpret_cast<char*>(made + 1), key.data(), key.size());
  slots_[at] = {made, hash};
  Place place{binding, text::prefix(key), made};
  in_order_ = in_order_ && (order_.empty() || before(order_.back(), place));
  order_.push_back(place);
  if (order_.size() * 2 > slots_.size()) grow();
  return *made;
}

void CombineTable::grow() {
  std::vector<Slot> wider(slots_.size() * 2);
  std::size_t mask = wider.size() - 1;
  for (const Slot& slot : slots_) {
    if (!slot.entry) continue;
    std::size_t at = slot.hash & mask;
    while (wider[at].entry) at = (at + 1) & mask;
    wider[at] = slot;
  }
  slots_ = std::move(wider);
}

CombineTable::Document* CombineTable::make(const DocumentView& from) {
  std::uint32_t room = room_for(from.json.size(), from.bits & reduced_bit);
  char* memory = arena_.allocate(sizeof(Document) + room);
  auto* made = new (memory) Document{};
  made->text = memory + sizeof(Document);
  made->room = room;
  write(*made, from);
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

void CombineTable::clear() {
  arena_.clear();
  // Wiping the slots costs; those of a table that was once wide go again.
  std::size_t slots = order_.size() * 4 < slots_.size() ? slots_.size() / 2 : slots_.size();
  slots_.assign(std::max(least_slots, slots), Slot{});
  if (order_.size() * 8 < order_.capacity()) order_ = {};
  order_.clear();
  in_order_ = true;
}

const std::vector<CombineTable::Place>& CombineTable::sort() {
  if (!in_order_) std::sort(order_.begin(), order_.end(), before);
  in_order_ = true;
  return order_;
}

}  // namespace sluice::runtime
