#include "frame.hpp"

#include <gtest/gtest.h>

#include "convert.hpp"
#include "json_codec.hpp"
#include "random_message.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/write.hpp"

namespace sluice::protocol {
namespace {

template <class Message>
std::string framed(Codec codec, const Message& message) {
  Encoder<Message> encoder(codec);
  encoder.put(message);
  return std::string(encoder.buffer().data());
}

// Reads `bytes` in pieces of `step` and tells what came out, documents one by one.
template <class Message>
class Transcript {
 public:
  explicit Transcript(Codec codec, std::size_t limit = default_frame_limit) : decoder_(codec, limit) {}

  Transcript& feed(std::string_view bytes, std::size_t step = std::string_view::npos) {
    while (!bytes.empty()) {
      std::string_view piece = bytes.substr(0, step);
      std::memcpy(decoder_.room(piece.size()), piece.data(), piece.size());
      decoder_.filled(piece.size());
      while (auto item = decoder_.next()) note(*item);
      bytes.remove_prefix(piece.size());
    }
    return *this;
  }
  Transcript& end() {
    decoder_.end();
    return *this;
  }
  std::vector<Message> messages;
  std::vector<std::string>
      documents;  // "binding doc" or "binding key values doc exists delete", packed in hex

 private:
  void note(const Item<Message>& item) {
    if (auto* message = std::get_if<Message>(&item)) messages.push_back(*message);
    if (auto* batch = std::get_if<Batch>(&item))
      for (std::size_t i = 0; i < batch->size(); ++i)
        documents.push_back(std::to_string(batch->doc(i).binding) + " " + std::string(batch->doc(i).json));
    if (auto* stores = std::get_if<StoreBatch>(&item)) {
      for (std::size_t i = 0; i < stores->size(); ++i) {
        StoreBatch::Document d = (*stores)[i];
        documents.push_back(std::to_string(d.binding) + " " + text::hex(d.key_packed) + " " +
                            text::hex(d.values_packed) + " " + std::string(d.doc) +
                            (d.exists ? " exists" : "") + (d.is_delete ? " delete" : ""));
      }
    }
  }
  Decoder<Message> decoder_;
};

using Strings = std::vector<std::string>;

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

template <class T>
T random_message(testing::RandomMessage& random, int tag) {
  typename ProtoOf<T>::Type proto;
  random.fill_variant(proto, tag);
  T message;
  from_proto(proto, message);
  return message;
}

// ---- the vectors of flow-protocol §12 ----

std::string hex_of(const capture::Request& m) { return text::hex(framed(Codec::proto, m)); }
std::string hex_of(const capture::Response& m) { return text::hex(framed(Codec::proto, m)); }
std::string hex_of(const materialize::Request& m) { return text::hex(framed(Codec::proto, m)); }
std::string hex_of(const materialize::Response& m) { return text::hex(framed(Codec::proto, m)); }

TEST(Frame, WireVectors) {
  EXPECT_EQ(hex_of(capture::Acknowledge{32}), "0400000032020820");
  EXPECT_EQ(hex_of(capture::Opened{true}), "040000002a020801");
  EXPECT_EQ(hex_of(capture::Captured{2, "{}"}), "08000000320608021202" + text::hex("{}"));
  capture::CheckpointMessage checkpoint;
  checkpoint.state.emplace();
  checkpoint.state->updated_json = "{}";
  checkpoint.state->merge_patch = true;
  EXPECT_EQ(hex_of(checkpoint), "0a0000003a080a060a027b7d1001");
  EXPECT_EQ(hex_of(materialize::Flush()), "020000003200");
  EXPECT_EQ(hex_of(materialize::Acknowledge()), "020000004a00");
  EXPECT_EQ(hex_of(materialize::Load{12, "", *text::unhex("152a")}), "080000002a06080c1a02152a");
  EXPECT_EQ(hex_of(materialize::Acknowledged()), "020000004200");
  EXPECT_EQ(hex_of(materialize::Flushed()), "020000003200");
  EXPECT_EQ(hex_of(materialize::StartedCommit()), "020000003a00");
  EXPECT_EQ(hex_of(materialize::Opened()), "020000002200");
  capture::Spec spec;
  spec.protocol = protocol_version;
  EXPECT_EQ(hex_of(spec), "070000000a0508d787b901");
}

TEST(Frame, JsonExamples) {
  Transcript<capture::Request> open(Codec::json);
  open.feed(
      R"({"open":{"capture":{"name":"acme/cap","connectorType":"LOCAL","config":{"host":"db"},"bindings":[]},)"
      R"("version":"0011223344556677","range":{"keyEnd":4294967295,"rClockEnd":4294967295},"state":{"cursor":7}}})"
      "\n");
  open.end();
  auto& request = std::get<capture::Open>(open.messages.at(0));
  EXPECT_EQ(request.capture->name, "acme/cap");
  EXPECT_EQ(request.capture->connector_type, CaptureType::local);
  EXPECT_EQ(request.capture->config_json, R"({"host":"db"})");
  EXPECT_EQ(request.range->key_end, 4294967295u);
  EXPECT_EQ(request.state_json, R"({"cursor":7})");
  // Written back: names, raw values and omission of what is empty.
  EXPECT_EQ(
      framed<capture::Request>(Codec::json, request),
      R"({"open":{"capture":{"name":"acme/cap","connectorType":"LOCAL","config":{"host":"db"}},)"
      R"("version":"0011223344556677","range":{"keyEnd":4294967295,"rClockEnd":4294967295},"state":{"cursor":7}}})"
      "\n");

  Transcript<capture::Response> responses(Codec::json);
  responses.feed(R"({"captured":{"binding":2,"doc":{"id":1,"name":"a"}}})"
                 "\n"
                 R"({"checkpoint":{"state":{"updated":{"cursor":8},"mergePatch":true}}})"
                 "\n");
  EXPECT_EQ(responses.documents, (Strings{R"(2 {"id":1,"name":"a"})"}));
  auto& checkpoint = std::get<capture::CheckpointMessage>(responses.messages.at(0));
  EXPECT_EQ(checkpoint.state->updated_json, R"({"cursor":8})");
  EXPECT_TRUE(checkpoint.state->merge_patch);

  Transcript<materialize::Request> store(Codec::json);
  store.feed(
      R"({"store":{"binding":3,"keyPacked":"FSo=","valuesPacked":"AmhpAA==","doc":{"id":42,"s":"hi"},"exists":true}})"
      "\n");
  EXPECT_EQ(store.documents, (Strings{R"(3 152a 02686900 {"id":42,"s":"hi"} exists)"}));
}

// ---- every message, both codecs, in pieces ----

template <class Message>
void every_variant_round_trips(Codec codec, int variants, std::uint64_t seed) {
  testing::RandomMessage random(seed);
  std::string stream;
  std::vector<Message> sent;
  Strings documents;
  for (int round = 0; round < 12; ++round) {
    for (int tag = 1; tag <= variants; ++tag) {
      auto message = random_message<Message>(random, tag);
      Transcript<Message> alone(codec);
      std::string frame = framed(codec, message);
      alone.feed(frame).end();
      if (alone.messages.empty()) {
        ASSERT_EQ(alone.documents.size(), 1u) << frame;
        documents.push_back(alone.documents[0]);
      } else {
        EXPECT_TRUE(alone.messages.at(0) == message) << frame;
        sent.push_back(message);
      }
      stream += frame;
    }
  }
  for (std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{64},
                           std::size_t{1000}, std::size_t{1 << 20}}) {
    Transcript<Message> pieces(codec);
    pieces.feed(stream, step).end();
    EXPECT_TRUE(pieces.messages == sent) << "in pieces of " << step;
    EXPECT_EQ(pieces.documents, documents) << "in pieces of " << step;
  }
}

TEST(Frame, EveryMessageRoundTripsInProtobuf) {
  every_variant_round_trips<capture::Request>(Codec::proto, 6, 1);
  every_variant_round_trips<capture::Response>(Codec::proto, 8, 2);
  every_variant_round_trips<materialize::Response>(Codec::proto, 8, 3);
}

TEST(Frame, EveryMessageRoundTripsInJson) {
  every_variant_round_trips<capture::Request>(Codec::json, 6, 4);
  every_variant_round_trips<capture::Response>(Codec::json, 8, 5);
  every_variant_round_trips<materialize::Response>(Codec::json, 8, 6);
}

// Load and Store are left out above: their random keys are no tuples.
TEST(Frame, EveryColdMaterializeRequestRoundTrips) {
  testing::RandomMessage random(9);
  for (Codec codec : {Codec::proto, Codec::json}) {
    for (int round = 0; round < 12; ++round) {
      for (int tag : {1, 2, 3, 4, 6, 8, 9}) {
        auto message = random_message<materialize::Request>(random, tag);
        Transcript<materialize::Request> in(codec);
        in.feed(framed(codec, message), 5).end();
        EXPECT_TRUE(in.messages.at(0) == message) << framed(Codec::json, message);
      }
    }
  }
}

TEST(Frame, ProtobufFramesEqualTheLibrarys) {
  testing::RandomMessage random(10);
  for (int round = 0; round < 20; ++round) {
    for (int tag = 1; tag <= 9; ++tag) {
      auto message = random_message<materialize::Request>(random, tag);
      ::materialize::Request proto;
      to_proto(message, proto);
      std::string wire;
      append_wire(wire, proto);
      std::string frame = framed(Codec::proto, message);
      EXPECT_EQ(frame.substr(4), wire);
    }
  }
}

// ---- documents ----

template <class Message>
std::string hot_frame(Codec codec, Hot kind, const HotMessage& message) {
  Encoder<Message> encoder(codec);
  std::string_view rest = encoder.put_document(kind, message);
  std::string out(encoder.buffer().data());
  if (rest.empty()) return out;
  out += rest;
  encoder.buffer().clear();
  encoder.tail(message);
  return out + std::string(encoder.buffer().data());
}

TEST(Frame, HandWrittenDocumentsEqualTheLibrarys) {
  testing::RandomMessage random(12);
  for (int round = 0; round < 3000; ++round) {
    HotMessage m;
    std::string key = random.bytes(), values = random.bytes(), doc = random.below(4) ? random.json() : "";
    if (round % 100 == 0) doc = '"' + std::string(random.below(600'000), 'x') + '"';
    if (round % 70 == 0) key.assign(random.below(40'000), 'k');
    m.binding = static_cast<std::uint32_t>((random.below(2) ? 0 : ~0ull) >> random.below(64));
    m.doc = doc;
    capture::Captured captured{m.binding, doc};
    EXPECT_EQ(hot_frame<capture::Response>(Codec::proto, Hot::captured, m),
              framed<capture::Response>(Codec::proto, captured));
    EXPECT_EQ(hot_frame<capture::Response>(Codec::json, Hot::captured, m),
              framed<capture::Response>(Codec::json, captured));
    materialize::Loaded loaded{m.binding, doc};
    EXPECT_EQ(hot_frame<materialize::Response>(Codec::proto, Hot::loaded, m),
              framed<materialize::Response>(Codec::proto, loaded));
    EXPECT_EQ(hot_frame<materialize::Response>(Codec::json, Hot::loaded, m),
              framed<materialize::Response>(Codec::json, loaded));
    m.key_packed = key;
    m.values_packed = values;
    m.exists = random.below(2);
    m.is_delete = random.below(2);
    materialize::Store store{m.binding, "", key, "", values, doc, m.exists, m.is_delete};
    EXPECT_EQ(hot_frame<materialize::Request>(Codec::proto, Hot::store, m),
              framed<materialize::Request>(Codec::proto, store));
    m.doc = {};
    m.values_packed = {};
    m.exists = m.is_delete = false;
    materialize::Load load{m.binding, "", key};
    EXPECT_EQ(hot_frame<materialize::Request>(Codec::proto, Hot::load, m),
              framed<materialize::Request>(Codec::proto, load));
  }
}

std::string tuple(std::initializer_list<const char*> values) {
  std::string out;
  json::Tree tree;
  for (const char* value : values) {
    std::string text = value;
    tree.parse(text);
    data::pack(out, tree, &tree.root());
  }
  return out;
}

TEST(Frame, JsonConnectorsGetTuplesAsArrays) {
  HotMessage m;
  std::string key = tuple({"42", R"("h\"i")"}),
              values = tuple({"null", "true", "false", "-1", "0", "18446744073709551615", "1.5", "1.0",
                              R"({"a":[1]})", R"("a\u0000b")"});
  m.binding = 1;
  m.key_packed = key;
  EXPECT_EQ(hot_frame<materialize::Request>(Codec::json, Hot::load, m),
            R"({"load":{"binding":1,"key":[42,"h\"i"]}})"
            "\n");
  m.values_packed = values;
  m.doc = "{\n \"a\": 1\n}";
  m.is_delete = true;
  std::string frame = hot_frame<materialize::Request>(Codec::json, Hot::store, m);
  EXPECT_EQ(
      frame,
      R"({"store":{"binding":1,"key":[42,"h\"i"],"values":[null,true,false,-1,0,18446744073709551615,1.5,1.0,)"
      R"({"a":[1]},"a\u0000b"],"doc":{"a":1},"delete":true}})"
      "\n");
  Transcript<materialize::Request> in(Codec::json);
  in.feed(frame).end();
  EXPECT_EQ(in.documents, (Strings{"1 " + text::hex(key) + " " + text::hex(values) + " {\"a\":1} delete"}));
}

TEST(Frame, KeysComePackedOrAsJsonInBothCodecs) {
  for (Codec codec : {Codec::proto, Codec::json}) {
    Transcript<materialize::Request> in(codec);
    in.feed(framed<materialize::Request>(codec, materialize::Load{0, R"([42, "hi"])", ""}));
    in.feed(framed<materialize::Request>(codec, materialize::Load{0, "[1]", tuple({"42"})}));
    in.feed(framed<materialize::Request>(codec, materialize::Load{1, "", tuple({"42"})}));
    in.end();
    EXPECT_EQ(in.documents,
              (Strings{"0 " + tuple({"42", "\"hi\""}), "0 " + tuple({"42"}), "1 " + tuple({"42"})}));
    EXPECT_EQ(error_of([&] { in.feed(framed<materialize::Request>(codec, materialize::Load{0, "7", ""})); }),
              "a key or values tuple must be a JSON array");
  }
}

TEST(Frame, DocumentsAndMessagesKeepTheirOrder) {
  for (Codec codec : {Codec::proto, Codec::json}) {
    std::string stream;
    for (int i = 0; i < 3; ++i) stream += framed<capture::Response>(codec, capture::Captured{0, "{}"});
    stream += framed<capture::Response>(codec, capture::CheckpointMessage());
    stream += framed<capture::Response>(codec, capture::Captured{1, "{}"});
    Decoder<capture::Response> decoder(codec);
    std::memcpy(decoder.room(stream.size()), stream.data(), stream.size());
    decoder.filled(stream.size());
    EXPECT_EQ(std::get<Batch>(decoder.next().value()).size(), 3u);
    EXPECT_TRUE(std::holds_alternative<capture::CheckpointMessage>(
        std::get<capture::Response>(decoder.next().value())));
    EXPECT_EQ(std::get<Batch>(decoder.next().value()).doc(0).binding, 1u);
    EXPECT_FALSE(decoder.next().has_value());
  }
}

TEST(Frame, ItemsOfDocumentsAreBounded) {
  std::string doc = '"' + std::string(100'000, 'x') + '"', stream;
  for (int i = 0; i < 40; ++i) stream += framed<capture::Response>(Codec::proto, capture::Captured{0, doc});
  Decoder<capture::Response> decoder(Codec::proto);
  std::memcpy(decoder.room(stream.size()), stream.data(), stream.size());
  decoder.filled(stream.size());
  std::size_t documents = 0, items = 0;
  while (auto item = decoder.next()) {
    EXPECT_LT(std::get<Batch>(*item).bytes(), 1_MiB + 200'000);
    documents += std::get<Batch>(*item).size();
    ++items;
  }
  EXPECT_EQ(documents, 40u);
  EXPECT_GE(items, 4u);
}

// ---- what JSON is accepted ----

template <class Message>
Message one(std::string_view json) {
  Transcript<Message> in(Codec::json);
  in.feed(std::string(json) + "\n").end();
  return in.messages.at(0);
}
template <class Message>
std::string refused(std::string_view json) {
  return error_of([&] { one<Message>(json); });
}

TEST(JsonCodec, AcceptsTheNamesOfTheProtoFiles) {
  auto discover = std::get<capture::Discover>(
      one<capture::Request>(R"({"discover":{"connector_type":"IMAGE","config_json":{"a":1},"name":"x"}})"));
  EXPECT_EQ(discover.connector_type, CaptureType::image);
  EXPECT_EQ(discover.config_json, R"({"a":1})");
  for (const char* name : {"documentSchema", "schema_json", "schemaJson"}) {
    for (const char* variant : {"sourcedSchema", "sourced_schema"}) {
      auto schema = std::get<capture::SourcedSchema>(one<capture::Response>(
          "{\"" + std::string(variant) + "\":{\"binding\":1,\"" + name + "\":{\"type\":\"object\"}}}"));
      EXPECT_EQ(schema.schema_json, R"({"type":"object"})");
    }
  }
  auto spec = std::get<capture::Spec>(one<capture::Response>(
      R"({"spec":{"oauth2":{"accessTokenResponseMap":{"a":"/b"},"access_token_headers_json_map":{"h":1.50}}}})"));
  EXPECT_EQ(spec.oauth2->access_token_response_json_map.at("a"), "\"/b\"");
  EXPECT_EQ(spec.oauth2->access_token_headers_json_map.at("h"), "1.50");
}

TEST(JsonCodec, NullIsUnset) {
  auto response = one<capture::Response>(
      R"({"spec":null,"discovered":null,"captured":null,"checkpoint":{"state":{"updated":{},"mergePatch":null}},"opened":null})");
  EXPECT_FALSE(std::get<capture::CheckpointMessage>(response).state->merge_patch);
  EXPECT_TRUE(std::holds_alternative<materialize::Flush>(
      one<materialize::Request>(R"({"flush":{"statePatches":null},"load":null})")));
  Transcript<materialize::Request> in(Codec::json);
  in.feed("{\"load\":{\"binding\":1,\"key\":null,\"keyPacked\":\"FSo=\"},\"store\":null}\n");
  EXPECT_EQ(in.documents, (Strings{"1 " + tuple({"42"})}));
}

// The fast way and the general one, which an unknown member asks for.
TEST(JsonCodec, TuplesComeInSeveralForms) {
  auto documents = [](const std::string& members, const char* more) {
    Transcript<materialize::Request> in(Codec::json);
    in.feed("{\"store\":{" + members + ",\"doc\":{\"a\":1}" + more + "}}\n").end();
    return in.documents;
  };
  const std::string forms[] = {R"("key":[42],"values":["hi"])",
                               R"("key":[ 42 ],"values":["h\u0069"])",
                               R"("keyPacked":"FSo=","valuesPacked":"AmhpAA==")",
                               R"("key":[1],"keyPacked":"FSo=","values":["hi"])",
                               R"("keyPacked":"FSo=","key":[1],"values":["hi"])",
                               R"("key":[42],"keyPacked":"","values":["hi"])",
                               R"("keyPacked":"","key":[42],"values":["hi"])",
                               R"("key":[1],"key":[42],"values":["hi"])",
                               R"("key":[42],"values":["no"],"values":["hi"])"};
  for (const std::string& members : forms) {
    Strings expected{R"(0 152a 02686900 {"a":1})"};
    EXPECT_EQ(documents(members, ""), expected) << members;
    EXPECT_EQ(documents(members, ",\"new\":0"), expected) << members;
  }
  EXPECT_EQ(documents(R"("key":[],"values":[])", ""), documents(R"("key":[],"values":[])", ",\"new\":0"));
  EXPECT_THROW(documents(R"("key":[1,],"values":[])", ""), Error);
  EXPECT_THROW(documents("\"key\":[\"\xff\"],\"values\":[]", ""), Error);
}

TEST(JsonCodec, NumbersAndEnumsComeInSeveralForms) {
  auto checkpoint = [](const char* json) { return checkpoint_from_json(json); };
  EXPECT_EQ(checkpoint(R"({"sources":{"a":{"readThrough":"12345"}}})").sources.at("a").read_through, 12345);
  EXPECT_EQ(checkpoint(R"({"sources":{"a":{"readThrough":12345}}})").sources.at("a").read_through, 12345);
  EXPECT_EQ(checkpoint(R"({"sources":{"a":{"readThrough":-1}}})").sources.at("a").read_through, -1);
  auto ack = [](const char* n) {
    return std::get<capture::Acknowledge>(
               one<capture::Request>("{\"acknowledge\":{\"checkpoints\":" + std::string(n) + "}}"))
        .checkpoints;
  };
  EXPECT_EQ(ack("3"), 3u);
  EXPECT_EQ(ack("\"3\""), 3u);
  EXPECT_EQ(ack("3.0"), 3u);
  EXPECT_EQ(ack("3e1"), 30u);
  EXPECT_EQ(ack("4294967295"), 4294967295u);
  EXPECT_EQ(capture_spec_from_json(R"({"connectorType":8})").connector_type, CaptureType::local);
  EXPECT_EQ(capture_spec_from_json(R"({"connectorType":"IMAGE"})").connector_type, CaptureType::image);
  auto constraint = [](const char* type) {
    auto validated = std::get<materialize::Validated>(one<materialize::Response>(
        "{\"validated\":{\"bindings\":[{\"constraints\":{\"f\":{\"type\":" + std::string(type) + "}}}]}}"));
    return validated.bindings.at(0).constraints.at("f").type;
  };
  EXPECT_EQ(constraint("\"INCOMPATIBLE\""), materialize::ConstraintType::incompatible);
  EXPECT_EQ(constraint("\"UNSATISFIABLE\""), materialize::ConstraintType::unsatisfiable);
  EXPECT_EQ(constraint("6"), materialize::ConstraintType::incompatible);
}

TEST(JsonCodec, Base64ComesInSeveralForms) {
  for (const char* text : {"+/+/", "-_-_"})
    EXPECT_EQ(capture_spec_from_json("{\"redactSalt\":\"" + std::string(text) + "\"}").redact_salt,
              "\xfb\xff\xbf");
  EXPECT_EQ(capture_spec_from_json(R"({"redactSalt":"YQ"})").redact_salt, "a");
  EXPECT_EQ(capture_spec_from_json(R"({"redactSalt":"YQ=="})").redact_salt, "a");
  EXPECT_EQ(error_of([] { capture_spec_from_json(R"({"redactSalt":"s3cr*t"})"); }),
            "field 'redactSalt' of flow.CaptureSpec must be base64");
}

TEST(JsonCodec, TimesAndDurations) {
  auto binding = [](const char* time) {
    return materialization_spec_from_json("{\"bindings\":[{\"notBefore\":\"" + std::string(time) + "\"}]}")
        .bindings.at(0)
        .not_before.value();
  };
  EXPECT_EQ(binding("2023-08-11T03:00:27+00:00"), (Timestamp{1691722827, 0}));
  EXPECT_EQ(binding("2023-08-11T03:00:27Z"), (Timestamp{1691722827, 0}));
  EXPECT_EQ(binding("2023-08-11T05:00:27.000000001+02:00"), (Timestamp{1691722827, 1}));
  EXPECT_EQ(binding("1969-12-31T23:59:59.5Z"), (Timestamp{-1, 500'000'000}));
  MaterializationSpec spec;
  spec.bindings.resize(1);
  spec.bindings[0].not_before = Timestamp{1691722827, 250'000'000};
  spec.shard_template.emplace();
  spec.shard_template->max_txn_duration = Duration{62, 250'000'000};
  spec.shard_template->min_txn_duration = Duration{300, 0};
  EXPECT_EQ(to_json(spec), R"({"bindings":[{"notBefore":"2023-08-11T03:00:27.250+00:00"}],)"
                           R"("shardTemplate":{"maxTxnDuration":"62.250s","minTxnDuration":"300s"}})");
  EXPECT_EQ(materialization_spec_from_json(to_json(spec)), spec);
  EXPECT_EQ(error_of([&] { binding("2023-02-30T00:00:00Z"); }),
            "field 'notBefore' of flow.MaterializationSpec.Binding must be an RFC 3339 time, not "
            "\"2023-02-30T00:00:00Z\"");
}

TEST(JsonCodec, CheckpointSample) {
  const char* sample =
      R"({"sources":{"a/b;materialize/t/x":{"readThrough":"12345","producers":[{"id":"AwkIBQcB",)"
      R"("state":{"lastAck":"8675","begin":"1111"}}]}},"ackIntents":{"j":"AwQCBQ=="}})";
  Checkpoint checkpoint = checkpoint_from_json(sample);
  EXPECT_EQ(checkpoint.sources.at("a/b;materialize/t/x").producers.at(0).state->last_ack, 8675u);
  EXPECT_EQ(checkpoint.ack_intents.at("j"), "\x03\x04\x02\x05");
  EXPECT_EQ(to_json(checkpoint), sample);
}

TEST(JsonCodec, RawValuesKeepTheirText) {
  auto open = std::get<capture::Open>(one<capture::Request>(
      R"({"open":{"state":{"b":1.10,  "a":123456789012345678901234567890,"s":"\u00e9"}}})"));
  EXPECT_EQ(open.state_json, R"({"b":1.10,  "a":123456789012345678901234567890,"s":"\u00e9"})");
  EXPECT_EQ(framed<capture::Request>(Codec::json, open), "{\"open\":{\"state\":" + open.state_json + "}}\n");
  open.state_json = "{\n  \"a\": \"x\\ny\"\n}\n";
  EXPECT_EQ(framed<capture::Request>(Codec::json, open), "{\"open\":{\"state\":{\"a\":\"x\\ny\"}}}\n");
}

TEST(JsonCodec, UnknownFieldsAreIgnoredInRequestsAndRefusedInResponses) {
  auto open = one<capture::Request>(
      R"({"open":{"version":"v","linkedCollections":[{"x":1}]},"$internal":"AA==","later":{}})");
  EXPECT_EQ(std::get<capture::Open>(open).version, "v");
  EXPECT_EQ(refused<capture::Response>(R"({"opened":{"explicitAcks":true}})"),
            "could not parse \"{\"opened\":{\"explicitAcks\":true}}\" into JSON response: unknown field "
            "'explicitAcks' in capture.Response.Opened");
  EXPECT_EQ(
      refused<capture::Response>(R"({"captured":{"binding":0,"doc":{},"meta":1}})"),
      "could not parse \"{\"captured\":{\"binding\":0,\"doc\":{},\"meta\":1}}\" into JSON response: unknown "
      "field 'meta' in capture.Response.Captured");
  // On a document too the connector must look past what it does not know.
  Transcript<materialize::Request> in(Codec::json);
  in.feed("{\"store\":{\"binding\":1,\"keyPacked\":\"FSo=\",\"doc\":{},\"new\":[1]}}\n");
  EXPECT_EQ(in.documents, (Strings{"1 152a  {}"}));
}

TEST(JsonCodec, WrongTypesAreNamed) {
  EXPECT_EQ(refused<capture::Request>(R"({"acknowledge":{"checkpoints":-1}})"),
            "could not parse 34 bytes into JSON request: field 'checkpoints' of capture.Request.Acknowledge "
            "must be "
            "an integer in range, not -1");
  EXPECT_NE(refused<capture::Response>(R"({"opened":7})")
                .find("field 'opened' of capture.Response must be an object, not 7"),
            std::string::npos);
  EXPECT_NE(refused<capture::Response>(R"({"opened":{"explicitAcknowledgements":"yes"}})")
                .find("must be a boolean"),
            std::string::npos);
  EXPECT_NE(refused<capture::Response>(R"({"spec":{"resourcePathPointers":{}}})").find("must be an array"),
            std::string::npos);
  EXPECT_NE(refused<capture::Response>(R"({"spec":{"documentationUrl":7}})").find("must be a string"),
            std::string::npos);
  EXPECT_NE(refused<capture::Request>(R"({"spec":{"connectorType":"NONE"}})")
                .find("a name of flow.CaptureSpec.ConnectorType"),
            std::string::npos);
  EXPECT_EQ(refused<capture::Response>("{}"),
            "expected one of Spec, Discovered, Validated, Applied, Opened, Captured, Checkpoint, or "
            "SourcedSchema, but 0 are set");
}

TEST(JsonCodec, NoErrorTellsTheConfiguration) {
  std::string error =
      refused<capture::Request>(R"({"open":{"capture":{"config":{"password":"hunter2"}},"range":7}})");
  EXPECT_NE(error.find("'range'"), std::string::npos);
  EXPECT_EQ(error.find("hunter2"), std::string::npos);
  for (const char* request :
       {R"({"discover":[{"config":{"password":"hunter2"}}]})", R"({"discover":"{\"config\":\"hunter2\"}"})",
        R"({"open":"{\"capture\":{\"config\":{\"password\":\"hunter2\"}}}"})",
        R"({"open":{"capture":"{\"config\":{\"password\":\"hunter2\"}}"}})",
        R"({"open":{"capture":{"bindings":"[{\"resourceConfig\":\"hunter2\"}]"}}})",
        R"({"open":{"capture":{"name":{"config":"hunter2"}}}})", R"({"discover":{"name":["hunter2"]}})"}) {
    error = refused<capture::Request>(request);
    EXPECT_NE(error.find(" must be "), std::string::npos) << request;
    EXPECT_EQ(error.find("hunter2"), std::string::npos) << error;
  }
  error = refused<capture::Request>(R"({"acknowledge":{"checkpoints":"many"}})");
  EXPECT_NE(error.find("not \"many\""), std::string::npos) << error;
}

