#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/pg/connection.hpp"

namespace sluice::pg {

using Oid = std::uint32_t;

// A row of pg_type with what decoding and schemas need.
struct Type {
  Oid oid = 0;
  std::string name, schema;
  char kind = 'b';  // typtype: b base, c composite, d domain, e enum, m multirange, p pseudo, r range
  char delimiter = ',';
  Oid element = 0;  // array types: the element's type
  Oid base = 0;     // domains: the underlying type, one level
  std::int32_t base_typmod = -1;
  bool not_null = false;            // domains
  Oid range_subtype = 0;            // ranges, and the range of multiranges' elements
  std::vector<std::string> labels;  // enums, in declaration order
};

// All types of a database by OID, domains resolvable to their base.
class TypeCatalog {
 public:
  // Reads pg_type, pg_range, pg_enum.
  static Task<TypeCatalog> load(Connection& connection);
  // Null if unknown: reload.
  const Type* find(Oid oid) const;
  // Through domains, recursively.
  const Type* resolve(Oid oid) const;
  void add(Type type);

 private:
  std::map<Oid, Type> types_;
};

// Counts repaired values; several threads may add to it.
using RepairCount = std::atomic<std::uint64_t>;

// How values are shown; feature flags of capture-postgres §1.2.
struct ValueOptions {
  bool date_as_date = true, time_as_time = true, flatten_arrays = true, multidimensional_arrays = false;
  // Grows when bytes that are no UTF-8 (databases of encoding SQL_ASCII hold them), zeros or unpaired
  // surrogates become U+FFFD: the caller warns once. Outlives what is made with these options.
  RepairCount* repaired = nullptr;
};

// Turns PostgreSQL text output of one type into JSON, appended to a buffer (capture-postgres §4): chosen once
// per column, no allocation per value, the same bytes by backfill and by replication. The catalog may
// go when it is made. One thread at a time.
class Transcoder {
 public:
  // `key`: the column is part of the collection key (floats become strings).
  // A type that the catalog does not know is shown as a string.
  Transcoder(const TypeCatalog& types, Oid type, bool key, const ValueOptions& options);
  Transcoder(Transcoder&&) noexcept;
  Transcoder& operator=(Transcoder&&) noexcept;
  ~Transcoder();
  // Throws Error{transient} on text that is no output of the type; `out` may then hold a part of it.
  void append(std::string& out, std::string_view text) const;

 private:
  Transcoder(const TypeCatalog& types, Oid type, bool key, const ValueOptions& options, int depth);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The JSON schema of a column of that type, without title and description: {"type":["integer","null"]} …
// Members follow capture-postgres §4.2; `sourced` as §2.7 (no "null" in the type list).
std::string column_schema(const TypeCatalog& types, Oid type, std::int32_t typmod, bool nullable, bool key,
                          const ValueOptions& options);

// One value of a row on its way.
struct Field {
  enum class State : std::uint8_t { null, text, omitted } state = State::null;
  std::string_view text;
};

struct RowColumn {
  std::string name;
  Oid type = 0;
  bool key = false;
  bool captured = true;  // generated columns and those outside the publication's list are not
};

// Writes rows of one table as JSON documents with properties in bytewise order and `_meta` among them. The
// catalog may go when it is made. One thread at a time.
class RowWriter {
 public:
  RowWriter(const TypeCatalog& types, std::vector<RowColumn> columns, const ValueOptions& options);
  RowWriter(RowWriter&&) noexcept;
  RowWriter& operator=(RowWriter&&) noexcept;
  ~RowWriter();
  // `fields` in the order of `columns`; `meta` is the complete JSON of _meta. Appends {"…":…,"_meta":…}.
  // An empty `meta` writes the bare row (for _meta/before). Throws Error{transient} naming the column if a
  // value does not parse, or if `count` is not that of the columns; `out` may then hold a part of the row.
  void append(std::string& out, const Field* fields, std::size_t count, std::string_view meta) const;
  const std::vector<RowColumn>& columns() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Splits a line of COPY text (manual, COPY, Text Format) into fields; escapes are undone in place, so `line`
// is modified. Returns how many fields there were; those beyond `capacity` are counted and not stored.
std::size_t split_copy_line(char* line, std::size_t length, Field* fields, std::size_t capacity);

}  // namespace sluice::pg
