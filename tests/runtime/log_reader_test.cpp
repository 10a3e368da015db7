#include "sluice/runtime/log_reader.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "sluice/base/error.hpp"
#include "sluice/runtime/uuid.hpp"
#include "temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using protocol::CheckpointSource;
using testing::TemporaryFolder;

constexpr std::uint64_t epoch = 0x1ee833b04afc0000;

std::string line(int id, unsigned char producer, std::uint64_t clock, std::uint16_t flags) {
  std::string uuid(uuid_length, ' ');
  write_uuid({epoch + clock, flags, {1, 0, 0, 0, 0, producer}}, uuid.data());
  if (flags & Uuid::ack_txn) return "{\"_meta\":{\"ack\":true,\"uuid\":\"" + uuid + "\"}}\n";
  return "{\"_meta\":{\"uuid\":\"" + uuid + "\"},\"id\":" + std::to_string(id) + "}\n";
}
std::string pending(int id, unsigned char producer, std::uint64_t clock) {
  return line(id, producer, clock, Uuid::continue_txn);
}
std::string outside(int id, unsigned char producer, std::uint64_t clock) {
  return line(id, producer, clock, Uuid::outside_txn);
}
std::string ack(unsigned char producer, std::uint64_t clock) {
  return line(0, producer, clock, Uuid::ack_txn);
}

int id_of(std::string_view document) {
  return std::stoi(std::string(document.substr(document.rfind("\"id\":") + 5)));
}

struct LogReaderTest : ::testing::Test {
  TemporaryFolder folder;
  std::filesystem::path file = folder.path() / "log.ndjson";
  std::string text;

  void write(std::string more) {
    text += more;
    std::ofstream(file, std::ios::binary) << text;
  }
  std::vector<int> read(LogReader& reader) { return read(reader, text.size()); }
  std::vector<int> read(LogReader& reader, std::uint64_t limit) {
    std::vector<int> ids;
    while (reader.scan(limit) != LogReader::Scan::none)
      while (auto document = reader.next()) ids.push_back(id_of(*document));
    return ids;
  }
  std::vector<int> read_all(CheckpointSource resume = {}) {
    LogReader reader(file, resume);
    return read(reader);
  }
};

using Ids = std::vector<int>;

TEST_F(LogReaderTest, GivesATransactionWhenItIsAcknowledged) {
  write(pending(1, 1, 1) + pending(2, 1, 2));
  LogReader reader(file, {});
  EXPECT_EQ(read(reader), Ids());
  write(ack(1, 3));
  EXPECT_EQ(read(reader), (Ids{1, 2}));
  write(pending(3, 1, 4) + ack(1, 4));
  EXPECT_EQ(read(reader), (Ids{3}));
}

TEST_F(LogReaderTest, ASmallerAcknowledgementDiscardsWhatIsPending) {
  write(pending(1, 1, 1) + ack(1, 2) + pending(2, 1, 5) + pending(3, 1, 6) + ack(1, 4) + pending(4, 1, 7) +
        ack(1, 8));
  EXPECT_EQ(read_all(), (Ids{1, 4}));
}

TEST_F(LogReaderTest, AnAcknowledgementInBetweenCommitsThePrefix) {
  write(pending(1, 1, 1) + pending(2, 1, 5) + ack(1, 3) + pending(3, 1, 6) + ack(1, 6));
  EXPECT_EQ(read_all(), (Ids{1, 3}));
}

TEST_F(LogReaderTest, DropsRepeatedDocuments) {
  write(pending(1, 1, 1) + pending(2, 1, 2) + ack(1, 2) + pending(1, 1, 1) + pending(2, 1, 2) + ack(1, 2) +
        outside(2, 1, 2) + pending(3, 1, 3) + pending(3, 1, 3) + ack(1, 4));
  EXPECT_EQ(read_all(), (Ids{1, 2, 3}));
}

TEST_F(LogReaderTest, ProducersMayInterleave) {
  write(pending(1, 1, 1) + pending(10, 2, 1) + pending(2, 1, 2) + pending(11, 2, 2) + ack(2, 2) +
        pending(3, 1, 3) + ack(1, 3));
  EXPECT_EQ(read_all(), (Ids{10, 11, 1, 2, 3}));
}

