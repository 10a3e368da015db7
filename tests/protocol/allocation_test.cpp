// Framing allocates for a batch, not for a document.
#include <gtest/gtest.h>

#include "allocations.hpp"
#include "codec_documents.hpp"
#include "frame.hpp"

namespace sluice::protocol {
namespace {

constexpr std::size_t document_bytes = 300, count = 20'000, piece = 256 << 10;

template <class Message, class Put>
std::string encoded(Codec codec, Put put) {
  Encoder<Message> encoder(codec);
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    put(encoder, i);
    out += encoder.buffer().data();
    encoder.buffer().clear();
  }
  return out;
}

// Decodes twice, the second time counting; returns allocations a batch.
template <class Message>
double decoding(Codec codec, const std::string& stream) {
  Decoder<Message> decoder(codec);
  std::size_t before = 0, batches = 0, documents = 0;
  for (int round = 0; round < 2; ++round) {
    before = allocations();
    batches = documents = 0;
    for (std::size_t at = 0; at < stream.size();) {
      std::size_t n = std::min(stream.size() - at, piece);
      std::memcpy(decoder.room(n), stream.data() + at, n);
      decoder.filled(n);
      at += n;
      while (auto item = decoder.next()) {
        ++batches;
        std::visit(
            [&](auto& content) {
              if constexpr (requires { content.size(); }) documents += content.size();
            },
            *item);
      }
    }
  }
  EXPECT_EQ(documents, count);
  return static_cast<double>(allocations() - before) / static_cast<double>(batches);
}

// Encodes with a warm buffer; returns allocations.
template <class Message, class Put>
std::size_t encoding(Codec codec, Put put) {
  Encoder<Message> encoder(codec);
  for (std::size_t i = 0; i < 100; ++i) put(encoder, i);
  encoder.buffer().clear();
  std::size_t before = allocations();
  for (std::size_t i = 0; i < count; ++i) {
    put(encoder, i);
    if (i % 64 == 0) encoder.buffer().clear();
  }
  return allocations() - before;
}

// The text and the list of documents, until they are found to be many, and once more at the end of the bytes.
constexpr double most_a_batch = 24;

class Framing : public ::testing::TestWithParam<Codec> {};

TEST_P(Framing, OfCapturedDocumentsAllocatesForBatchesOnly) {
  Batch batch = bench::documents(document_bytes, count);
  HotMessage message;
  auto put = [&](Encoder<capture::Response>& encoder, std::size_t i) {
    message.doc = batch.doc(i).json;
    encoder.put_document(Hot::captured, message);
  };
  EXPECT_LE(decoding<capture::Response>(GetParam(), encoded<capture::Response>(GetParam(), put)),
            most_a_batch);
  EXPECT_EQ(encoding<capture::Response>(GetParam(), put), 0u);
}

TEST_P(Framing, OfStoreRequestsAllocatesForBatchesOnly) {
  StoreBatch batch = bench::stores(document_bytes, count);
  auto put = [&](Encoder<materialize::Request>& encoder, std::size_t i) {
    StoreBatch::Document document = batch[i];
    HotMessage message;
    message.binding = document.binding;
    message.key_packed = document.key_packed;
    message.values_packed = document.values_packed;
    message.doc = document.doc;
    message.exists = document.exists;
    encoder.put_document(Hot::store, message);
  };
  EXPECT_LE(decoding<materialize::Request>(GetParam(), encoded<materialize::Request>(GetParam(), put)),
            most_a_batch);
  EXPECT_EQ(encoding<materialize::Request>(GetParam(), put), 0u);
}

INSTANTIATE_TEST_SUITE_P(Codecs, Framing, ::testing::Values(Codec::proto, Codec::json));

}  // namespace
}  // namespace sluice::protocol
