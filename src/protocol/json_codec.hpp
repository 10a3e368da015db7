#pragma once
#include <google/protobuf/message.h>

#include <string>
#include <string_view>

// The proto3-JSON mapping of flow-protocol §3 for any message, along its descriptor: fields that end in
// _json, _json_map and _json_vec are embedded as they are.
namespace sluice::protocol {

enum class UnknownFields { ignore, reject };

// Appends compact JSON without newlines. Throws Error{bug} on a raw field that is not JSON.
void append_json(std::string& out, const google::protobuf::Message& message);

// Fills an empty `out`. Throws Error{transient} naming the field and what is wrong with it.
void parse_json(std::string_view json, google::protobuf::Message& out, UnknownFields unknown);

}  // namespace sluice::protocol
