#include "sluice/protocol/messages.hpp"

#include "convert.hpp"

namespace sluice::protocol {
namespace {

template <class T>
std::string encode_as(const T& value) {
  typename ProtoOf<T>::Type message;
  to_proto(value, message);
  std::string out;
  append_wire(out, message);
  return out;
}

template <class T>
T decode_as(std::string_view bytes) {
  typename ProtoOf<T>::Type message;
  parse_wire(bytes, message);
  T value;
  from_proto(message, value);
  return value;
}

// Unknown field 2^29-1 = varint 1.
constexpr std::string_view zero_sentinel = "\xf8\xff\xff\xff\x0f\x01";

}  // namespace

std::string encode(const CaptureSpec& spec) { return encode_as(spec); }
std::string encode(const MaterializationSpec& spec) { return encode_as(spec); }
std::string encode(const Checkpoint& checkpoint) { return encode_as(checkpoint); }
CaptureSpec decode_capture_spec(std::string_view bytes) { return decode_as<CaptureSpec>(bytes); }
MaterializationSpec decode_materialization_spec(std::string_view bytes) {
  return decode_as<MaterializationSpec>(bytes);
}
Checkpoint decode_checkpoint(std::string_view bytes) { return decode_as<Checkpoint>(bytes); }

Checkpoint zero_checkpoint() {
  Checkpoint zero;
  zero.unknown = zero_sentinel;
  return zero;
}

bool is_zero(const Checkpoint& checkpoint) {
  return checkpoint.sources.empty() && checkpoint.unknown == zero_sentinel;
}

}  // namespace sluice::protocol
