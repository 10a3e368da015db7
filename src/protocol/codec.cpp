#include "sluice/protocol/codec.hpp"

#include <fmt/format.h>

#include "convert.hpp"
#include "json_codec.hpp"
#include "sluice/base/error.hpp"

namespace sluice::protocol {
namespace {

template <class T>
std::string json_of(const T& value) {
  typename ProtoOf<T>::Type message;
  to_proto(value, message);
  std::string out;
  append_json(out, message);
  return out;
}

template <class T>
T from_json(std::string_view json) {
  typename ProtoOf<T>::Type message;
  parse_json(json, message, UnknownFields::ignore);
  T value;
  from_proto(message, value);
  return value;
}

}  // namespace

Codec parse_codec(std::string_view text) {
  if (text.empty() || text == "proto") return Codec::proto;
  if (text == "json") return Codec::json;
  throw Error(Error::Kind::config, fmt::format("unknown codec '{}' in FLOW_RUNTIME_CODEC", text),
              "Use proto or json.");
}

std::string_view name(Codec codec) { return codec == Codec::proto ? "proto" : "json"; }

std::string to_json(const capture::Request& message) { return json_of(message); }
std::string to_json(const capture::Response& message) { return json_of(message); }
std::string to_json(const materialize::Request& message) { return json_of(message); }
std::string to_json(const materialize::Response& message) { return json_of(message); }
std::string to_json(const capture::Spec& message) { return json_of(message); }
std::string to_json(const capture::Discovered& message) { return json_of(message); }
std::string to_json(const materialize::Spec& message) { return json_of(message); }
std::string to_json(const CaptureSpec& spec) { return json_of(spec); }
std::string to_json(const MaterializationSpec& spec) { return json_of(spec); }
std::string to_json(const CollectionSpec& spec) { return json_of(spec); }
std::string to_json(const Checkpoint& checkpoint) { return json_of(checkpoint); }

CaptureSpec capture_spec_from_json(std::string_view json) { return from_json<CaptureSpec>(json); }
MaterializationSpec materialization_spec_from_json(std::string_view json) {
  return from_json<MaterializationSpec>(json);
}
CollectionSpec collection_spec_from_json(std::string_view json) { return from_json<CollectionSpec>(json); }
Checkpoint checkpoint_from_json(std::string_view json) { return from_json<Checkpoint>(json); }

}  // namespace sluice::protocol
