#include <gtest/gtest.h>

#include "catalog.hpp"
#include "sluice/base/error.hpp"
#include "sluice/pg/types.hpp"

namespace sluice::pg {
namespace {

Field text(std::string_view value) { return {Field::State::text, value}; }
const Field null, omitted{Field::State::omitted, {}};

std::string row(const RowWriter& writer, std::vector<Field> fields, std::string_view meta) {
  std::string out;
  writer.append(out, fields.data(), fields.size(), meta);
  return out;
}

TEST(Rows, PropertiesAreInBytewiseOrderWithMetaAmongThem) {
  RowWriter writer(sample_catalog(), {{"id", 23, true}, {"Name", 25}, {"_z", 16}, {"_a", 16}, {"é", 23}}, {});
  std::vector<Field> fields = {text("1"), text("x"), text("t"), text("f"), text("2")};
  EXPECT_EQ(row(writer, fields, R"({"op":"c"})"),
            R"({"Name":"x","_a":false,"_meta":{"op":"c"},"_z":true,"id":1,"é":2})");
  EXPECT_EQ(row(writer, fields, ""), R"({"Name":"x","_a":false,"_z":true,"id":1,"é":2})");
}

TEST(Rows, NullIsNotOmitted) {
  RowWriter writer(sample_catalog(), {{"a", 23}, {"b", 23}, {"c", 23}}, {});
  EXPECT_EQ(row(writer, {null, omitted, text("3")}, "{}"), R"({"_meta":{},"a":null,"c":3})");
  EXPECT_EQ(row(writer, {omitted, text("2"), omitted}, ""), R"({"b":2})");
  EXPECT_EQ(row(writer, {omitted, omitted, omitted}, ""), "{}");
  EXPECT_EQ(row(writer, {omitted, omitted, omitted}, "1"), R"({"_meta":1})");
}

TEST(Rows, ColumnsNotCapturedAreLeftOut) {
  RowWriter writer(sample_catalog(), {{"a", 23}, {"generated", 23, false, false}, {"c", 23}}, {});
  EXPECT_EQ(row(writer, {text("1"), text("not even a number"), text("3")}, "{}"),
            R"({"_meta":{},"a":1,"c":3})");
}

TEST(Rows, NamesAreEscaped) {
  RowWriter writer(sample_catalog(), {{"a\"b\\c\n", 23}, {"", 23}}, {});
  EXPECT_EQ(row(writer, {text("1"), text("2")}, "{}"), R"({"":2,"_meta":{},"a\"b\\c\n":1})");
}

TEST(Rows, FloatsAreStringsOnlyInKeys) {
  RowWriter writer(sample_catalog(), {{"k", 701, true}, {"v", 701}}, {});
  EXPECT_EQ(row(writer, {text("1.5"), text("1.5")}, ""), R"({"k":"1.5","v":1.5})");
}

TEST(Rows, FailuresNameTheColumn) {
  RowWriter writer(sample_catalog(), {{"a", 23}, {"total", 23}}, {});
  try {
    row(writer, {text("1"), text("x")}, "");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "column \"total\": 'x' is not how a server prints a value of type integer");
  }
  try {
    row(writer, {text("1")}, "");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "a row has 1 values and its table 2 columns");
  }
}

// Lines of COPY.

std::vector<std::string> split(std::string line) {
  Field fields[16];
  std::size_t count = split_copy_line(line.data(), line.size(), fields, 16);
  std::vector<std::string> result;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, 16); ++i)
    result.push_back(fields[i].state == Field::State::null ? "<null>" : std::string(fields[i].text));
  return result;
}
using Strings = std::vector<std::string>;

TEST(CopyLines, FieldsAndNulls) {
  EXPECT_EQ(split("1\tabc\t\\N\t\n"), (Strings{"1", "abc", "<null>", ""}));
  EXPECT_EQ(split("\\N\n"), (Strings{"<null>"}));
  EXPECT_EQ(split("\\N\t\\N"), (Strings{"<null>", "<null>"}));
  EXPECT_EQ(split("\n"), (Strings{""}));
  EXPECT_EQ(split(""), (Strings{""}));
  EXPECT_EQ(split("\t\t"), (Strings{"", "", ""}));
  EXPECT_EQ(split("\\\\N\n"), (Strings{"\\N"}));
  EXPECT_EQ(split("\\Nx\n"), (Strings{"Nx"}));
  EXPECT_EQ(split("x\\N\n"), (Strings{"xN"}));
}

TEST(CopyLines, Escapes) {
  EXPECT_EQ(split("a\\tb\\nc\\rd\\\\e\\bf\\fg\\vh\n"), (Strings{"a\tb\nc\rd\\e\bf\fg\vh"}));
  EXPECT_EQ(split("\\101\\x42\\x4\\7\\q\n"), (Strings{"AB\x04\x07q"}));
  EXPECT_EQ(split("\\1011\\xzz\\x4g\n"), (Strings{"A1xzz\x04g"}));
  EXPECT_EQ(split("\\\\\\\\\\t\tlast\\\\\n"), (Strings{"\\\\\t", "last\\"}));
  EXPECT_EQ(split("odd\\"), (Strings{"odd\\"}));
  EXPECT_EQ(split("a long field with one\\tescape and a long tail after it\tnext\\\\one\tplain\n"),
            (Strings{"a long field with one\tescape and a long tail after it", "next\\one", "plain"}));
}

TEST(CopyLines, EveryAlignment) {
  for (std::size_t before = 0; before < 24; ++before)
    for (std::size_t after = 0; after < 24; ++after) {
      std::string a(before, 'a'), b(after, 'b');
      ASSERT_EQ(split(a + "\t" + b + "\\n" + a + "\t" + b + "\n"), (Strings{a, b + "\n" + a, b}));
    }
}

TEST(CopyLines, MoreFieldsThanExpectedAreCounted) {
  std::string line = "1\t2\t3\t4\n";
  Field fields[2];
  EXPECT_EQ(split_copy_line(line.data(), line.size(), fields, 2), 4u);
  EXPECT_EQ(fields[1].text, "2");
  EXPECT_EQ(split_copy_line(line.data(), line.size(), nullptr, 0), 4u);
}

}  // namespace
}  // namespace sluice::pg
