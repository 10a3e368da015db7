#include "sluice/data/packed.hpp"

#include <fmt/format.h>
#include <highwayhash/c_bindings.h>

#include <bit>
#include <cstring>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/json/scan.hpp"
#include "sluice/json/write.hpp"

namespace sluice::data {
namespace {

// The codes of flow-protocol §10.
enum Code : unsigned char {
  code_null = 0x00,
  code_json = 0x01,
  code_string = 0x02,
  code_zero = 0x14,  // integers of n bytes at ± n
  code_double = 0x21,
  code_false = 0x26,
  code_true = 0x27,
};

void put(std::string& out, unsigned char code) { out += static_cast<char>(code); }

// A code and the lowest `bytes` of a number behind it.
void put_number(std::string& out, int code, std::uint64_t value, int bytes) {
  char buffer[9] = {static_cast<char>(code)};
  for (int i = bytes; i > 0; --i, value >>= 8) buffer[i] = static_cast<char>(value & 0xff);
  out.append(buffer, static_cast<std::size_t>(bytes) + 1);
}

std::uint64_t load_bytes(std::string_view bytes) {
  std::uint64_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

int byte_width(std::uint64_t magnitude) { return (std::bit_width(magnitude) + 7) / 8; }
std::uint64_t mask(int bytes) { return ~std::uint64_t{0} >> (64 - 8 * bytes); }

void put_negative(std::string& out, std::uint64_t magnitude) {
  int bytes = byte_width(magnitude);
  put_number(out, code_zero - bytes, mask(bytes) - magnitude, bytes);
}

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;

// A zero within is followed by ff, the one at the end is not.
void put_escaped(std::string& out, unsigned char code, std::string_view text) {
  put(out, code);
  for (;;) {
    const void* zero = text.empty() ? nullptr : std::memchr(text.data(), 0, text.size());
    if (!zero) break;
    auto upto = static_cast<std::size_t>(static_cast<const char*>(zero) - text.data()) + 1;
    out += text.substr(0, upto);
    out += '\xff';
    text.remove_prefix(upto);
  }
  out += text;
  out += '\0';
}

[[noreturn]] void corrupt(std::string what) {
  throw Error(Error::Kind::transient, "packed tuple is corrupt: " + std::move(what));
}

}  // namespace

void pack_null(std::string& out) { put(out, code_null); }
void pack(std::string& out, bool value) { put(out, value ? code_true : code_false); }
void pack(std::string& out, std::uint64_t value) {
  int bytes = byte_width(value);
  put_number(out, code_zero + bytes, value, bytes);
}
void pack(std::string& out, std::int64_t value) {
  if (value >= 0) return pack(out, static_cast<std::uint64_t>(value));
  put_negative(out, std::uint64_t{0} - static_cast<std::uint64_t>(value));
}
void pack(std::string& out, double value) {
  auto bits = std::bit_cast<std::uint64_t>(value);
  put_number(out, code_double, bits & sign_bit ? ~bits : bits | sign_bit, 8);
}
void pack_string(std::string& out, std::string_view utf8) { put_escaped(out, code_string, utf8); }
void pack_json(std::string& out, std::string_view json) { put_escaped(out, code_json, json); }

void pack(std::string& out, const json::Tree& tree, const json::Node* node) {
  if (!node) return pack_null(out);
  bool container = node->kind == json::Kind::array || node->kind == json::Kind::object;
  if (!container || node->canonical) return pack_canonical(out, *node);
  std::string text;
  json::write_canonical(text, tree, *node);
  pack_json(out, text);
}

void pack_canonical(std::string& out, const json::Node& node) {
  switch (node.kind) {
    case json::Kind::null:
      return pack_null(out);
    case json::Kind::boolean:
      return pack(out, node.truth);
    case json::Kind::string:
      return pack_string(out, node.text);
    case json::Kind::number: {
      json::Number n = json::number(node.text);
      if (n.type == json::Number::Type::negative) return pack(out, n.negative);
      if (n.type == json::Number::Type::unsigned_) return pack(out, n.unsigned_);
      return pack(out, n.floating);
    }
    case json::Kind::array:
    case json::Kind::object:
      return pack_json(out, node.raw);
  }
}

const char* pack_array(std::string& out, const char* at, const char* end) {
  const char* begin = at;
  if (at == end || *at++ != '[') return nullptr;
  if (at != end && *at == ']') return at + 1;
  json::Node element;
  for (;;) {
    at = json::read_scalar(element, at, end);
    if (!at || at == end) return nullptr;
    pack_canonical(out, element);
    if (*at == ']') break;
    if (*at++ != ',') return nullptr;
  }
  ++at;
  return text::valid_utf8({begin, at}) ? at : nullptr;
}

std::string_view TupleReader::take(std::size_t bytes) {
  if (rest_.size() < bytes) corrupt("it ends inside an element");
  std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

// The bytes of an escaped element up to and with its closing zero.
std::string_view TupleReader::escaped() {
  for (std::size_t from = 0;;) {
    std::size_t zero = rest_.find('\0', from);
    if (zero == rest_.npos) corrupt("a string has no end");
    if (zero + 1 == rest_.size() || rest_[zero + 1] != '\xff') return take(zero + 1);
    from = zero + 2;
  }
}

// The content of an escaped element; most hold no zero and are looked at once.
std::string_view TupleReader::content() {
  std::size_t zero = rest_.find('\0');
  bool plain = zero != rest_.npos && (zero + 1 == rest_.size() || rest_[zero + 1] != '\xff');
  std::string_view text = plain ? take(zero + 1) : escaped();
  text.remove_suffix(1);
  if (plain) return text;
  buffer_.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    buffer_ += text[i];
    if (text[i] == '\0') ++i;
  }
  return buffer_;
}

Element TupleReader::integer(int bytes) {
  std::string_view payload = take(static_cast<std::size_t>(std::abs(bytes)));
  std::uint64_t value = load_bytes(payload);
  if (bytes >= 0) {
    if (bytes > 0 && payload[0] == '\0') corrupt("an integer has leading zeros");
    if (value < sign_bit) return static_cast<std::int64_t>(value);
    return value;
  }
  std::uint64_t magnitude = mask(-bytes) - value;
  if (byte_width(magnitude) != -bytes) corrupt("an integer has leading zeros");
  if (magnitude > sign_bit) corrupt("a negative integer is wider than 64 bits");
  return static_cast<std::int64_t>(std::uint64_t{0} - magnitude);
}

Element TupleReader::next() {
  auto code = static_cast<unsigned char>(take(1)[0]);
  switch (code) {
    case code_null:
      return std::monostate();
    case code_json:
      return Json{content()};
    case code_string:
      return content();
    case code_false:
      return false;
    case code_true:
      return true;
    case code_double: {
      std::uint64_t bits = load_bytes(take(8));
      return std::bit_cast<double>(bits & sign_bit ? bits ^ sign_bit : ~bits);
    }
    default:
      if (code < code_zero - 8 || code > code_zero + 8)
        corrupt(fmt::format("no element has code {:02x}", code));
      return integer(code - code_zero);
  }
}

std::string_view TupleReader::skip() {
  const char* first = rest_.data();
  if (!rest_.empty() && (rest_[0] == code_json || rest_[0] == code_string)) {
    take(1);
    escaped();
  } else {
    next();
  }
  return {first, static_cast<std::size_t>(rest_.data() - first)};
}

namespace {

// Part of the protocol (flow-protocol §11), as four little-endian words: another key would move every value
// to another shard. The two differ on purpose.
alignas(32) constexpr HHKey document_key = {0xd4385215897e73ba, 0x254dad5ac367807d, 0x017e2288341cddec,
                                            0xbad32b020c48fa1f};
alignas(32) constexpr HHKey source_key = {0xcfb10f6fd1572733, 0x6a4ce3856f674f2d, 0x81b02bf458aa858b,
                                          0x9f52ede4b28e9d44};

std::uint32_t high_half(const HHKey& key, std::string_view bytes) {
  return static_cast<std::uint32_t>(HighwayHash64(key, bytes.data(), bytes.size()) >> 32);
}

}  // namespace

std::uint32_t document_key_hash(std::string_view packed_key) { return high_half(document_key, packed_key); }
std::uint32_t source_hash(std::string_view bytes) { return high_half(source_key, bytes); }

}  // namespace sluice::data
