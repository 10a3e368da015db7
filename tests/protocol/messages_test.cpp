#include "sluice/protocol/messages.hpp"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "convert.hpp"
#include "random_message.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::protocol {
namespace {

using google::protobuf::util::MessageDifferencer;

// Protobuf's own view of the message is the reference: nothing of it is lost on the way through ours.
template <class T>
void round_trips(typename ProtoOf<T>::Type& message) {
  T value;
  from_proto(message, value);
  typename ProtoOf<T>::Type back;
  to_proto(value, back);
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(message, back)) << difference;
}

template <class T>
void variants_round_trip(int variants) {
  testing::RandomMessage random(7);
  for (int round = 0; round < 30; ++round) {
    for (int tag = 1; tag <= variants; ++tag) {
      typename ProtoOf<T>::Type message;
      random.fill_variant(message, tag);
      round_trips<T>(message);
    }
  }
}

TEST(Messages, EveryVariantRoundTripsThroughProtobuf) {
  variants_round_trip<capture::Request>(6);
  variants_round_trip<capture::Response>(8);
  variants_round_trip<materialize::Request>(9);
  variants_round_trip<materialize::Response>(8);
}

TEST(Messages, StoredValuesRoundTrip) {
  testing::RandomMessage random(11);
  for (int round = 0; round < 30; ++round) {
    flow::CaptureSpec capture;
    random.fill(capture);
    round_trips<CaptureSpec>(capture);
    flow::MaterializationSpec materialization;
    random.fill(materialization);
    MaterializationSpec spec;
    from_proto(materialization, spec);
    EXPECT_EQ(decode_materialization_spec(encode(spec)), spec);
  }
}

template <class T>
std::string error_of(typename ProtoOf<T>::Type message) {
  T value;
  try {
    from_proto(message, value);
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(Messages, ExactlyOneVariantIsSet) {
  ::capture::Request request;
  EXPECT_EQ(error_of<capture::Request>(request),
            "expected one of Spec, Discover, Validate, Apply, Open, or Acknowledge, but 0 are set");
  request.mutable_spec();
  request.set_internal("x");
  EXPECT_EQ(error_of<capture::Request>(request), "no error");
  request.mutable_acknowledge();
  EXPECT_EQ(error_of<capture::Request>(request),
            "expected one of Spec, Discover, Validate, Apply, Open, or Acknowledge, but 2 are set");
}

TEST(Messages, TextThatIsNotUtf8IsRefusedByName) {
  CaptureSpec spec;
  spec.name = "\xff";
  try {
    encode(spec);
    FAIL() << "was encoded";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "field flow.CaptureSpec.name is not valid UTF-8");
  }
}

TEST(Messages, WireVectors) {
  EXPECT_EQ(text::hex(encode(zero_checkpoint())), "f8ffffff0f01");
  EXPECT_TRUE(is_zero(decode_checkpoint(encode(zero_checkpoint()))));
  EXPECT_FALSE(is_zero(Checkpoint()));

  Checkpoint checkpoint;
  CheckpointSource& source = checkpoint.sources["j;s"];
  source.producers.emplace_back();
  source.producers.back().state.emplace();
  source.producers.back().state->last_ack = 8675;
  source.producers.back().state->begin = 1111;
  EXPECT_NE(text::hex(encode(checkpoint)).find("120c09e32100000000000010d708"), std::string::npos)
      << text::hex(encode(checkpoint));
  EXPECT_EQ(decode_checkpoint(encode(checkpoint)), checkpoint);

  capture::Open open;
  open.range.emplace();
  open.range->key_begin = 0x00112233;
  open.range->key_end = 0x44556677;
  open.range->r_clock_begin = 0x8899aabb;
  open.range->r_clock_end = 0xccddeeff;
  ::capture::Request request;
  to_proto(open, request);
  EXPECT_EQ(text::hex(request.open().range().SerializeAsString()),
            "15332211001d7766554425bbaa99882dffeeddcc");
}

TEST(Messages, UnknownFieldsOfACheckpointSurvive) {
  std::string wire = *text::unhex("f8ffffff0f01");
  wire += *text::unhex("0a070a016112020801");
  Checkpoint checkpoint = decode_checkpoint(wire);
  EXPECT_EQ(checkpoint.sources.at("a").read_through, 1);
  EXPECT_EQ(decode_checkpoint(encode(checkpoint)), checkpoint);
  EXPECT_NE(encode(checkpoint).find(*text::unhex("f8ffffff0f01")), std::string::npos);
}

TEST(Messages, EqualValuesEncodeEqually) {
  Checkpoint a, b;
  for (int i = 0; i < 50; ++i) a.ack_intents["j" + std::to_string(i)] = "x";
  for (int i = 49; i >= 0; --i) b.ack_intents["j" + std::to_string(i)] = "x";
  EXPECT_EQ(encode(a), encode(b));
}

TEST(Messages, BytesThatAreNotTheMessageAreAnError) {
  try {
    decode_checkpoint("\x0a\xff");
    FAIL() << "was decoded";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "decoding protobuf message consumer.Checkpoint of 2 bytes");
  }
}

}  // namespace
}  // namespace sluice::protocol
