#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "buffer.hpp"

// Hand-written encoding of the messages of which there is one per document. Wire bytes equal protobuf's.
namespace sluice::protocol {

enum class Hot { captured, loaded, load, store };

// Their common content; each kind uses the part it has. Views point into the frame, or into `unpacked` where
// base64 was decoded.
struct HotMessage {
  std::uint32_t binding = 0;
  std::string_view key_json, key_packed, values_json, values_packed, doc;
  bool exists = false, is_delete = false;
};
struct Unpacked {
  std::string key, values;
};

// Decodes the usual shapes only; what it refuses (false, 0) the general decoder has to look at, be it valid
// or not. decode_json() returns how many bytes the object has at the start of `text`.
bool decode_wire(Hot kind, std::string_view body, HotMessage& out);
std::size_t decode_json(Hot kind, std::string_view text, HotMessage& out, Unpacked& unpacked);

// A frame is head, document, tail, so that a large document need not be copied. The document may be empty.
void encode_wire_head(Hot kind, const HotMessage& message, Buffer& out);
void encode_wire_tail(const HotMessage& message, Buffer& out);
void encode_json_head(Hot kind, const HotMessage& message, Buffer& out, std::string& scratch);
void encode_json_tail(const HotMessage& message, Buffer& out);

// Appends the JSON array of a packed tuple's elements. Throws Error{transient} on bytes that are no tuple.
void append_tuple_json(std::string& out, std::string_view packed);

}  // namespace sluice::protocol
