#include "sluice/pg/pgoutput.hpp"

#include <gtest/gtest.h>

#include "messages.hpp"
#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::pg {
namespace {

using namespace pgoutput;

std::string show(const Tuple& tuple) {
  std::string out;
  for (std::size_t i = 0; i < tuple.count; ++i) {
    const Field& field = tuple.fields[i];
    if (i > 0) out += "|";
    out += field.state == Field::State::null      ? "<null>"
           : field.state == Field::State::omitted ? "<same>"
                                                  : std::string(field.text);
  }
  return out;
}

TEST(Frames, DataAndKeepalives) {
  Wire frame;  // the payload is a view of it
  frame.letter('w').u64(1).u64(2).u64(3).raw("payload");
  auto data = std::get<XLogData>(decode_frame(frame.bytes));
  EXPECT_EQ(data.start.value, 1u);
  EXPECT_EQ(data.end.value, 2u);
  EXPECT_EQ(data.server_time_us, 3);
  EXPECT_EQ(data.payload, "payload");
  auto keepalive =
      std::get<Keepalive>(decode_frame(Wire().letter('k').u64(0x16B374D848).u64(~0ull).letter(1).bytes));
  EXPECT_EQ(keepalive.wal_end.text(), "16/B374D848");
  EXPECT_EQ(keepalive.server_time_us, -1);
  EXPECT_TRUE(keepalive.reply_requested);
}

TEST(Frames, StatusUpdate) {
  EXPECT_EQ(text::hex(encode_status(Lsn{0x0102030405060708}, -2, true)),
            "72"
            "0102030405060708"
            "0102030405060708"
            "0102030405060708"
            "fffffffffffffffe"
            "01");
  EXPECT_EQ(encode_status(Lsn{}, 0, false), "r" + std::string(33, '\0'));
}

TEST(Frames, OthersAreRefusedWithTheirFirstBytes) {
  for (std::string bytes :
       {std::string(), std::string("x1234"), std::string("w"), std::string("k") + std::string(18, '\0')}) {
    try {
      decode_frame(bytes);
      ADD_FAILURE() << bytes;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::transient);
      EXPECT_NE(e.message().find("(it starts with " + text::hex(bytes)), std::string::npos) << e.message();
    }
  }
}

TEST(Pgoutput, Transactions) {
  Decoder decoder;
  auto begin = std::get<Begin>(decoder.decode(Wire().letter('B').u64(7).u64(8).u32(9).bytes));
  EXPECT_EQ(begin.final_lsn.value, 7u);
  EXPECT_EQ(begin.commit_time_us, 8);
  EXPECT_EQ(begin.xid, 9u);
  auto commit = std::get<Commit>(decoder.decode(Wire().letter('C').letter(0).u64(7).u64(10).u64(8).bytes));
  EXPECT_EQ(commit.commit_lsn.value, 7u);
  EXPECT_EQ(commit.end_lsn.value, 10u);
}

TEST(Pgoutput, Relations) {
  Decoder decoder;
  Wire wire;
  wire.letter('R').u32(16384).text("public").text("Orders").letter('f').u16(2);
  wire.letter(1).text("id").u32(23).u32(~0u);
  wire.letter(0).text("note").u32(1043).u32(44);
  auto relation = std::get<Relation>(decoder.decode(wire.bytes));
  EXPECT_EQ(relation.oid, 16384u);
  EXPECT_EQ(relation.schema, "public");
  EXPECT_EQ(relation.table, "Orders");
  EXPECT_EQ(relation.identity, 'f');
  ASSERT_EQ(relation.columns.size(), 2u);
  EXPECT_TRUE(relation.columns[0].key);
  EXPECT_EQ(relation.columns[0].typmod, -1);
  EXPECT_EQ(relation.columns[1].name, "note");
  EXPECT_EQ(relation.columns[1].type, 1043u);
  EXPECT_EQ(relation.columns[1].typmod, 44);
  EXPECT_FALSE(relation.columns[1].key);
  auto system = std::get<Relation>(
      decoder.decode(Wire().letter('R').u32(1).text("").text("t").letter('d').u16(0).bytes));
  EXPECT_EQ(system.schema, "pg_catalog");
}

