#include "sluice/cdc/position.hpp"

#include <bit>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::cdc::position {
namespace {

enum Code : unsigned char {
  null_code = 0x00,
  bytes_code = 0x01,
  string_code = 0x02,
  tuple_code = 0x05,
  zero_code = 0x14,
  float_code = 0x20,
  double_code = 0x21,
  false_code = 0x26,
  true_code = 0x27,
};

void put_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

int bytes_of(std::uint64_t magnitude) { return (std::bit_width(magnitude) + 7) / 8; }

void put_escaped(std::string& out, Code code, std::string_view data) {
  out += static_cast<char>(code);
  for (char c : data) {
    out += c;
    if (c == '\0') out += '\xFF';
  }
  out += '\0';
}

// Orders the bits of IEEE floats as unsigned integers; its own inverse up to the direction.
template <class Bits>
Bits ordered(Bits bits) {
  constexpr Bits sign = Bits(1) << (8 * sizeof(Bits) - 1);
  return (bits & sign) != 0 ? ~bits : bits ^ sign;
}
template <class Bits>
Bits unordered(Bits bits) {
  constexpr Bits sign = Bits(1) << (8 * sizeof(Bits) - 1);
  return (bits & sign) != 0 ? bits ^ sign : ~bits;
}

class Parser {
 public:
  explicit Parser(std::string_view all) : rest_(all) {}
  bool done() const { return rest_.empty(); }

  Element next(int depth = 0) {
    unsigned char code = take();
    Element e;
    switch (code) {
      case null_code:
        break;
      case bytes_code:
        e.value = Bytes{escaped()};
        break;
      case string_code:
        e.value = escaped();
        break;
      case tuple_code:
        e.value = tuple(depth);
        break;
      case float_code:
        e.value = std::bit_cast<float>(unordered(static_cast<std::uint32_t>(big_endian(4))));
        break;
      case double_code:
        e.value = std::bit_cast<double>(unordered(big_endian(8)));
        break;
      case false_code:
        e.value = false;
        break;
      case true_code:
        e.value = true;
        break;
      default:
        e.value = integer(code);
    }
    return e;
  }

 private:
  [[noreturn]] static void refuse() {
    throw Error(Error::Kind::config, "a scan position in the capture's state is damaged",
                "Raise the backfill counter of the binding to scan its table again.");
  }
  unsigned char take() {
    if (rest_.empty()) refuse();
    unsigned char c = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    return c;
  }
  std::uint64_t big_endian(int bytes) {
    std::uint64_t value = 0;
    for (; bytes > 0; --bytes) value = value << 8 | take();
    return value;
  }
  std::int64_t integer(unsigned char code) {
    if (code < zero_code - 8 || code > zero_code + 8) refuse();
    if (code >= zero_code) {
      std::uint64_t value = big_endian(code - zero_code);
      if (value > static_cast<std::uint64_t>(INT64_MAX)) refuse();
      return static_cast<std::int64_t>(value);
    }
    int bytes = zero_code - code;
    std::uint64_t all_ones = bytes == 8 ? ~std::uint64_t(0) : (std::uint64_t(1) << (8 * bytes)) - 1;
    return -static_cast<std::int64_t>(all_ones - big_endian(bytes) - 1) - 1;
  }
  std::string escaped() {
    std::string out;
    for (;;) {
      unsigned char c = take();
      if (c == 0) {
        if (rest_.empty() || rest_[0] != '\xFF') return out;
        rest_.remove_prefix(1);
      }
      out += static_cast<char>(c);
    }
  }
  Tuple tuple(int depth) {
    if (depth > 8) refuse();
    Tuple t;
    for (;;) {
      if (rest_.empty()) refuse();
      if (rest_[0] != '\0') {
        t.elements.push_back(next(depth + 1));
        continue;
      }
      rest_.remove_prefix(1);
      if (rest_.empty() || rest_[0] != '\xFF') return t;
      rest_.remove_prefix(1);
      t.elements.emplace_back();
    }
  }

  std::string_view rest_;
};

}  // namespace

void put_null(std::string& out) { out += static_cast<char>(null_code); }
void put(std::string& out, bool value) { out += static_cast<char>(value ? true_code : false_code); }

void put(std::string& out, std::int64_t value) {
  if (value >= 0) {
    int bytes = bytes_of(static_cast<std::uint64_t>(value));
    out += static_cast<char>(zero_code + bytes);
    put_big_endian(out, static_cast<std::uint64_t>(value), bytes);
  } else {
    std::uint64_t magnitude = ~static_cast<std::uint64_t>(value) + 1;
    int bytes = bytes_of(magnitude);
    out += static_cast<char>(zero_code - bytes);
    put_big_endian(out, ~magnitude, bytes);
  }
}

void put(std::string& out, float value) {
  if (value == 0) value = 0;  // the server holds -0 and 0 equal
  out += static_cast<char>(float_code);
  put_big_endian(out, ordered(std::bit_cast<std::uint32_t>(value)), 4);
}

void put(std::string& out, double value) {
  if (value == 0) value = 0;
  out += static_cast<char>(double_code);
  put_big_endian(out, ordered(std::bit_cast<std::uint64_t>(value)), 8);
}

void put_string(std::string& out, std::string_view text) { put_escaped(out, string_code, text); }
void put_bytes(std::string& out, std::string_view bytes) { put_escaped(out, bytes_code, bytes); }

void put_tuple(std::string& out, std::string_view elements) {
  out += static_cast<char>(tuple_code);
  out += elements;
  out += '\0';
}

std::vector<Element> read(std::string_view position) {
  std::vector<Element> elements;
  Parser parser(position);
  while (!parser.done()) elements.push_back(parser.next());
  return elements;
}

}  // namespace sluice::cdc::position
