#include "sluice/pg/pgoutput.hpp"

#include <bit>
#include <cstring>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::pg {
namespace {

std::uint16_t reversed(std::uint16_t v) { return __builtin_bswap16(v); }
std::uint32_t reversed(std::uint32_t v) { return __builtin_bswap32(v); }
std::uint64_t reversed(std::uint64_t v) { return __builtin_bswap64(v); }

// Reads big-endian values from the front of a message.
class Bytes {
 public:
  explicit Bytes(std::string_view whole) : whole_(whole), rest_(whole) {}
  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  std::string_view take(std::size_t count) {
    if (count > rest_.size()) fail("it is cut off");
    std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  template <class T>
  T integer() {
    std::make_unsigned_t<T> value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    if constexpr (std::endian::native == std::endian::little) value = reversed(value);
    return static_cast<T>(value);
  }
  char letter() { return take(1)[0]; }
  Lsn lsn() { return Lsn{integer<std::uint64_t>()}; }
  // Zero-terminated.
  std::string_view string() {
    std::size_t zero = rest_.find('\0');
    if (zero == rest_.npos) fail("a name has no end");
    std::string_view text = take(zero);
    take(1);
    return text;
  }
  void expect_end() const {
    if (!rest_.empty()) fail("bytes are left over");
  }
  [[noreturn]] void fail(std::string_view why) const {
    constexpr std::size_t most = 32;
    throw Error(Error::Kind::transient,
                fmt::format("replication message of {} bytes is not understood: {} (it starts with {})",
                            whole_.size(), why, text::hex(whole_.substr(0, most))),
                "Is the slot's plugin pgoutput, and nothing but a PostgreSQL server between?");
  }

 private:
  std::string_view whole_, rest_;
};

void put(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

}  // namespace

std::variant<XLogData, Keepalive> decode_frame(std::string_view bytes) {
  Bytes in(bytes);
  switch (in.done() ? '\0' : in.letter()) {
    case 'w': {
      XLogData data;
      data.start = in.lsn();
      data.end = in.lsn();
      data.server_time_us = in.integer<std::int64_t>();
      data.payload = in.rest();
      return data;
    }
    case 'k': {
      Keepalive keepalive;
      keepalive.wal_end = in.lsn();
      keepalive.server_time_us = in.integer<std::int64_t>();
      keepalive.reply_requested = in.letter() != 0;
      in.expect_end();
      return keepalive;
    }
    default:
      in.fail("it is neither data nor keepalive");
  }
}

std::string encode_status(Lsn position, std::int64_t time_us_since_2000, bool request_reply) {
  std::string out = "r";
  for (int i = 0; i < 3; ++i) put(out, position.value);
  put(out, static_cast<std::uint64_t>(time_us_since_2000));
  out += request_reply ? '\1' : '\0';
  return out;
}

namespace pgoutput {
namespace {

Begin begin(Bytes& in) {
  Begin message;
  message.final_lsn = in.lsn();
  message.commit_time_us = in.integer<std::int64_t>();
  message.xid = in.integer<std::uint32_t>();
  return message;
}

Commit commit(Bytes& in) {
  Commit message;
  in.letter();  // flags, none defined
  message.commit_lsn = in.lsn();
  message.end_lsn = in.lsn();
  message.commit_time_us = in.integer<std::int64_t>();
  return message;
}

Relation relation(Bytes& in) {
  Relation message;
  message.oid = in.integer<Oid>();
  message.schema = in.string();
  if (message.schema.empty()) message.schema = "pg_catalog";  // so the protocol abbreviates it
  message.table = in.string();
  message.identity = in.letter();
  auto count = in.integer<std::uint16_t>();
  for (std::uint16_t i = 0; i < count; ++i) {
    RelationColumn column;
    column.key = (in.letter() & 1) != 0;
    column.name = in.string();
    column.type = in.integer<Oid>();
    column.typmod = in.integer<std::int32_t>();
    message.columns.push_back(std::move(column));
  }
  return message;
}

Truncate truncate(Bytes& in) {
  Truncate message;
  auto count = in.integer<std::uint32_t>();
  auto options = in.letter();
  message.cascade = (options & 1) != 0;
  message.restart_identity = (options & 2) != 0;
  for (std::uint32_t i = 0; i < count; ++i) message.relations.push_back(in.integer<Oid>());
  return message;
}

Field value(Bytes& in) {
  Field field;
  char marker = in.letter();
  switch (marker) {
    case 'n':
      break;
    case 'u':
      field.state = Field::State::omitted;
      break;
    case 't': {
      auto length = in.integer<std::int32_t>();
      if (length < 0) in.fail("a value has a negative length");
      field.state = Field::State::text;
      field.text = in.take(static_cast<std::size_t>(length));
      break;
    }
    case 'b':
      in.fail("a value is in binary format, which was not asked for");
    default:
      in.fail("a value has an unknown marker");
  }
  return field;
}

Tuple tuple(Bytes& in, std::vector<Field>& fields) {
  auto count = in.integer<std::uint16_t>();
  fields.clear();
  for (std::uint16_t i = 0; i < count; ++i) fields.push_back(value(in));
  return {fields.data(), fields.size()};
}

void expect(Bytes& in, char wanted) {
  if (in.letter() != wanted) in.fail("a tuple has an unknown kind");
}

}  // namespace

Message Decoder::decode(std::string_view payload) {
  Bytes in(payload);
  char tag = in.letter();
  auto whole = [&](auto message) -> Message {
    in.expect_end();
    return message;
  };
  switch (tag) {
    case 'B':
      return whole(begin(in));
    case 'C':
      return whole(commit(in));
    case 'R':
      return whole(relation(in));
    case 'T':
      return whole(truncate(in));
    case 'I': {
      Insert message;
      message.relation = in.integer<Oid>();
      expect(in, 'N');
      message.row = tuple(in, new_);
      return whole(message);
    }
    case 'U': {
      Update message;
      message.relation = in.integer<Oid>();
      char kind = in.letter();
      if (kind == 'K' || kind == 'O') {
        message.old_kind = kind;
        message.old_row = tuple(in, old_);
        kind = in.letter();
      }
      if (kind != 'N') in.fail("a tuple has an unknown kind");
      message.row = tuple(in, new_);
      return whole(message);
    }
    case 'D': {
      Delete message;
      message.relation = in.integer<Oid>();
      message.old_kind = in.letter();
      if (message.old_kind != 'K' && message.old_kind != 'O') in.fail("a tuple has an unknown kind");
      message.old_row = tuple(in, old_);
      return whole(message);
    }
    case 'Y':
    case 'O':
    case 'M':
      return Ignored{tag};
    default:
      in.fail("its type is unknown");
  }
}

}  // namespace pgoutput
}  // namespace sluice::pg