TEST(Pgoutput, Rows) {
  Decoder decoder;
  Wire wire = Wire().letter('I').u32(5).letter('N').tuple({"1", nullptr, "", unchanged});
  auto insert = std::get<Insert>(decoder.decode(wire.bytes));
  EXPECT_EQ(insert.relation, 5u);
  EXPECT_EQ(show(insert.row), "1|<null>||<same>");
  wire = Wire().letter('U').u32(5).letter('N').tuple({"1"});
  auto plain = std::get<Update>(decoder.decode(wire.bytes));
  EXPECT_EQ(plain.old_kind, 0);
  EXPECT_EQ(plain.old_row.count, 0u);
  wire = Wire().letter('U').u32(5).letter('K').tuple({"1", nullptr}).letter('N').tuple({"2", "x"});
  auto update = std::get<Update>(decoder.decode(wire.bytes));
  EXPECT_EQ(update.old_kind, 'K');
  EXPECT_EQ(show(update.old_row), "1|<null>");
  EXPECT_EQ(show(update.row), "2|x");
  wire = Wire().letter('D').u32(5).letter('O').tuple({"2", "x"});
  auto gone = std::get<Delete>(decoder.decode(wire.bytes));
  EXPECT_EQ(gone.old_kind, 'O');
  EXPECT_EQ(show(gone.old_row), "2|x");
}

TEST(Pgoutput, TruncateAndWhatIsIgnored) {
  Decoder decoder;
  auto truncate = std::get<Truncate>(decoder.decode(Wire().letter('T').u32(2).letter(3).u32(5).u32(6).bytes));
  EXPECT_EQ(truncate.relations, (std::vector<Oid>{5, 6}));
  EXPECT_TRUE(truncate.cascade);
  EXPECT_TRUE(truncate.restart_identity);
  for (char tag : {'Y', 'O', 'M'})
    EXPECT_EQ(std::get<Ignored>(decoder.decode(std::string(1, tag) + "rest")).tag, tag);
}

TEST(Pgoutput, EveryPrefixIsRefused) {
  Decoder decoder;
  for (const std::string& message : sample_messages()) {
    EXPECT_NO_THROW(decoder.decode(message));
    for (std::size_t length = 0; length < message.size(); ++length)
      EXPECT_THROW(decoder.decode(std::string_view(message).substr(0, length)), Error)
          << text::hex(message) << " cut to " << length;
    EXPECT_THROW(decoder.decode(message + "x"), Error) << text::hex(message);
  }
}

TEST(Pgoutput, BinaryAndUnknownAreRefused) {
  Decoder decoder;
  auto fails = [&](const Wire& wire, std::string_view why) {
    try {
      decoder.decode(wire.bytes);
      ADD_FAILURE() << why;
    } catch (const Error& e) {
      EXPECT_NE(e.message().find(why), std::string::npos) << e.message();
    }
  };
  fails(Wire().letter('I').u32(5).letter('N').u16(1).letter('b').u32(4).u32(1), "binary");
  fails(Wire().letter('I').u32(5).letter('N').u16(1).letter('z'), "unknown marker");
  fails(Wire().letter('I').u32(5).letter('N').u16(1).letter('t').u32(~0u), "negative length");
  fails(Wire().letter('I').u32(5).letter('X').u16(0), "unknown kind");
  fails(Wire().letter('U').u32(5).letter('X').u16(0), "unknown kind");
  fails(Wire().letter('D').u32(5).letter('N').u16(0), "unknown kind");
  fails(Wire().letter('S').u32(5), "type is unknown");
}

}  // namespace
}  // namespace sluice::pg
