#include "hot.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <variant>

#include "sluice/base/error.hpp"
#include "sluice/base/short_text.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/scan.hpp"
#include "sluice/json/write.hpp"

namespace sluice::protocol {
namespace {

// Wire types of protobuf.
constexpr unsigned varint_type = 0, bytes_type = 2;
constexpr unsigned char tag(unsigned number, unsigned type) {
  return static_cast<unsigned char>(number << 3 | type);
}

// Field numbers within the messages, 0 where a kind lacks the field.
struct Layout {
  unsigned char variant;  // tag of the variant in Request or Response
  unsigned key_json, key_packed, values_json, values_packed, doc, exists, is_delete;
  std::string_view name;
};
constexpr Layout layout_of(Hot kind) {
  switch (kind) {
    case Hot::captured:
      return {tag(6, bytes_type), 0, 0, 0, 0, 2, 0, 0, "captured"};
    case Hot::loaded:
      return {tag(5, bytes_type), 0, 0, 0, 0, 2, 0, 0, "loaded"};
    case Hot::load:
      return {tag(5, bytes_type), 2, 3, 0, 0, 0, 0, 0, "load"};
    case Hot::store:
      return {tag(7, bytes_type), 2, 3, 4, 5, 6, 7, 8, "store"};
  }
  return {};
}

// ---- protobuf ----

class WireCursor {
 public:
  explicit WireCursor(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}
  bool done() const { return p_ == end_; }
  bool varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && p_ != end_; shift += 7) {
      auto byte = static_cast<unsigned char>(*p_++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool bytes(std::string_view& value) {
    std::uint64_t size = 0;
    if (!varint(size) || size > static_cast<std::uint64_t>(end_ - p_)) return false;
    value = {p_, static_cast<std::size_t>(size)};
    p_ += size;
    return true;
  }
  bool byte(unsigned char expected) {
    if (p_ == end_ || static_cast<unsigned char>(*p_) != expected) return false;
    ++p_;
    return true;
  }
  unsigned char next() { return static_cast<unsigned char>(*p_++); }

 private:
  const char* p_;
  const char* end_;
};

bool wire_field(const Layout& layout, unsigned char key, WireCursor& in, HotMessage& out) {
  unsigned number = key >> 3, type = key & 7u;
  if (type == varint_type && number != 0) {
    std::uint64_t value = 0;
    if (!in.varint(value)) return false;
    if (number == 1)
      out.binding = static_cast<std::uint32_t>(value);
    else if (number == layout.exists)
      out.exists = value != 0;
    else if (number == layout.is_delete)
      out.is_delete = value != 0;
    else
      return false;
    return true;
  }
  if (type != bytes_type || number == 0) return false;
  if (number == layout.doc) return in.bytes(out.doc);
  if (number == layout.key_packed) return in.bytes(out.key_packed);
  if (number == layout.values_packed) return in.bytes(out.values_packed);
  if (number == layout.key_json) return in.bytes(out.key_json);
  if (number == layout.values_json) return in.bytes(out.values_json);
  return false;
}

std::size_t varint_size(std::uint64_t value) {
  std::size_t n = 1;
  for (; value >= 0x80; value >>= 7) ++n;
  return n;
}

std::size_t bytes_field_size(std::string_view value) {
  return value.empty() ? 0 : 1 + varint_size(value.size()) + value.size();
}

// Writes into room that was made before.
class WireWriter {
 public:
  explicit WireWriter(char* p) : p_(p) {}
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) *p_++ = static_cast<char>(value | 0x80);
    *p_++ = static_cast<char>(value);
  }
  void bytes_head(unsigned number, std::size_t size) {
    *p_++ = static_cast<char>(tag(number, bytes_type));
    varint(size);
  }
  void bytes_field(unsigned number, std::string_view value) {
    if (value.empty()) return;
    bytes_head(number, value.size());
    std::memcpy(p_, value.data(), value.size());
    p_ += value.size();
  }
  void fixed32(std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) *p_++ = static_cast<char>(value >> shift);
  }
  void byte(unsigned char value) { *p_++ = static_cast<char>(value); }
  char* end() const { return p_; }

 private:
  char* p_;
};

// ---- JSON ----