TEST_F(LogReaderTest, OutsideOfTransactionsIsVisibleAtOnce) {
  write(outside(1, 1, 1) + pending(10, 2, 1) + outside(2, 1, 2) + outside(3, 1, 3));
  EXPECT_EQ(read_all(), (Ids{1, 2, 3}));
}

TEST_F(LogReaderTest, AnAcknowledgementWithoutDocumentsAdvances) {
  write(ack(1, 1) + ack(1, 2));
  LogReader reader(file, {});
  EXPECT_EQ(read(reader), Ids());
  EXPECT_EQ(reader.checkpoint().read_through, static_cast<std::int64_t>(text.size()));
}

TEST_F(LogReaderTest, DoesNotReadBeyondTheLimitOrAPartialLine) {
  write(pending(1, 1, 1) + ack(1, 2));
  std::uint64_t limit = text.size();
  write(pending(2, 1, 3) + ack(1, 4));
  LogReader reader(file, {});
  EXPECT_EQ(read(reader, limit), (Ids{1}));
  EXPECT_EQ(read(reader, limit), Ids());
  EXPECT_EQ(read(reader, text.size() - 1), Ids()) << "the acknowledgement lacks its newline";
  EXPECT_EQ(read(reader), (Ids{2}));
}

// Every checkpoint, taken wherever one may be, continues without loss or repetition.
TEST_F(LogReaderTest, ResumesFromEveryCheckpoint) {
  for (int t = 0; t < 40; ++t) {
    auto clock = static_cast<std::uint64_t>(10 * t);
    text += pending(100 * t, 1, clock + 1) + pending(100 * t + 50, 2, clock + 1) +
            pending(100 * t + 1, 1, clock + 2);
    text += ack(1, clock + 3);
    if (t % 3 == 0) text += ack(2, clock + 2);
    if (t % 5 == 0) text += outside(100 * t + 99, 3, clock + 1);
  }
  write(ack(2, 1000));
  Ids expected = read_all();
  EXPECT_EQ(expected.size(), 40u * 3 + 8);
  std::size_t previous = 0;
  for (std::uint64_t limit = 0; limit <= text.size(); limit += 37) {
    LogReader first(file, {});
    Ids ids = read(first, limit);
    ASSERT_GE(ids.size(), previous);
    previous = ids.size();
    for (int id : read_all(first.checkpoint())) ids.push_back(id);
    ASSERT_EQ(ids, expected) << "limit " << limit;
  }
}

TEST_F(LogReaderTest, RemembersABoundedNumberOfFinishedProducers) {
  for (unsigned char p = 1; p < 200; ++p) text += pending(p, p, p) + ack(p, p);
  write("");
  LogReader reader(file, {});
  EXPECT_EQ(read(reader).size(), 199u);
  EXPECT_LE(reader.checkpoint().producers.size(), 16u);
}

TEST_F(LogReaderTest, LinesLongerThanABlockAndManyBlocks) {
  std::string big(3u << 20, 'x');
  for (int i = 0; i < 20'000; ++i) text += pending(1, 1, static_cast<std::uint64_t>(i + 1));
  std::string wide = pending(2, 1, 30'000);
  wide.insert(1, "\"A\":\"" + big + "\",");
  write(wide + pending(3, 1, 40'000) + ack(1, 40'000) + pending(4, 1, 40'001) + ack(1, 40'002));
  Ids ids = read_all();
  ASSERT_EQ(ids.size(), 20'003u);
  EXPECT_EQ(Ids(ids.end() - 4, ids.end()), (Ids{1, 2, 3, 4}));
}

TEST_F(LogReaderTest, NamesTheFileAndOffsetOfADocumentWithoutUuid) {
  write(pending(1, 1, 1));
  std::size_t at = text.size();
  write("{\"id\":7}\n");
  try {
    read_all();
    FAIL() << "accepted a document without a UUID";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("log.ndjson holds a document without a UUID at byte " +
                                         std::to_string(at)),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace sluice::runtime
