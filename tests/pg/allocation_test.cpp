// In steady state no row allocates (allocations are counted in the whole program).
#include <gtest/gtest.h>

#include "../../bench/allocations.hpp"
#include "catalog.hpp"
#include "messages.hpp"
#include "sluice/pg/pgoutput.hpp"

namespace sluice::pg {
namespace {

struct Sample {
  Oid type;
  const char* copy;  // as a field of COPY text
  const char* text;  // as in a replication message
};

std::vector<Sample> samples() {
  return {{23, "42", "42"},
          {25, "a longer text with \\\\ and \\t and ü", "a longer text with \\ and \t and ü"},
          {25, "\\N", nullptr},
          {701, "1.5e+20", "1.5e+20"},
          {1700, "123456.7890", "123456.7890"},
          {1184, "2024-02-29 12:34:56.789+00", "2024-02-29 12:34:56.789+00"},
          {1186, "1 year 2 mons -3 days +04:05:06.7", "1 year 2 mons -3 days +04:05:06.7"},
          {114, "{\"a\" : [1, \"x\\\\n\"]}", "{\"a\" : [1, \"x\\n\"]}"},
          {3802, "{\"a\": [1, 2]}", "{\"a\": [1, 2]}"},
          {17, "\\\\xdeadbeef00112233445566778899", "\\xdeadbeef00112233445566778899"},
          {1009, "{a,\"b c\",\"an escaped \\\\\\\"element\\\\\\\" of some length\",NULL}",
           "{a,\"b c\",\"an escaped \\\"element\\\" of some length\",NULL}"},
          {3908, "[\"2024-01-01 00:00:00\",)", "[\"2024-01-01 00:00:00\",)"},
          {869, "10.0.0.1", "10.0.0.1"}};
}

RowWriter writer(const ValueOptions& options) {
  std::vector<RowColumn> columns;
  for (const Sample& sample : samples())
    columns.push_back({"column " + std::to_string(columns.size()), sample.type});
  return RowWriter(sample_catalog(), std::move(columns), options);
}

constexpr std::string_view meta = R"({"op":"c","source":{"loc":[-1,0,0],"schema":"public","table":"t"}})";

// Calls row() often and returns how many allocations that took once warm.
template <class Row>
std::size_t allocations_of(Row row) {
  for (int i = 0; i < 3; ++i) row();
  std::size_t before = allocations();
  for (int i = 0; i < 1000; ++i) row();
  return allocations() - before;
}

class Allocations : public ::testing::TestWithParam<ValueOptions> {};

TEST_P(Allocations, NoneByCopyLinesAndReplicationMessages) {
  RowWriter rows = writer(GetParam());
  std::string line, work, copied, streamed;
  std::vector<const char*> values;
  for (const Sample& sample : samples()) {
    line += (line.empty() ? "" : "\t") + std::string(sample.copy);
    values.push_back(sample.text);
  }
  std::vector<Field> fields(samples().size());
  auto by_copy = [&] {
    work = line;
    std::size_t count = split_copy_line(work.data(), work.size(), fields.data(), fields.size());
    copied.clear();
    rows.append(copied, fields.data(), count, meta);
  };
  EXPECT_EQ(allocations_of(by_copy), 0u);

  std::string frame =
      Wire().letter('w').u64(1).u64(2).u64(3).letter('I').u32(1).letter('N').tuple(values).bytes;
  pgoutput::Decoder decoder;
  auto by_stream = [&] {
    auto data = std::get<XLogData>(decode_frame(frame));
    auto insert = std::get<pgoutput::Insert>(decoder.decode(data.payload));
    streamed.clear();
    rows.append(streamed, insert.row.fields, insert.row.count, meta);
  };
  EXPECT_EQ(allocations_of(by_stream), 0u);
  EXPECT_EQ(copied, streamed);
}

ValueOptions arrays(bool flat, bool nested) {
  ValueOptions options;
  options.flatten_arrays = flat;
  options.multidimensional_arrays = nested;
  return options;
}
INSTANTIATE_TEST_SUITE_P(Rows, Allocations,
                         ::testing::Values(arrays(true, false), arrays(false, false), arrays(true, true)));

}  // namespace
}  // namespace sluice::pg