class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : begin_(text.data()), p_(begin_), end_(p_ + text.size()) {}
  std::size_t used() const { return static_cast<std::size_t>(p_ - begin_); }
  // After blanks.
  bool literal(char c) {
    if (p_ == end_ || *p_ != c) {
      blanks();
      if (p_ == end_ || *p_ != c) return false;
    }
    ++p_;
    return true;
  }
  // A property name without escapes, and its colon.
  bool key(std::string_view& name) {
    if (!literal('"')) return false;
    std::size_t most = std::min<std::size_t>(static_cast<std::size_t>(end_ - p_), 32);
    std::size_t size = text::find_any({p_, most}, 0, '"');
    if (size == std::string_view::npos) return false;
    name = {p_, size};
    p_ += size + 1;
    return literal(':');
  }
  // An array. Unless `packed` is known already it is packed, too, into `bytes`, if that takes no parse.
  bool tuple(std::string_view& text, std::string_view& packed, std::string& bytes) {
    blanks();
    const char* behind = nullptr;
    if (packed.empty()) {
      bytes.clear();
      behind = data::pack_array(bytes, p_, end_);
    }
    if (!behind) return value(text) && text != "null";
    packed = bytes;
    text = {p_, static_cast<std::size_t>(behind - p_)};
    p_ = behind;
    return true;
  }
  bool value(std::string_view& text) {
    blanks();
    const char* behind = json::value_end(p_, end_);
    if (!behind) return false;
    text = {p_, static_cast<std::size_t>(behind - p_)};
    p_ = behind;
    return true;
  }

 private:
  void blanks() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  const char* begin_;
  const char* p_;
  const char* end_;
};

bool json_uint32(std::string_view text, std::uint32_t& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool json_bool(std::string_view text, bool& value) {
  value = text == "true";
  return value || text == "false";
}

// A base64 string; the result lives in `bytes`.
bool json_bytes(std::string_view text, std::string& bytes, std::string_view& value) {
  if (text.size() < 2 || text.front() != '"') return false;
  bytes.clear();
  if (!text::unbase64(bytes, text.substr(1, text.size() - 2))) return false;
  value = bytes;
  return true;
}

bool json_raw(std::string_view text, std::string_view& value) {
  value = text;
  return text != "null";
}

bool json_field(const Layout& layout, std::string_view name, JsonCursor& in, HotMessage& out,
                Unpacked& unpacked) {
  // A second one of these would be the one that counts.
  if (name == "key")
    return layout.key_json != 0 && out.key_json.empty() &&
           in.tuple(out.key_json, out.key_packed, unpacked.key);
  if (name == "values")
    return layout.values_json != 0 && out.values_json.empty() &&
           in.tuple(out.values_json, out.values_packed, unpacked.values);
  std::string_view text;
  if (!in.value(text)) return false;
  if (name == "doc") return layout.doc != 0 && json_raw(text, out.doc);
  if (name == "binding") return json_uint32(text, out.binding);
  if (name == "keyPacked") return layout.key_packed != 0 && json_bytes(text, unpacked.key, out.key_packed);
  if (name == "valuesPacked")
    return layout.values_packed != 0 && json_bytes(text, unpacked.values, out.values_packed);
  if (name == "exists") return layout.exists != 0 && json_bool(text, out.exists);
  if (name == "delete") return layout.is_delete != 0 && json_bool(text, out.is_delete);
  return false;
}

void append_element_json(std::string& out, const data::Element& element) {
  if (std::holds_alternative<std::monostate>(element)) {
    out += "null";
  } else if (auto* truth = std::get_if<bool>(&element)) {
    out += *truth ? "true" : "false";
  } else if (auto* integer = std::get_if<std::int64_t>(&element)) {
    json::Writer(out).integer(*integer);
  } else if (auto* natural = std::get_if<std::uint64_t>(&element)) {
    json::Writer(out).unsigned_integer(*natural);
  } else if (auto* real = std::get_if<double>(&element)) {
    if (!std::isfinite(*real))
      throw Error(Error::Kind::transient, "a packed number that is not finite has no JSON form");
    json::write_double(out, *real);
  } else if (auto* text = std::get_if<std::string_view>(&element)) {
    json::write_string(out, *text);
  } else {
    out += std::get<data::Json>(element).text;
  }
}

}  // namespace

