#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/json/tree.hpp"

namespace sluice::json {

// Appends `text`, valid UTF-8, as a JSON string with its quotes: ", \ and controls escaped, everything else
// as it is.
void write_string(std::string& out, std::string_view text);
// Shortest text that reads back as the same finite double; a fraction or exponent is always present ("1.0").
void write_double(std::string& out, double value);

// Writes one JSON value into a string that the caller owns. Commas and colons are its business; the caller
// keeps begin/end balanced. Compact output.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(&out) {}
  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);
  Writer& string(std::string_view value);
  Writer& boolean(bool value);
  Writer& null();
  Writer& integer(std::int64_t value);
  Writer& unsigned_integer(std::uint64_t value);
  Writer& number(double value);
  // `json` is a complete JSON value and is embedded as it is.
  Writer& raw(std::string_view json);

 private:
  Writer& open(char c);
  Writer& close(char c);
  void separate();
  std::string* out_;
  bool comma_ = false;
};

// Writes the canonical form of documents in collections: compact, the properties of every object in bytewise
// order of their names (the last of equal names is kept), number tokens as written. Allocates nothing once
// warm.
class Canonical {
 public:
  // Appends. Returns where in `out` the text of `marked`, a node within `node`, begins; npos without.
  std::size_t write(std::string& out, const Tree& tree, const Node& node, const Node* marked = nullptr);

 private:
  char* value(char* at, const Tree& tree, const Node& node);
  char* copy(char* at, std::string_view source);
  char* array(char* at, const Tree& tree, const Node& node);
  char* object(char* at, const Tree& tree, const Node& node);
  std::vector<Member> order_;  // a stack: the members of the objects being written
  const Node* marked_ = nullptr;
  char* marked_at_ = nullptr;
};
void write_canonical(std::string& out, const Tree& tree, const Node& node);
std::string canonical(std::string_view json);

// Removes insignificant whitespace only.
void write_compact(std::string& out, std::string_view json);

// runtime.md §8.1: null < boolean < number < string < array < object. Numbers compare exactly across integer
// and fraction.
std::strong_ordering compare(const Tree& a, const Node& x, const Tree& b, const Node& y);
std::strong_ordering compare(const Number& a, const Number& b);

}  // namespace sluice::json
