#include "sluice/runtime/log_reader.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "sluice/base/error.hpp"
#include "sluice/protocol/messages.hpp"
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

// A log of transactions with what its writer knows of them.
struct KnownLog {
  void add(std::vector<std::string> documents, unsigned char producer, std::uint64_t clock) {
    KnownTransaction known;
    known.begin = text.size();
    for (const std::string& document : documents) text += document;
    known.end = text.size();
    text += ack(producer, clock);
    known.next = text.size();
    known.acknowledgement = {epoch + clock, Uuid::ack_txn, {1, 0, 0, 0, 0, producer}};
    transactions.push_back(known);
  }
  std::string text;
  std::vector<KnownTransaction> transactions;
};

// What a reader gives, and its checkpoint at each boundary.
struct Given {
  std::vector<std::string> documents, checkpoints;
};
Given give(LogReader& reader, std::uint64_t limit, std::span<const KnownTransaction> known) {
  Given given;
  for (;;) {
    std::uint64_t at = reader.offset();
    while (!known.empty() && known.front().begin < at) known = known.subspan(1);
    if (reader.scan(limit, known) == LogReader::Scan::none) break;
    while (auto document = reader.next()) given.documents.emplace_back(*document);
    given.checkpoints.push_back(std::to_string(reader.newest_clock()));
  }
  given.checkpoints.push_back(protocol::encode([&] {
    protocol::Checkpoint checkpoint;
    checkpoint.sources["log"] = reader.checkpoint();
    return checkpoint;
  }()));
  return given;
}

TEST_F(LogReaderTest, KnownTransactionsAreReadWithoutALookAtTheirLines) {
  KnownLog log;
  std::uint64_t clock = 0;
  auto add = [&](int n, unsigned char producer) {
    std::vector<std::string> lines;
    for (int i = 0; i < n; ++i) {
      ++clock;
      lines.push_back(pending(static_cast<int>(clock), producer, clock));
    }
    log.add(lines, producer, ++clock);
  };
  for (int i = 0; i < 40; ++i) add(i % 7, 1);
  add(9'000, 2);  // more than is looked at in one go
  add(3, 1);
  write(log.text);
  LogReader looking(file, {});
  Given expected = give(looking, log.text.size(), {});
  ASSERT_EQ(expected.documents.size(), clock - 42);
  for (std::size_t from : {0, 1, 20, 41}) {
    LogReader reader(file, {});
    Given given = give(reader, log.text.size(), std::span(log.transactions).subspan(from));
    EXPECT_EQ(given.documents, expected.documents) << from;
    EXPECT_EQ(given.checkpoints.back(), expected.checkpoints.back()) << from;
  }
  // The lines themselves say nothing any more.
  std::string blind = log.text;
  for (std::size_t at = 0; (at = blind.find("\"uuid\"", at)) != blind.npos; at += 6)
    blind.replace(at, 6, "\"none\"");
  std::ofstream(file, std::ios::binary) << blind;
  LogReader reader(file, {});
  EXPECT_EQ(give(reader, blind.size(), log.transactions).documents.size(), expected.documents.size());
  EXPECT_THROW(LogReader(file, {}).scan(blind.size()), Error);
}

std::uint64_t read_calls() {
  std::ifstream in("/proc/self/io");
  std::string name;
  for (std::uint64_t value; in >> name >> value;)
    if (name == "syscr:") return value;
  return 0;
}

TEST_F(LogReaderTest, SmallKnownTransactionsAreReadInOne) {
  KnownLog log;
  for (std::uint64_t clock = 1; clock < 400; clock += 2)
    log.add({pending(static_cast<int>(clock), 1, clock)}, 1, clock + 1);
  write(log.text);
  std::uint64_t calls[2];
  for (bool known : {false, true}) {
    LogReader reader(file, {});
    std::uint64_t before = read_calls();
    ASSERT_EQ(reader.scan(text.size(), known ? log.transactions : std::vector<KnownTransaction>()),
              LogReader::Scan::found);
    int documents = 0;
    while (reader.next()) ++documents;
    calls[known] = read_calls() - before;
    EXPECT_EQ(documents, 200);
  }
  EXPECT_LE(calls[1], calls[0]);
}

TEST_F(LogReaderTest, WhatIsNotAsItIsKnownIsLookedAt) {
  KnownLog log;
  log.add({pending(1, 1, 10)}, 1, 11);
  log.add({pending(2, 1, 20), pending(3, 1, 21)}, 1, 22);
  write(log.text);
  // Below the limit only.
  {
    LogReader reader(file, {});
    std::uint64_t limit = log.transactions[0].next;
    EXPECT_EQ(give(reader, limit, log.transactions).documents.size(), 1u);
    EXPECT_EQ(reader.offset(), limit);
  }
  // Documents that a checkpoint has already.
  {
    LogReader reader(file, {});
    Given first = give(reader, log.text.size(), {});
    CheckpointSource resume = reader.checkpoint();
    resume.read_through = 0;
    LogReader again(file, resume);
    EXPECT_TRUE(give(again, log.text.size(), log.transactions).documents.empty());
  }
  // Somebody's pending documents before them.
  {
    KnownLog after;
    after.text = pending(7, 1, 5);
    after.add({pending(8, 1, 6)}, 1, 7);
    std::ofstream(file, std::ios::binary) << after.text;
    LogReader reader(file, {});
    EXPECT_EQ(reader.scan(after.transactions[0].begin, after.transactions), LogReader::Scan::none);
    EXPECT_EQ(give(reader, after.text.size(), after.transactions).documents.size(), 2u);
  }
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
