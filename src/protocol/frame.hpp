#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "buffer.hpp"
#include "hot.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/json/scan.hpp"
#include "sluice/json/tree.hpp"
#include "sluice/protocol/codec.hpp"
#include "sluice/protocol/session.hpp"

// Frames and their content (flow-protocol §2, §3), without I/O.
namespace sluice::protocol {

// What one frame, or a run of frames of which there is one per document, says. A Batch of materialize
// requests holds the packed keys of Loads.
template <class Message>
using Item = std::variant<Message, Batch, StoreBatch>;

inline constexpr std::size_t default_frame_limit = 64_MiB;  // of what a connector says

// Turns bytes that come in any pieces into items. `Message` is one of the four Request and Response variants
// and decides the rules: responses are lines of at most the limit without unknown fields; requests are JSON
// values with any whitespace between, of any size, and what is not known in them is ignored.
template <class Message>
class Decoder {
 public:
  explicit Decoder(Codec codec, std::size_t frame_limit = default_frame_limit)
      : codec_(codec), limit_(frame_limit) {}

  // Room for bytes to be read into, and how many were.
  char* room(std::size_t n) { return in_.room(n); }
  std::size_t room_size() const { return in_.room_size(); }
  void filled(std::size_t n) { in_.filled(n); }

  // The next item, or nothing if it takes more bytes. Throws Error{transient} on what is no message.
  std::optional<Item<Message>> next();
  // Of the frame that next() returned last, if it was a single message.
  std::size_t message_bytes() const { return message_bytes_; }
  // Says that no more bytes come. Throws if that cuts a message.
  void end() const;

 private:
  struct Frame {
    std::size_t size = 0;    // with its framing, 0 incomplete
    std::string_view body;   // the message
    std::optional<Hot> hot;  // then hot_ holds it
  };
  Frame find();
  Frame find_wire();
  Frame find_line();
  Frame find_value();
  std::optional<Hot> hot_wire(std::string_view body);
  std::optional<Hot> hot_json(std::string_view text, std::size_t& used);
  void check_size(std::size_t size) const;
  void add(Hot kind, const HotMessage& message);
  bool fits(Hot kind) const;
  template <class Documents>
  Documents& pending();
  bool add_cold(const Message& message);
  Message decode(std::string_view body) const;
  std::string_view packed(std::string_view binary, std::string_view json, std::string& scratch);
  std::optional<Item<Message>> take();

  Codec codec_;
  std::size_t limit_;
  Buffer in_;
  std::size_t message_bytes_ = 0;
  std::size_t scanned_ = 0;                // bytes of an incomplete JSON frame known not to end it
  std::optional<json::ContainerEnd> container_;  // of an incomplete JSON value
  HotMessage hot_;
  Unpacked unpacked_;
  std::string compact_;
  json::Tree tree_;
  std::variant<std::monostate, Batch, StoreBatch> pending_;
};

extern template class Decoder<capture::Request>;
extern template class Decoder<capture::Response>;
extern template class Decoder<materialize::Request>;
extern template class Decoder<materialize::Response>;

// Turns messages into frames.
template <class Message>
class Encoder {
 public:
  explicit Encoder(Codec codec) : codec_(codec) {}

  void put(const Message& message);
  // A document; returns what of it is left to be written between the buffer's content and tail(), since it is
  // large, or else nothing.
  std::string_view put_document(Hot kind, const HotMessage& message);
  // After such a document was written.
  void tail(const HotMessage& message);
  Buffer& buffer() { return out_; }

 private:
  Codec codec_;
  Buffer out_;
  std::string scratch_, compact_;
};

extern template class Encoder<capture::Request>;
extern template class Encoder<capture::Response>;
extern template class Encoder<materialize::Request>;
extern template class Encoder<materialize::Response>;

}  // namespace sluice::protocol
