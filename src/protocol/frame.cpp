#include "frame.hpp"

#include <fmt/format.h>

#include <cstring>

#include "convert.hpp"
#include "json_codec.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/data/packed.hpp"
#include "sluice/json/write.hpp"

namespace sluice::protocol {
namespace {

constexpr std::size_t batch_bytes = 1_MiB;       // of documents that become one item
constexpr std::size_t large_document = 256_KiB;  // worth not to be copied
constexpr std::size_t shown_bytes = 1024;        // of a line in an error

template <class Message>
constexpr bool from_connector =
    std::is_same_v<Message, capture::Response> || std::is_same_v<Message, materialize::Response>;
template <class Message>
constexpr std::string_view peer = from_connector<Message> ? "connector" : "runtime";
template <class Message>
constexpr std::string_view role = from_connector<Message> ? "response" : "request";

[[noreturn]] void fail(std::string message, std::string hint = {}) {
  throw Error(Error::Kind::transient, std::move(message), std::move(hint));
}

// Requests hold configurations, of which no error may speak.
template <class Message>
[[noreturn]] void not_json(std::string_view line, std::string_view why) {
  if constexpr (from_connector<Message>) {
    std::string_view shown = text::cut_utf8(line, shown_bytes);
    fail(fmt::format("could not parse \"{}{}\" into JSON response: {}", shown,
                     shown.size() < line.size() ? "…" : "", why));
  } else {
    fail(fmt::format("could not parse {} bytes into JSON request: {}", line.size(), why));
  }
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool all_blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_blank); }

// The view of a message that came the general way.
HotMessage hot_of(const capture::Captured& m) {
  HotMessage hot;
  hot.binding = m.binding;
  hot.doc = m.doc_json;
  return hot;
}
HotMessage hot_of(const materialize::Loaded& m) {
  HotMessage hot;
  hot.binding = m.binding;
  hot.doc = m.doc_json;
  return hot;
}
HotMessage hot_of(const materialize::Load& m) {
  HotMessage hot;
  hot.binding = m.binding;
  hot.key_json = m.key_json;
  hot.key_packed = m.key_packed;
  return hot;
}
HotMessage hot_of(const materialize::Store& m) {
  HotMessage hot;
  hot.binding = m.binding;
  hot.key_json = m.key_json;
  hot.key_packed = m.key_packed;
  hot.values_json = m.values_json;
  hot.values_packed = m.values_packed;
  hot.doc = m.doc_json;
  hot.exists = m.exists;
  hot.is_delete = m.is_delete;
  return hot;
}

}  // namespace

template <class Message>
std::optional<Item<Message>> Decoder<Message>::next() {
  for (;;) {
    Frame frame = find();
    if (frame.size == 0) return take();
    if (frame.hot) {
      if (!fits(*frame.hot)) return take();
      add(*frame.hot, hot_);
    } else {
      // What was decoded before it goes first; the frame is found again by the next call.
      if (auto before = take()) return before;
      Message message = decode(frame.body);
      if (!add_cold(message)) {
        in_.consume(frame.size);
        message_bytes_ = frame.size;
        return Item<Message>(std::in_place_index<0>, std::move(message));
      }
    }
    in_.consume(frame.size);
  }
}

template <class Message>
void Decoder<Message>::end() const {
  if (in_.empty() || (codec_ == Codec::json && !from_connector<Message> && all_blank(in_.data()))) return;
  fail(fmt::format("{} wrote a partial message and then closed its output", peer<Message>));
}

template <class Message>
typename Decoder<Message>::Frame Decoder<Message>::find() {
  if (codec_ == Codec::proto) return find_wire();
  if constexpr (from_connector<Message>)
    return find_line();
  else
    return find_value();
}

template <class Message>
typename Decoder<Message>::Frame Decoder<Message>::find_wire() {
  Frame frame;
  std::string_view data = in_.data();
  if (data.size() < 4) return frame;
  std::size_t size = 0;
  for (std::size_t i = 4; i-- > 0;) size = size << 8 | static_cast<unsigned char>(data[i]);
  check_size(size);
  if (data.size() - 4 < size) return frame;
  frame.size = 4 + size;
  frame.body = data.substr(4, size);
  frame.hot = hot_wire(frame.body);
  return frame;
}

template <class Message>
typename Decoder<Message>::Frame Decoder<Message>::find_line() {
  Frame frame;
  std::string_view data = in_.data();
  std::size_t end = data.find('\n', scanned_);
  check_size(std::min(end, data.size()));
  if (end == data.npos) {
    scanned_ = data.size();
    return frame;
  }
  scanned_ = 0;
  frame.size = end + 1;
  frame.body = data.substr(0, end);
  std::size_t used = 0;
  frame.hot = hot_json(frame.body, used);
  if (frame.hot && !all_blank(frame.body.substr(used))) frame.hot.reset();
  return frame;
}