// ---- whitespace, lines and ends ----

TEST(Frame, ConnectorsTolerateAnyWhitespaceBetweenRequests) {
  for (std::size_t step : {1u, 2u, 3u, 1000u}) {
    Transcript<materialize::Request> in(Codec::json);
    in.feed(
          " \n\t{\"acknowledge\":{}}  \r\n\n{\"load\": {\n  \"key\" : [1],\n \"binding\":0 } "
          "}{\"flush\":\n{}}"
          "{\"store\":{\"key\":[1],\"values\":[],\"doc\":{\"a\":\n\"}\\\"{\"}}}",
          step)
        .end();
    EXPECT_EQ(in.messages.size(), 2u);
    EXPECT_EQ(in.documents, (Strings{"0 " + tuple({"1"}), "0 1501  {\"a\":\"}\\\"{\"}"}));
  }
}

TEST(Frame, ResponsesAreLines) {
  auto error = [](std::string_view bytes) {
    return error_of([&] { Transcript<capture::Response>(Codec::json).feed(bytes).end(); });
  };
  EXPECT_EQ(error("{\"opened\":{}}\r\n"), "no error");
  EXPECT_EQ(error(""), "no error");
  EXPECT_NE(error("\n").find("could not parse \"\" into JSON response"), std::string::npos);
  EXPECT_NE(error("{\"opened\":\n{}}\n").find("could not parse \"{\"opened\":\" into JSON response"),
            std::string::npos);
  EXPECT_NE(error("{\"opened\":{}}{\"opened\":{}}\n").find("into JSON response"), std::string::npos);
  EXPECT_NE(error("{\"captured\":{\"doc\":{}}} x\n").find("into JSON response"), std::string::npos);
  EXPECT_NE(error("hello\n").find("could not parse \"hello\" into JSON response"), std::string::npos);
  EXPECT_EQ(error("{\"opened\":{}}"), "connector wrote a partial message and then closed its output");
  EXPECT_EQ(error(" "), "connector wrote a partial message and then closed its output");
}

