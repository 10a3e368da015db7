#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/locations.hpp"
#include "sluice/json/pointer.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/protocol/messages.hpp"

namespace sluice::runtime {

// Where a selected field of a collection comes from.
struct FieldSource {
  enum class Kind : std::uint8_t {
    location,
    published_at,  // date-time of the UUID at the location
    truncated,     // whether the serialization policy cut anything of the row
  };
  explicit FieldSource(const protocol::Projection& projection);
  Kind kind = Kind::location;
  json::Pointer location;
  std::string absent;  // packed value of a missing location
};
// The projection of `field`; throws Error{config} if the collection has none.
const protocol::Projection& projection_of(const protocol::CollectionSpec& collection,
                                          const std::string& field);

// Cuts documents as a serialization policy says (runtime.md §10.1): strings by bytes at a character boundary,
// nested objects and arrays by members.
class Truncation {
 public:
  explicit Truncation(const std::optional<protocol::SerPolicy>& policy);
  bool active() const { return active_; }
  // Appends the value, canonical like its source; true if something was cut. The root object keeps all its
  // members.
  bool write(std::string& out, const json::Tree& tree, const json::Node& node) const;
  std::string_view text(std::string_view string) const;

 private:
  bool value(std::string& out, const json::Tree& tree, const json::Node& node, bool root) const;
  bool active_ = false;
  std::size_t string_bytes_, object_members_, array_items_;
};

// Turns the documents of one binding, in canonical form, into packed tuples. Used by one thread at a time.
class RowReader {
 public:
  RowReader(const protocol::CollectionSpec& collection, const std::vector<std::string>& fields,
            const std::optional<protocol::SerPolicy>& policy);

  // `document` is canonical; it, and what the layouts matched last, live until the calls below are done.
  // `values` are its extents if they are known.
  void read(std::string_view document, std::span<const json::Locations::Extent> values,
            json::Layouts& layouts);
  // Appends the tuple of the fields in their order.
  void pack(std::string& out);
  // The document as it is to be stored, until the next read().
  std::string_view document() const { return truncation_.active() ? std::string_view(cut_) : document_; }

 private:
  bool pack_field(std::string& out, std::size_t field);
  bool pack_value(std::string& out, const json::Node& node) const;

  std::string_view published_at(std::uint64_t clock);

  std::vector<FieldSource> sources_;
  Truncation truncation_;
  json::Locations values_;  // by field
  std::string_view document_;
  json::Tree tree_;  // of a document that was parsed
  std::string cut_;  // the document as cut, if truncation is active
  bool document_cut_ = false;
  std::string published_at_;  // of the last document
  std::int64_t published_second_ = -1;
};

}  // namespace sluice::runtime
