#pragma once
#include <string>
#include <string_view>

#include "sluice/protocol/messages.hpp"

namespace sluice::protocol {

// How messages are framed on a stream of bytes (flow-protocol §2).
enum class Codec {
  proto,  // 4-byte little-endian length, protobuf message
  json,   // one JSON object and a newline
};
// The value of FLOW_RUNTIME_CODEC, empty is proto; throws Error{config} on any other than proto and json.
Codec parse_codec(std::string_view text);
std::string_view name(Codec codec);

// The JSON form of messages (flow-protocol §3), compact.
std::string to_json(const capture::Request& message);
std::string to_json(const capture::Response& message);
std::string to_json(const materialize::Request& message);
std::string to_json(const materialize::Response& message);
std::string to_json(const capture::Spec& message);
std::string to_json(const capture::Discovered& message);
std::string to_json(const materialize::Spec& message);
std::string to_json(const CaptureSpec& spec);
std::string to_json(const MaterializationSpec& spec);
std::string to_json(const CollectionSpec& spec);
std::string to_json(const Checkpoint& checkpoint);  // without its unknown fields

// Throw Error{transient} naming the field that is wrong; fields that are not known are ignored.
CaptureSpec capture_spec_from_json(std::string_view json);
MaterializationSpec materialization_spec_from_json(std::string_view json);
CollectionSpec collection_spec_from_json(std::string_view json);
Checkpoint checkpoint_from_json(std::string_view json);

}  // namespace sluice::protocol
