#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sluice/pg/types.hpp"

namespace sluice::source_postgres {

// Positions of keyed scans: the text output of key columns to packed tuples (capture-postgres §6.5), and back
// to SQL literals for the next query.
class KeyCodec {
 public:
  KeyCodec() = default;
  // The types of the key columns, in key order. `server_timezone`: the text of timestamptz has offsets of all
  // kinds, and no order.
  KeyCodec(const pg::TypeCatalog& types, const std::vector<pg::Oid>& columns, bool server_timezone = false);

  std::size_t size() const { return elements_.size(); }
  // Bytewise order of positions is the server's order of the keys, whatever the collation.
  bool ordered() const;
  // As ordered(), if the scan compares text by COLLATE "C".
  bool ordered_by_c() const;
  // Whether the column's text compares by a collation at all.
  bool collatable(std::size_t column) const;

  // The schema of the column's comparison operators if they are not built in: an extension's need not be on
  // the search path, and others would be taken silently. Else empty.
  const std::string& operators(std::size_t column) const { return elements_[column].operators; }

  // Appends one key column's value. NULL is the null element.
  void append(std::string& position, std::size_t column, const pg::Field& value) const;
  // Literals with casts, 'x'::"s"."t", or NULL. Throws Error{config} (B-06) if the position has another
  // number of elements or elements of other types.
  std::vector<std::string> literals(std::string_view position) const;

 private:
  enum class Kind : unsigned char {
    integer,
    boolean,
    float4,
    float8,
    numeric,
    temporal,
    bytes,
    ordered_text,
    collated_text,
    text
  };
  struct Element {
    Kind kind;
    std::string cast;  // "schema"."type"
    std::string operators;
  };
  std::vector<Element> elements_;
};

// A position from a state in the form that append() gives now: former versions, and other implementations,
// wrote some numbers in another one, and positions are compared by their bytes. Throws as literals() does.
std::string renewed_position(std::string_view position);

}  // namespace sluice::source_postgres