template <class Message>
typename Decoder<Message>::Frame Decoder<Message>::find_value() {
  Frame frame;
  if (scanned_ == 0) {
    std::string_view data = in_.data();
    std::size_t blanks = 0;
    while (blanks < data.size() && is_blank(data[blanks])) ++blanks;
    in_.consume(blanks);
    if (in_.empty()) return frame;
    if (in_.data().front() != '{') not_json<Message>(in_.data(), "expected an object");
    frame.hot = hot_json(in_.data(), frame.size);
    if (frame.hot) return frame;
    container_.emplace('{');
  }
  std::string_view data = in_.data();
  std::size_t end = container_->feed(data.substr(scanned_));
  if (end == json::ContainerEnd::npos) {
    scanned_ = data.size();
    return frame;
  }
  frame.size = scanned_ + end;
  frame.body = data.substr(0, frame.size);
  // Its end was not there when the fast way was tried.
  if (scanned_ != 0) frame.hot = hot_json(frame.body, end);
  scanned_ = 0;
  return frame;
}

template <class Message>
std::optional<Hot> Decoder<Message>::hot_wire(std::string_view body) {
  if constexpr (std::is_same_v<Message, capture::Response>) {
    if (decode_wire(Hot::captured, body, hot_)) return Hot::captured;
  } else if constexpr (std::is_same_v<Message, materialize::Response>) {
    if (decode_wire(Hot::loaded, body, hot_)) return Hot::loaded;
  } else if constexpr (std::is_same_v<Message, materialize::Request>) {
    if (decode_wire(Hot::store, body, hot_)) return Hot::store;
    if (decode_wire(Hot::load, body, hot_)) return Hot::load;
  }
  return std::nullopt;
}

template <class Message>
std::optional<Hot> Decoder<Message>::hot_json(std::string_view text, std::size_t& used) {
  auto is = [&](Hot kind) { return (used = decode_json(kind, text, hot_, unpacked_)) != 0; };
  if constexpr (std::is_same_v<Message, capture::Response>) {
    if (is(Hot::captured)) return Hot::captured;
  } else if constexpr (std::is_same_v<Message, materialize::Response>) {
    if (is(Hot::loaded)) return Hot::loaded;
  } else if constexpr (std::is_same_v<Message, materialize::Request>) {
    if (is(Hot::store)) return Hot::store;
    if (is(Hot::load)) return Hot::load;
  }
  used = 0;
  return std::nullopt;
}

template <class Message>
void Decoder<Message>::check_size(std::size_t size) const {
  if constexpr (from_connector<Message>)
    if (size > limit_)
      fail(fmt::format("connector wrote a message of {} bytes or more, over the limit of {} bytes", size,
                       limit_),
           "Documents must be smaller; or raise the limit.");
}

// Whether it may join what is pending.
template <class Message>
bool Decoder<Message>::fits(Hot kind) const {
  if (auto* batch = std::get_if<Batch>(&pending_)) return kind != Hot::store && batch->bytes() < batch_bytes;
  if (auto* stores = std::get_if<StoreBatch>(&pending_))
    return kind == Hot::store && stores->bytes() < batch_bytes;
  return true;
}

template <class Message>
void Decoder<Message>::add(Hot kind, const HotMessage& message) {
  std::string_view doc = message.doc;
  // Responses are lines; requests end where their object does.
  if (!from_connector<Message> && codec_ == Codec::json && doc.find('\n') != doc.npos) {
    compact_.clear();
    json::write_compact(compact_, doc);
    doc = compact_;
  }
  if (kind == Hot::store) {
    StoreBatch::Document store;
    store.binding = message.binding;
    store.key_packed = packed(message.key_packed, message.key_json, unpacked_.key);
    store.values_packed = packed(message.values_packed, message.values_json, unpacked_.values);
    store.doc = doc;
    store.exists = message.exists;
    store.is_delete = message.is_delete;
    pending<StoreBatch>().add(store);
    return;
  }
  if (kind == Hot::load) doc = packed(message.key_packed, message.key_json, unpacked_.key);
  pending<Batch>().add(doc, message.binding);
}

