#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sluice/pg/connection.hpp"
#include "sluice/pg/types.hpp"

// Logical replication messages (manual: Logical Replication Message Formats, Streaming Replication Protocol),
// as pure decoding: bytes in, views out. Every decode throws Error{transient} on bytes that do not parse.
namespace sluice::pg {

struct XLogData {
  Lsn start, end;
  std::int64_t server_time_us = 0;
  std::string_view payload;
};
struct Keepalive {
  Lsn wal_end;
  std::int64_t server_time_us = 0;
  bool reply_requested = false;
};
// A CopyData message of a walsender.
std::variant<XLogData, Keepalive> decode_frame(std::string_view bytes);
// The standby status update: one position for written, flushed and applied.
std::string encode_status(Lsn position, std::int64_t time_us_since_2000, bool request_reply);

namespace pgoutput {

struct Begin {
  Lsn final_lsn;
  std::int64_t commit_time_us = 0;  // since 2000-01-01 UTC
  std::uint32_t xid = 0;
};
struct Commit {
  Lsn commit_lsn, end_lsn;
  std::int64_t commit_time_us = 0;
};
struct RelationColumn {
  std::string name;
  Oid type = 0;
  std::int32_t typmod = -1;
  bool key = false;
};
struct Relation {
  Oid oid = 0;
  std::string schema, table;
  char identity = 'd';  // d default, n nothing, f full, i index
  std::vector<RelationColumn> columns;
};
// A tuple's values in column order; `fields` belongs to the decoder and lives until its next call.
struct Tuple {
  const Field* fields = nullptr;  // state omitted: unchanged TOAST
  std::size_t count = 0;
};
struct Insert {
  Oid relation = 0;
  Tuple row;
};
struct Update {
  Oid relation = 0;
  char old_kind = 0;  // 0 none, 'K' key, 'O' full
  Tuple old_row, row;
};
struct Delete {
  Oid relation = 0;
  char old_kind = 'K';
  Tuple old_row;
};
struct Truncate {
  std::vector<Oid> relations;
  bool cascade = false, restart_identity = false;
};
struct Ignored {
  char tag = 0;  // Y type, O origin, M logical message
};
using Message = std::variant<Begin, Commit, Relation, Insert, Update, Delete, Truncate, Ignored>;

// Holds the memory that tuples of the last message point to, reused from message to message.
class Decoder {
 public:
  Message decode(std::string_view payload);

 private:
  std::vector<Field> old_, new_;
};

}  // namespace pgoutput
}  // namespace sluice::pg
