// What does a document cost to encode and to decode, without a pipe? Captured and Store messages of 300
// bytes, 1 KiB and 10 KiB in both codecs; a plain copy of the same bytes beside them.
#include <benchmark/benchmark.h>

#include "allocations.hpp"
#include "codec_documents.hpp"
#include "frame.hpp"

namespace {

using namespace sluice;
using namespace sluice::protocol;

constexpr std::size_t total = 8_MiB;  // of documents a round

void report(benchmark::State& state, std::size_t documents, std::size_t bytes, std::size_t allocated) {
  auto rounds = static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(rounds) * static_cast<std::int64_t>(bytes));
  state.counters["time/doc"] = benchmark::Counter(rounds * static_cast<double>(documents),
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs/doc"] = static_cast<double>(allocated) / (rounds * static_cast<double>(documents));
}

// A run of documents as messages of `Message`.
struct Captured {
  using Message = capture::Response;
  explicit Captured(std::size_t size) : batch(bench::documents(size, total / size)) {}
  std::size_t size() const { return batch.size(); }
  void put(Encoder<Message>& encoder, std::size_t i) const {
    HotMessage message;
    message.binding = batch.doc(i).binding;
    message.doc = batch.doc(i).json;
    encoder.put_document(Hot::captured, message);
  }
  Batch batch;
};
struct Store {
  using Message = materialize::Request;
  explicit Store(std::size_t size) : batch(bench::stores(size, total / size)) {}
  std::size_t size() const { return batch.size(); }
  void put(Encoder<Message>& encoder, std::size_t i) const {
    StoreBatch::Document document = batch[i];
    HotMessage message;
    message.binding = document.binding;
    message.key_packed = document.key_packed;
    message.values_packed = document.values_packed;
    message.doc = document.doc;
    message.exists = document.exists;
    message.is_delete = document.is_delete;
    encoder.put_document(Hot::store, message);
  }
  StoreBatch batch;
};

template <class Documents>
std::string encoded(const Documents& documents, Codec codec) {
  Encoder<typename Documents::Message> encoder(codec);
  std::string out;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    documents.put(encoder, i);
    out += encoder.buffer().data();
    encoder.buffer().clear();
  }
  return out;
}

template <class Documents, Codec codec>
void encode(benchmark::State& state) {
  Documents documents(static_cast<std::size_t>(state.range(0)));
  Encoder<typename Documents::Message> encoder(codec);
  std::size_t bytes = 0, before = allocations();
  for (auto _ : state) {
    bytes = 0;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      documents.put(encoder, i);
      if (encoder.buffer().size() < 1_MiB) continue;
      bytes += encoder.buffer().size();
      encoder.buffer().clear();
    }
    bytes += encoder.buffer().size();
    encoder.buffer().clear();
  }
  report(state, documents.size(), bytes, allocations() - before);
}

template <class Documents, Codec codec>
void decode(benchmark::State& state) {
  using Message = typename Documents::Message;
  Documents documents(static_cast<std::size_t>(state.range(0)));
  std::string stream = encoded(documents, codec);
  Decoder<Message> decoder(codec);
  std::size_t before = allocations();
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size();) {
      std::size_t n = std::min(stream.size() - at, std::size_t{256_KiB});
      std::memcpy(decoder.room(n), stream.data() + at, n);
      decoder.filled(n);
      at += n;
      while (auto item = decoder.next()) benchmark::DoNotOptimize(item->index());
    }
  }
  report(state, documents.size(), stream.size(), allocations() - before);
}

void copy(benchmark::State& state) {
  Captured documents(static_cast<std::size_t>(state.range(0)));
  std::string stream = encoded(documents, Codec::proto), out(1_MiB, 0);
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size(); at += out.size()) {
      std::memcpy(out.data(), stream.data() + at, std::min(out.size(), stream.size() - at));
      benchmark::DoNotOptimize(out.data());
      benchmark::ClobberMemory();
    }
  }
  report(state, documents.size(), stream.size(), 0);
}

void sizes(benchmark::internal::Benchmark* b) { b->Arg(300)->Arg(1024)->Arg(10240); }

BENCHMARK(copy)->Apply(sizes);
BENCHMARK(encode<Captured, Codec::proto>)->Apply(sizes);
BENCHMARK(decode<Captured, Codec::proto>)->Apply(sizes);
BENCHMARK(encode<Captured, Codec::json>)->Apply(sizes);
BENCHMARK(decode<Captured, Codec::json>)->Apply(sizes);
BENCHMARK(encode<Store, Codec::proto>)->Apply(sizes);
BENCHMARK(decode<Store, Codec::proto>)->Apply(sizes);
BENCHMARK(encode<Store, Codec::json>)->Apply(sizes);
BENCHMARK(decode<Store, Codec::json>)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