bool decode_wire(Hot kind, std::string_view body, HotMessage& out) {
  const Layout layout = layout_of(kind);
  WireCursor in(body);
  std::string_view fields;
  if (!in.byte(layout.variant) || !in.bytes(fields) || !in.done()) return false;
  out = HotMessage();
  for (WireCursor inner(fields); !inner.done();)
    if (!wire_field(layout, inner.next(), inner, out)) return false;
  return true;
}

std::size_t decode_json(Hot kind, std::string_view text, HotMessage& out, Unpacked& unpacked) {
  const Layout layout = layout_of(kind);
  JsonCursor in(text);
  std::string_view name;
  if (!in.literal('{') || !in.key(name) || name != layout.name || !in.literal('{')) return 0;
  out = HotMessage();
  if (!in.literal('}')) {
    do {
      if (!in.key(name) || !json_field(layout, name, in, out, unpacked)) return 0;
    } while (in.literal(','));
    if (!in.literal('}')) return 0;
  }
  return in.literal('}') ? in.used() : 0;
}

void encode_wire_head(Hot kind, const HotMessage& message, Buffer& out) {
  const Layout layout = layout_of(kind);
  std::size_t inner = (message.binding ? 1 + varint_size(message.binding) : 0) +
                      bytes_field_size(message.key_packed) + bytes_field_size(message.values_packed) +
                      bytes_field_size(message.doc) + (message.exists ? 2u : 0u) +
                      (message.is_delete ? 2u : 0u);
  std::size_t body = 1 + varint_size(inner) + inner;
  if (body > 0xffffffff) throw Error(Error::Kind::transient, "a document of 4 GiB or more cannot be framed");
  // Tags and lengths take less than 64 bytes.
  WireWriter wire(out.room(64 + message.key_packed.size() + message.values_packed.size()));
  char* start = wire.end();
  wire.fixed32(static_cast<std::uint32_t>(body));
  wire.byte(layout.variant);
  wire.varint(inner);
  if (message.binding) {
    wire.byte(tag(1, varint_type));
    wire.varint(message.binding);
  }
  wire.bytes_field(layout.key_packed, message.key_packed);
  wire.bytes_field(layout.values_packed, message.values_packed);
  if (!message.doc.empty()) wire.bytes_head(layout.doc, message.doc.size());
  out.filled(static_cast<std::size_t>(wire.end() - start));
}

void encode_wire_tail(const HotMessage& message, Buffer& out) {
  const Layout layout = layout_of(Hot::store);  // the only one with fields after the document
  WireWriter wire(out.room(4));
  char* start = wire.end();
  for (auto [set, number] :
       {std::pair(message.exists, layout.exists), std::pair(message.is_delete, layout.is_delete)}) {
    if (!set) continue;
    wire.byte(tag(number, varint_type));
    wire.byte(1);
  }
  out.filled(static_cast<std::size_t>(wire.end() - start));
}

void encode_json_head(Hot kind, const HotMessage& message, Buffer& out, std::string& scratch) {
  scratch.assign("{\"").append(layout_of(kind).name).append("\":{");
  char comma = 0;
  auto member = [&](std::string_view name) {
    if (std::exchange(comma, ',')) scratch += ',';
    scratch.append("\"").append(name).append("\":");
  };
  if (message.binding) {
    member("binding");
    json::Writer(scratch).unsigned_integer(message.binding);
  }
  if (kind == Hot::load || kind == Hot::store) {
    member("key");
    append_tuple_json(scratch, message.key_packed);
  }
  if (kind == Hot::store) {
    member("values");
    append_tuple_json(scratch, message.values_packed);
  }
  if (!message.doc.empty()) member("doc");
  out.append(scratch);
}

void encode_json_tail(const HotMessage& message, Buffer& out) {
  if (message.exists) out.append(R"(,"exists":true)");
  if (message.is_delete) out.append(R"(,"delete":true)");
  out.append("}}\n");
}

void append_tuple_json(std::string& out, std::string_view packed) {
  out += '[';
  bool first = true;
  for (data::TupleReader in(packed); !in.done();) {
    if (!std::exchange(first, false)) out += ',';
    append_element_json(out, in.next());
  }
  out += ']';
}

}  // namespace sluice::protocol