TEST(Frame, EndsInsideAMessageAreErrors) {
  std::string request = framed<capture::Request>(Codec::proto, capture::Acknowledge{300});
  std::string response = framed<capture::Response>(Codec::proto, capture::Captured{1, "{}"});
  for (std::size_t n = 1; n < request.size(); ++n)
    EXPECT_EQ(error_of([&] { Transcript<capture::Request>(Codec::proto).feed(request.substr(0, n)).end(); }),
              "runtime wrote a partial message and then closed its output");
  for (std::size_t n = 1; n < response.size(); ++n)
    EXPECT_EQ(
        error_of([&] { Transcript<capture::Response>(Codec::proto).feed(response.substr(0, n)).end(); }),
        "connector wrote a partial message and then closed its output");
  EXPECT_EQ(error_of([&] { Transcript<capture::Request>(Codec::json).feed("{\"acknowledge\":{}").end(); }),
            "runtime wrote a partial message and then closed its output");
}

TEST(Frame, BytesThatAreNoMessageAreErrors) {
  using namespace std::string_literals;
  auto error = [](std::string_view bytes) {
    return error_of([&] { Transcript<capture::Response>(Codec::proto).feed(bytes).end(); });
  };
  EXPECT_EQ(error("\x02\0\0\0\xff\xff"s), "decoding protobuf message capture.Response of 2 bytes");
  EXPECT_EQ(error("\0\0\0\0"s),
            "expected one of Spec, Discovered, Validated, Applied, Opened, Captured, Checkpoint, or "
            "SourcedSchema, but 0 are set");
  EXPECT_EQ(error("\x04\0\0\0\x2a\0\x3a\0"s),
            "expected one of Spec, Discovered, Validated, Applied, Opened, Captured, Checkpoint, or "
            "SourcedSchema, but 2 are set");
  EXPECT_EQ(error("\x03\0\0\0\x32\x05\x08"s), "decoding protobuf message capture.Response of 3 bytes");
  EXPECT_EQ(error("GET / HTTP/1.1\r\n"),
            "connector wrote a message of 542393671 bytes or more, over the limit of 67108864 bytes");
}

