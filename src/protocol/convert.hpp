#pragma once
#include <concepts>

#include "capture.pb.h"
#include "flow.pb.h"
#include "materialize.pb.h"
#include "sluice/protocol/messages.hpp"

// Our messages to and from protobuf's, member by member along the tags of fields.hpp.
namespace sluice::protocol {

// Fills an empty `out`. Throws Error{bug} naming a string field that is not UTF-8, which protobuf refuses.
void to_proto(const capture::Request& in, ::capture::Request& out);
void to_proto(const capture::Response& in, ::capture::Response& out);
void to_proto(const materialize::Request& in, ::materialize::Request& out);
void to_proto(const materialize::Response& in, ::materialize::Response& out);
void to_proto(const capture::Spec& in, ::capture::Response_Spec& out);
void to_proto(const capture::Discovered& in, ::capture::Response_Discovered& out);
void to_proto(const materialize::Spec& in, ::materialize::Response_Spec& out);
void to_proto(const CaptureSpec& in, flow::CaptureSpec& out);
void to_proto(const MaterializationSpec& in, flow::MaterializationSpec& out);
void to_proto(const CollectionSpec& in, flow::CollectionSpec& out);
void to_proto(const Checkpoint& in, consumer::Checkpoint& out);

// Throw Error{transient} unless exactly one variant is set; `$internal` does not count.
void from_proto(const ::capture::Request& in, capture::Request& out);
void from_proto(const ::capture::Response& in, capture::Response& out);
void from_proto(const ::materialize::Request& in, materialize::Request& out);
void from_proto(const ::materialize::Response& in, materialize::Response& out);
void from_proto(const flow::CaptureSpec& in, CaptureSpec& out);
void from_proto(const flow::MaterializationSpec& in, MaterializationSpec& out);
void from_proto(const flow::CollectionSpec& in, CollectionSpec& out);
void from_proto(const consumer::Checkpoint& in, Checkpoint& out);

// The protobuf message of each of ours.
template <class T>
struct ProtoOf;
template <>
struct ProtoOf<capture::Request> {
  using Type = ::capture::Request;
};
template <>
struct ProtoOf<capture::Response> {
  using Type = ::capture::Response;
};
template <>
struct ProtoOf<materialize::Request> {
  using Type = ::materialize::Request;
};
template <>
struct ProtoOf<materialize::Response> {
  using Type = ::materialize::Response;
};
template <>
struct ProtoOf<capture::Spec> {
  using Type = ::capture::Response_Spec;
};
template <>
struct ProtoOf<capture::Discovered> {
  using Type = ::capture::Response_Discovered;
};
template <>
struct ProtoOf<materialize::Spec> {
  using Type = ::materialize::Response_Spec;
};
template <>
struct ProtoOf<CaptureSpec> {
  using Type = flow::CaptureSpec;
};
template <>
struct ProtoOf<MaterializationSpec> {
  using Type = flow::MaterializationSpec;
};
template <>
struct ProtoOf<CollectionSpec> {
  using Type = flow::CollectionSpec;
};
template <>
struct ProtoOf<Checkpoint> {
  using Type = consumer::Checkpoint;
};

// Fills an empty `out`. Throws Error{transient} on bytes that are not of this message.
void parse_wire(std::string_view bytes, google::protobuf::Message& out);

// Appends the wire form, maps in the order of their keys so that equal values give equal bytes.
void append_wire(std::string& out, const google::protobuf::Message& message);

}  // namespace sluice::protocol
