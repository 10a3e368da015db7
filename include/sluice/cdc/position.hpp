#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Scan positions: the FoundationDB tuple layer with the elements that databases need beyond those of packed
// collection keys (capture-postgres §6.5). Elements are concatenated; bytewise order is element-wise order.
namespace sluice::cdc::position {

void put_null(std::string& out);
void put(std::string& out, bool value);
void put(std::string& out, std::int64_t value);
void put(std::string& out, float value);
void put(std::string& out, double value);
void put_string(std::string& out, std::string_view text);
void put_bytes(std::string& out, std::string_view bytes);
// A nested tuple of elements that were put into `elements`; none of them may be null.
void put_tuple(std::string& out, std::string_view elements);

struct Bytes {
  std::string bytes;
};
struct Element;
struct Tuple {
  std::vector<Element> elements;
};
struct Element {
  std::variant<std::monostate, bool, std::int64_t, float, double, std::string, Bytes, Tuple> value;
};

// All elements of a position. Throws Error{config} on bytes that are none.
std::vector<Element> read(std::string_view position);

}  // namespace sluice::cdc::position
