#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "sluice/json/tree.hpp"

// Packed key tuples: the FoundationDB tuple layer, the subset of flow-protocol §10. A packed tuple is the
// concatenation of its elements; bytewise order of tuples is element-wise order of the values.
namespace sluice::data {

void pack_null(std::string& out);
void pack(std::string& out, bool value);
void pack(std::string& out, std::int64_t value);
void pack(std::string& out, std::uint64_t value);
void pack(std::string& out, double value);
void pack_string(std::string& out, std::string_view utf8);
// An object or array, as canonical JSON text.
void pack_json(std::string& out, std::string_view json);
// Any JSON value; null if `node` is null (a missing location without default).
void pack(std::string& out, const json::Tree& tree, const json::Node* node);
// A value whose text is canonical.
void pack_canonical(std::string& out, const json::Node& node);
// The elements of the JSON array that begins at `at`, without a tree. Returns its end; null, with an
// unspecified `out`, if there is none or it holds more than scalars without escapes or blanks: then it has to
// be parsed.
const char* pack_array(std::string& out, const char* at, const char* end);

// One element of a tuple as the protocol hands it to connectors. Views point into the packed text or, for
// content that held escaped zeros, into the reader's buffer until the next call.
struct Json {
  std::string_view text;
  friend bool operator==(const Json&, const Json&) = default;
};
using Element =
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string_view, Json>;

// Reads a packed tuple element by element. next() throws Error{transient} on bytes that are no element.
class TupleReader {
 public:
  explicit TupleReader(std::string_view packed) : rest_(packed) {}
  bool done() const { return rest_.empty(); }
  // int64 for every integer that fits, uint64 above.
  Element next();
  // Passes over one element and returns its packed bytes.
  std::string_view skip();

 private:
  std::string_view take(std::size_t bytes);
  std::string_view escaped();
  std::string_view content();
  Element integer(int bytes);
  std::string_view rest_;
  std::string buffer_;
};

// The 32-bit hash of flow-protocol §11 that decides which shard owns a key.
std::uint32_t document_key_hash(std::string_view packed_key);
// The one that partitions sources inside a capture: paths, partitions.
std::uint32_t source_hash(std::string_view bytes);

}  // namespace sluice::data
