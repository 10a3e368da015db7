#include <algorithm>
#include <random>

#include "sluice/base/text.hpp"
#include "sluice/cdc/position.hpp"
#include "source-postgres/key_codec.hpp"
#include "support.hpp"

// Positions of numeric keys: their bytes, their order, and back to the server.
namespace sluice::source_test {
namespace {

namespace position = cdc::position;
using source_postgres::KeyCodec;

constexpr pg::Oid numeric_oid = 1700;

std::string packed(const KeyCodec& codec, const std::string& text) {
  pg::Field field;
  field.state = pg::Field::State::text;
  field.text = text;
  std::string out;
  codec.append(out, 0, field);
  return out;
}

// The part that decides the order, in hex: the tuple of exponent and digits.
std::string order_part(const std::string& packed) {
  auto elements = position::read(packed);
  const auto& inner =
      std::get<position::Tuple>(std::get<position::Tuple>(elements.at(0).value).elements.at(1).value);
  std::string out;
  position::put(out, std::get<std::int64_t>(inner.elements.at(0).value));
  position::put_bytes(out, std::get<position::Bytes>(inner.elements.at(1).value).bytes);
  return text::hex(out);
}

class NumericKeys : public Source {
 protected:
  NumericKeys() {
    run([&](Context& context) -> Task<> {
      auto db = co_await pg::Connection::connect(context, database_.options());
      types_ = co_await pg::TypeCatalog::load(*db);
    });
    codec_ = KeyCodec(types_, {numeric_oid});
  }
  pg::TypeCatalog types_;
  KeyCodec codec_;
};

TEST_F(NumericKeys, HaveTheBytesOfOtherImplementations) {
  auto expected = [](std::int64_t exponent, std::string_view digits) {
    std::string out;
    position::put(out, exponent);
    out += '\x01';
    out += digits;
    out += '\0';
    return text::hex(out);
  };
  EXPECT_EQ(order_part(packed(codec_, "1")), expected(20'001, "1"));
  EXPECT_EQ(order_part(packed(codec_, "0")), expected(0, ""));
  EXPECT_EQ(order_part(packed(codec_, "0.00")), expected(0, ""));
  EXPECT_EQ(order_part(packed(codec_, "-1")), expected(-20'001, "8:"));
  EXPECT_EQ(order_part(packed(codec_, "-0.012309")), expected(-19'999, "87690:"));
  EXPECT_EQ(order_part(packed(codec_, "-123400000")), expected(-20'009, "8765:"));
  EXPECT_EQ(text::hex(packed(codec_, "1.5")),
            "05"
            "024e00"
            "05"
            "164e21"
            "01313500"
            "00"
            "01"
            "00ff02"
            "00ff00ff"
            "00ff00ff"
            "00ff01"
            "00ff01"
            "1388"
            "00"
            "00");
}

TEST_F(NumericKeys, OfFormerVersionsAreTakenOver) {
  for (const char* number : {"1", "0", "-12.34", "NaN", "Infinity", "-Infinity"}) {
    std::string now = packed(codec_, number), before;
    auto elements = position::read(now);
    const auto& outer = std::get<position::Tuple>(elements.at(0).value);
    const auto& inner = std::get<position::Tuple>(outer.elements.at(1).value);
    std::string order, all;
    position::put(order, std::get<std::int64_t>(inner.elements.at(0).value));
    position::put_string(order, std::get<position::Bytes>(inner.elements.at(1).value).bytes);
    position::put_string(all, "N");
    position::put_tuple(all, order);
    position::put_bytes(all, std::get<position::Bytes>(outer.elements.at(2).value).bytes);
    position::put_tuple(before, all);
    EXPECT_NE(before, now);
    EXPECT_EQ(codec_.literals(before), codec_.literals(now));
    EXPECT_EQ(text::hex(source_postgres::renewed_position(before)), text::hex(now)) << number;
    EXPECT_EQ(text::hex(source_postgres::renewed_position(now)), text::hex(now)) << number;
  }
  std::string others;
  position::put_null(others);
  position::put(others, true);
  position::put(others, -1.5);
  position::put(others, 2.5f);
  position::put_string(others, std::string_view("a\0b", 3));
  position::put_bytes(others, "c");
  EXPECT_EQ(source_postgres::renewed_position(others), others);
}

TEST_F(NumericKeys, AreInTheServersOrderAndComeBack) {
  // Signs, magnitudes and scales of all kinds; the server sorts them, and its own text is packed.
  sql("SELECT setseed(0.25); CREATE TABLE test.n AS SELECT (CASE WHEN random() < 0.5 THEN -1 ELSE 1 END * "
      "round((random() * 10 ^ (random() * 9)::int)::numeric, (random() * 8)::int) * (CASE WHEN random() < "
      "0.3 "
      "THEN (10::numeric) ^ ((random() * 80)::int - 40) ELSE 1 END)) AS n FROM generate_series(1, 20000)");
  pg::Rows rows = sql("SELECT n::text AS shown FROM test.n ORDER BY n");
  ASSERT_EQ(rows.size(), 20'000u);
  pg::Rows equal = sql("SELECT n = lag(n) OVER (ORDER BY n) FROM test.n ORDER BY n");
  std::string before, list;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string now = packed(codec_, rows.text(i, 0));
    if (equal.text(i, 0) == "t")
      ASSERT_EQ(before, now) << rows.text(i, 0);
    else
      ASSERT_LT(before, now) << rows.text(i, 0);
    list += (i == 0 ? "(" : ",(") + pg::quote_literal(rows.text(i, 0)) + "::numeric, " +
            codec_.literals(now).at(0) + ")";
    before = std::move(now);
  }
  EXPECT_EQ(sql("SELECT count(*) FROM (VALUES " + list + ") AS v (n, back) WHERE n <> back").text(0, 0), "0");
}

TEST_F(NumericKeys, ThatAreEqualButShownWithAnotherScaleKeepTheOrderOfCompositeKeys) {
  sql("CREATE TABLE test.t (n numeric, k int, PRIMARY KEY (n, k)); INSERT INTO test.t VALUES (1.00, 1), (1, "
      "2), "
      "(1.0, 3), (0.00, 4), (0, 5)");
  Transcript all = capture({{.name = "t", .key = {"n", "k"}}}, {{"backfill_chunk_size", "1"}});
  std::string order;
  for (const Document& document : all.documents) order += at(document.json, "/k");
  EXPECT_EQ(order, "45123");
}

}  // namespace
}  // namespace sluice::source_test
