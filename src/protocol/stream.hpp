#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "frame.hpp"
#include "sluice/async/fd.hpp"

// Messages on byte streams. `Message` is one of the four Request and Response variants.
namespace sluice::protocol {

// An item as it travels through channels, at its cost there.
template <class Message>
struct Incoming {
  Incoming(Item<Message> i, std::size_t n) : item(std::move(i)), size(n) {}
  Item<Message> item;
  std::size_t size;
  std::size_t bytes() const { return size; }
};

template <class Message>
class MessageReader {
 public:
  MessageReader(ByteReader in, Codec codec, std::size_t frame_limit = default_frame_limit)
      : in_(std::move(in)), decoder_(codec, frame_limit) {}
  // Documents that are there are not held back for more of them. Nothing at an end between two messages.
  Task<std::optional<Incoming<Message>>> next();
  // What needs no reading.
  std::optional<Incoming<Message>> poll();
  // What is there is still read, then comes the end.
  void stop() { in_.stop(); }
  std::size_t received_bytes() const { return received_bytes_; }

 private:
  ByteReader in_;
  Decoder<Message> decoder_;
  std::size_t received_bytes_ = 0;
};

// Collects what is put and writes it in large pieces: when there is enough of it, and by flush().
template <class Message>
class MessageWriter {
 public:
  MessageWriter(ByteWriter out, Codec codec) : out_(std::move(out)), encoder_(codec), tail_(codec) {}
  Task<> put(Message message);
  // `documents` outlive the call. For loads they are packed keys.
  Task<> put(Hot kind, const Batch& documents);
  Task<> put(const StoreBatch& documents);
  Task<> flush();
  // Without flushing.
  void close() { out_.close(); }
  // ByteWriter's. What is written at once are whole frames, so that the peer sees no message cut short.
  void linger(std::chrono::milliseconds patience) { out_.linger(patience); }

 private:
  template <class Documents>
  Task<> put_all(Hot kind, const Documents& documents);

  ByteWriter out_;
  Encoder<Message> encoder_, tail_;
};

extern template class MessageReader<capture::Request>;
extern template class MessageReader<capture::Response>;
extern template class MessageReader<materialize::Request>;
extern template class MessageReader<materialize::Response>;
extern template class MessageWriter<capture::Request>;
extern template class MessageWriter<capture::Response>;
extern template class MessageWriter<materialize::Request>;
extern template class MessageWriter<materialize::Response>;

}  // namespace sluice::protocol