TEST(Frame, ConnectorsMayNotExceedTheLimitButRuntimesMay) {
  std::string doc = '"' + std::string(5000, 'x') + '"';
  for (Codec codec : {Codec::proto, Codec::json}) {
    std::string response = framed<capture::Response>(codec, capture::Captured{0, doc});
    EXPECT_EQ(
        error_of([&] { Transcript<capture::Response>(codec, response.size()).feed(response, 100).end(); }),
        "no error");
    std::string error =
        error_of([&] { Transcript<capture::Response>(codec, 4000).feed(response, 100).end(); });
    EXPECT_NE(error.find("over the limit of 4000 bytes"), std::string::npos) << error;
    materialize::Store store{0, "[1]", "", "[]", "", doc, false, false};
    std::string request = framed<materialize::Request>(codec, store);
    EXPECT_EQ(error_of([&] { Transcript<materialize::Request>(codec, 4000).feed(request, 100).end(); }),
              "no error");
  }
}

TEST(Frame, AnUnendingLineIsRefusedBeforeItIsAllThere) {
  Transcript<capture::Response> in(Codec::json, 10'000);
  std::string piece(1000, ' ');
  std::string error = error_of([&] {
    for (int i = 0; i < 100; ++i) in.feed(piece);
  });
  EXPECT_EQ(error, "connector wrote a message of 11000 bytes or more, over the limit of 10000 bytes");
}

TEST(Frame, UnknownWireFieldsAreSkipped) {
  // captured { binding: 1, doc: "{}", 15: "x" } and field 14 of the Response itself.
  std::string body = *text::unhex("3209080112027b7d7a017872017a");
  std::string frame = std::string(1, static_cast<char>(body.size())) + std::string(3, '\0') + body;
  Transcript<capture::Response> in(Codec::proto);
  in.feed(frame).end();
  EXPECT_EQ(in.documents, (Strings{"1 {}"}));
}

// ---- hostile bytes ----

template <class Message>
void survives(Codec codec, std::string_view bytes, std::size_t step) {
  try {
    Transcript<Message>(codec, 1_MiB).feed(bytes, step).end();
  } catch (const Error& e) {
    EXPECT_NE(e.kind(), Error::Kind::bug) << e.what();
  }
}

TEST(Frame, MutatedStreamsNeverDoWorseThanAnError) {
  testing::RandomMessage random(99);
  for (Codec codec : {Codec::proto, Codec::json}) {
    for (int round = 0; round < 400; ++round) {
      std::string requests, responses;
      for (int i = 0; i < 3; ++i) {
        requests += framed(
            codec, random_message<materialize::Request>(random, 1 + static_cast<int>(random.below(9))));
        responses +=
            framed(codec, random_message<capture::Response>(random, 1 + static_cast<int>(random.below(8))));
      }
      for (std::string* stream : {&requests, &responses}) {
        for (std::uint64_t n = 1 + random.below(4); n > 0 && !stream->empty(); --n) {
          std::size_t at = random.below(stream->size());
          switch (random.below(4)) {
            case 0:
              (*stream)[at] = static_cast<char>(random.below(256));
              break;
            case 1:
              stream->erase(at, 1 + random.below(8));
              break;
            case 2:
              stream->insert(at, random.bytes());
              break;
            default:
              stream->insert(at, stream->substr(random.below(stream->size()), random.below(40)));
              break;
          }
        }
      }
      survives<materialize::Request>(codec, requests, 1 + random.below(100));
      survives<capture::Response>(codec, responses, 1 + random.below(100));
      survives<materialize::Response>(codec, requests, 1 + random.below(100));
      survives<capture::Request>(codec, responses, 1 + random.below(100));
    }
  }
}

}  // namespace
}  // namespace sluice::protocol
