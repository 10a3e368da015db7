#include "stream.hpp"

#include <algorithm>

namespace sluice::protocol {
namespace {

constexpr std::size_t least_read = 64_KiB, most_read = 1_MiB;
constexpr std::size_t write_bytes = 1_MiB;

template <class Message>
std::size_t cost(const Item<Message>& item, std::size_t message_bytes) {
  if (auto* batch = std::get_if<Batch>(&item)) return batch->bytes();
  if (auto* stores = std::get_if<StoreBatch>(&item)) return stores->bytes();
  return sizeof item + message_bytes;
}

HotMessage hot_of(Hot kind, const Batch::Document& document) {
  HotMessage hot;
  hot.binding = document.binding;
  (kind == Hot::load ? hot.key_packed : hot.doc) = document.json;
  return hot;
}
HotMessage hot_of(const StoreBatch::Document& document) {
  HotMessage hot;
  hot.binding = document.binding;
  hot.key_packed = document.key_packed;
  hot.values_packed = document.values_packed;
  hot.doc = document.doc;
  hot.exists = document.exists;
  hot.is_delete = document.is_delete;
  return hot;
}
HotMessage at(Hot kind, const Batch& documents, std::size_t i) { return hot_of(kind, documents.doc(i)); }
HotMessage at(Hot, const StoreBatch& documents, std::size_t i) { return hot_of(documents[i]); }

struct Large {
  HotMessage message;
  std::string_view document;  // not yet in the buffer
};

// Encodes documents from `next` on until there is enough to write or one is large.
template <class Message, class Documents>
Large encode_some(Encoder<Message>& encoder, Hot kind, const Documents& documents, std::size_t& next) {
  Large large;
  while (next < documents.size() && encoder.buffer().size() < write_bytes && large.document.empty()) {
    large.message = at(kind, documents, next++);
    large.document = encoder.put_document(kind, large.message);
  }
  return large;
}

}  // namespace

template <class Message>
std::optional<Incoming<Message>> MessageReader<Message>::poll() {
  std::optional<Item<Message>> item = decoder_.next();
  if (!item) return std::nullopt;
  std::size_t size = cost<Message>(*item, decoder_.message_bytes());
  return Incoming<Message>(std::move(*item), size);
}

template <class Message>
Task<std::optional<Incoming<Message>>> MessageReader<Message>::next() {
  for (;;) {
    std::optional<Incoming<Message>> incoming = poll();
    if (incoming) co_return incoming;
    char* room = decoder_.room(least_read);
    std::size_t n = co_await in_.read_some(room, std::min(decoder_.room_size(), most_read));
    if (n == 0) break;
    decoder_.filled(n);
    received_bytes_ += n;
  }
  decoder_.end();
  co_return std::nullopt;
}

template <class Message>
Task<> MessageWriter<Message>::put(Message message) {
  encoder_.put(message);
  if (encoder_.buffer().size() >= write_bytes) co_await flush();
}

template <class Message>
Task<> MessageWriter<Message>::put(Hot kind, const Batch& documents) {
  return put_all(kind, documents);
}

template <class Message>
Task<> MessageWriter<Message>::put(const StoreBatch& documents) {
  return put_all(Hot::store, documents);
}

template <class Message>
template <class Documents>
Task<> MessageWriter<Message>::put_all(Hot kind, const Documents& documents) {
  for (std::size_t next = 0; next < documents.size();) {
    Large large = encode_some(encoder_, kind, documents, next);
    if (!large.document.empty()) {
      tail_.tail(large.message);
      co_await out_.write(encoder_.buffer().data(), large.document, tail_.buffer().data());
      encoder_.buffer().clear();
      tail_.buffer().clear();
    } else if (encoder_.buffer().size() >= write_bytes) {
      co_await flush();
    }
  }
}

template <class Message>
Task<> MessageWriter<Message>::flush() {
  co_await out_.write(encoder_.buffer().data());
  encoder_.buffer().clear();
}

template class MessageReader<capture::Request>;
template class MessageReader<capture::Response>;
template class MessageReader<materialize::Request>;
template class MessageReader<materialize::Response>;
template class MessageWriter<capture::Request>;
template class MessageWriter<capture::Response>;
template class MessageWriter<materialize::Request>;
template class MessageWriter<materialize::Response>;

}  // namespace sluice::protocol
