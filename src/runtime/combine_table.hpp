#pragma once
#include <compare>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "arena.hpp"
#include "sluice/json/locations.hpp"

namespace sluice::runtime {

// What the combiner knows of a document besides its text.
enum DocumentBits : std::uint8_t {
  front_bit = 1,     // the stored document of its key
  reduced_bit = 2,   // the result of a fold, to be validated before it leaves
  replaces_bit = 4,  // as a right-hand side it is the result, whatever stands on the left
  redact_bit = 8,    // holds what has to be redacted
};

struct DocumentView {
  std::string_view json;
  std::uint32_t uuid_at = 0;  // 0: none
  std::uint8_t bits = 0;
  std::span<const json::Locations::Extent> values;  // of its binding; none if they were not looked for
};

// The documents in memory by binding and packed key: of each key the front one and the others in order.
// Everything lies in one arena.
class CombineTable {
 public:
  struct Document {
    Document* next;  // of the same key, in order of arrival
    char* text;
    std::uint32_t size, room, uuid_at;
    std::uint32_t values;  // extents that follow
    std::uint8_t bits;

    DocumentView view() const {
      auto* extents = reinterpret_cast<const json::Locations::Extent*>(this + 1);
      return {{text, size}, uuid_at, bits, {extents, values}};
    }
  };
  struct Entry {
    Document *front, *first, *last;
    std::uint32_t binding, key_size;

    std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_size}; }
  };

  explicit CombineTable(std::size_t chunk_bytes);

  // The entry of the key, made if there is none.
  Entry& entry(std::uint32_t binding, std::string_view key);
  void set_front(Entry& entry, const DocumentView& document);
  void append(Entry& entry, const DocumentView& document);
  // In the place of the last document.
  void replace_last(Entry& entry, const DocumentView& document);

  std::size_t size() const { return order_.size(); }
  // What the content costs, the order of it included.
  std::size_t bytes() const {
    return arena_.bytes() + slots_.size() * sizeof(Slot) + order_.size() * sizeof(Place);
  }
  // Keeps about that much of the memory.
  void clear(std::size_t kept_bytes);

  // Entries by binding and key; until the next change of the table.
  struct Place {
    std::uint32_t binding;
    std::uint64_t prefix;  // the first eight bytes of the key as a number
    Entry* entry;
  };
  const std::vector<Place>& sort();

 private:
  struct Slot {
    Entry* entry;
    std::uint32_t hash;
  };
  static std::strong_ordering compare(const Place& a, std::uint32_t binding, std::uint64_t prefix,
                                      std::string_view key);
  Entry& add(std::uint32_t binding, std::uint64_t prefix, std::string_view key);
  void index();
  void insert(const Slot& slot);
  void grow();
  Document* make(const DocumentView& document);
  void write(Document& to, const DocumentView& from);

  Arena arena_;
  std::vector<Place> order_;  // of arrival until sort()
  // By binding and key so far, as a table that is scanned arrives: then slots are neither needed nor kept.
  bool in_order_ = true;
  std::vector<Slot> slots_;  // open addressing; a power of two of them, at most half in use
};

}  // namespace sluice::runtime