// What documents are gathered in. A run of them mostly goes on to the end of the bytes that are here now, so
// it is given room for those; take() gives back what it did not need.
template <class Message>
template <class Documents>
Documents& Decoder<Message>::pending() {
  constexpr std::size_t makes_a_run = 8, most_documents = 8192;
  if (!std::holds_alternative<Documents>(pending_)) pending_.template emplace<Documents>();
  auto& documents = std::get<Documents>(pending_);
  if (documents.size() != makes_a_run) return documents;
  std::size_t each = documents.bytes() / makes_a_run + 1;
  std::size_t bytes = std::min(documents.bytes() + in_.size(), batch_bytes + each);
  documents.reserve(bytes, std::min(bytes / each + 1, most_documents));
  return documents;
}

// False if it is no message of documents.
template <class Message>
bool Decoder<Message>::add_cold(const Message& message) {
  if constexpr (std::is_same_v<Message, capture::Response>) {
    if (auto* m = std::get_if<capture::Captured>(&message)) return add(Hot::captured, hot_of(*m)), true;
  } else if constexpr (std::is_same_v<Message, materialize::Response>) {
    if (auto* m = std::get_if<materialize::Loaded>(&message)) return add(Hot::loaded, hot_of(*m)), true;
  } else if constexpr (std::is_same_v<Message, materialize::Request>) {
    if (auto* m = std::get_if<materialize::Load>(&message)) return add(Hot::load, hot_of(*m)), true;
    if (auto* m = std::get_if<materialize::Store>(&message)) return add(Hot::store, hot_of(*m)), true;
  }
  return false;
}

// Packed if it is there, else the elements of the JSON array.
template <class Message>
std::string_view Decoder<Message>::packed(std::string_view binary, std::string_view json,
                                          std::string& scratch) {
  if (!binary.empty() || json.empty()) return binary;
  try {
    tree_.parse(json);
  } catch (const Error& e) {
    fail("a key or values tuple is not JSON: " + e.message());
  }
  if (tree_.root().kind != json::Kind::array) fail("a key or values tuple must be a JSON array");
  scratch.clear();
  for (const json::Node& element : tree_.children(tree_.root())) data::pack(scratch, tree_, &element);
  return scratch;
}

template <class Message>
Message Decoder<Message>::decode(std::string_view body) const {
  typename ProtoOf<Message>::Type proto;
  if (codec_ == Codec::json) {
    try {
      parse_json(body, proto, from_connector<Message> ? UnknownFields::reject : UnknownFields::ignore);
    } catch (const Error& e) {
      not_json<Message>(body, e.message());
    }
  } else {
    parse_wire(body, proto);
  }
  Message message;
  from_proto(proto, message);
  return message;
}

template <class Message>
std::optional<Item<Message>> Decoder<Message>::take() {
  std::optional<Item<Message>> item;
  auto give = [&](auto& documents) {
    documents.trim();
    item.emplace(std::move(documents));
  };
  if (auto* batch = std::get_if<Batch>(&pending_)) give(*batch);
  if (auto* stores = std::get_if<StoreBatch>(&pending_)) give(*stores);
  pending_.template emplace<std::monostate>();
  return item;
}

template <class Message>
void Encoder<Message>::put(const Message& message) {
  typename ProtoOf<Message>::Type proto;
  to_proto(message, proto);
  scratch_.clear();
  if (codec_ == Codec::json) {
    append_json(scratch_, proto);
    scratch_ += '\n';
    out_.append(scratch_);
    return;
  }
  append_wire(scratch_, proto);
  auto size = static_cast<std::uint32_t>(scratch_.size());
  char prefix[4];
  for (int i = 0; i < 4; ++i) prefix[i] = static_cast<char>(size >> (8 * i));
  out_.append({prefix, 4});
  out_.append(scratch_);
}

template <class Message>
std::string_view Encoder<Message>::put_document(Hot kind, const HotMessage& message) {
  HotMessage framed = message;
  if (codec_ == Codec::json) {
    if (message.doc.find('\n') != message.doc.npos) {
      compact_.clear();
      json::write_compact(compact_, message.doc);
      framed.doc = compact_;
    }
    encode_json_head(kind, framed, out_, scratch_);
  } else {
    encode_wire_head(kind, framed, out_);
  }
  if (framed.doc.size() >= large_document) return framed.doc;
  out_.append(framed.doc);
  tail(message);
  return {};
}

template <class Message>
void Encoder<Message>::tail(const HotMessage& message) {
  if (codec_ == Codec::json)
    encode_json_tail(message, out_);
  else
    encode_wire_tail(message, out_);
}

template class Decoder<capture::Request>;
template class Decoder<capture::Response>;
template class Decoder<materialize::Request>;
template class Decoder<materialize::Response>;
template class Encoder<capture::Request>;
template class Encoder<capture::Response>;
template class Encoder<materialize::Request>;
template class Encoder<materialize::Response>;

}  // namespace sluice::protocol
