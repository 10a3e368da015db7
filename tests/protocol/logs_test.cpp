#include "sluice/protocol/logs.hpp"

#include <gtest/gtest.h>

namespace sluice::protocol {
namespace {

std::string show(const LogRecord& record) {
  std::string out = std::string(name(record.level)) + "|" + record.message;
  for (const LogField& field : record.fields) out += "|" + field.key + "=" + field.json;
  return out;
}
std::vector<std::string> decode(std::vector<std::string> chunks) {
  LogDecoder decoder;
  std::vector<std::string> out;
  for (const std::string& chunk : chunks)
    for (const LogRecord& record : decoder.feed(chunk)) out.push_back(show(record));
  for (const LogRecord& record : decoder.end()) out.push_back(show(record));
  return out;
}
using Strings = std::vector<std::string>;

TEST(LogDecoder, StructuredRecords) {
  LogDecoder decoder;
  std::vector<LogRecord> records = decoder.feed(
      R"({"ts":"2026-01-02T03:04:05.25Z","level":"INFO","msg":"Running","eventType":"connectorStatus","n":1.50,)"
      R"("fields":{"a":[1]},"shard":{"name":"x"},"spans":[{}]})"
      "\n");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].unix_nanoseconds, 1767323045250000000);
  EXPECT_EQ(show(records[0]), "info|Running|eventType=\"connectorStatus\"|n=1.50|a=[1]");
  EXPECT_EQ(records[0].shard_json, R"({"name":"x"})");
  EXPECT_EQ(records[0].spans_json, "[{}]");
}

TEST(LogDecoder, AliasesAndLevels) {
  for (auto [given, level] : std::vector<std::pair<std::string, std::string>>{{"trace", "trace"},
                                                                              {"DEBUG", "debug"},
                                                                              {"warn", "warn"},
                                                                              {"warning", "warn"},
                                                                              {"WARNING", "warn"},
                                                                              {"error", "error"},
                                                                              {"fatal", "error"},
                                                                              {"PANIC", "error"}})
    EXPECT_EQ(decode({R"({"lvl":")" + given +
                      R"(","message":"m","time":"2026-01-02T03:04:05Z"})"
                      "\n"}),
              (Strings{level + "|m"}));
  EXPECT_EQ(decode({R"({"timestamp":"2026-01-02T03:04:05+01:00","level":"info","msg":"m"})"
                    "\n"}),
            (Strings{"info|m"}));
  // What cannot be understood stays a field.
  EXPECT_EQ(decode({R"({"level":"loud","msg":7,"ts":"today","fields":1})"
                    "\n"}),
            (Strings{R"(warn||level="loud"|msg=7|ts="today"|fields=1)"}));
}

TEST(LogDecoder, ALevelIsGuessedWhereThereIsNone) {
  EXPECT_EQ(decode({R"({"msg":"all is well"})"
                    "\n"}),
            (Strings{"warn|all is well"}));
  EXPECT_EQ(decode({R"({"msg":"it FAILED"})"
                    "\n"}),
            (Strings{"error|it FAILED"}));
  EXPECT_EQ(decode({R"({"msg":"x","cause":"timeout"})"
                    "\n"}),
            (Strings{R"(error|x|cause="timeout")"}));
  for (const char* word : {"Error", "failed", "PANIC", "timeout", "Unable", "unrecognised", "unrecognized"})
    EXPECT_EQ(decode({std::string(word) + " x\n"}), (Strings{"error|" + std::string(word) + " x"}));
  EXPECT_EQ(decode({"plain\n"}), (Strings{"warn|plain"}));
}

TEST(LogDecoder, PlainLinesThatArriveTogetherAreOneRecord) {
  EXPECT_EQ(decode({"panic: oh\n\ngoroutine 1:\n  at x  \n{\"level\":\"info\",\"msg\":\"m\"}\nafter\n"}),
            (Strings{"error|panic: oh\n\ngoroutine 1:\n  at x", "info|m", "warn|after"}));
  EXPECT_EQ(decode({"one\n", "two\n"}), (Strings{"warn|one", "warn|two"}));
  EXPECT_EQ(decode({"\n", "  \n"}), Strings{});
}

TEST(LogDecoder, WhatIsNoObjectIsText) {
  EXPECT_EQ(decode({"{\"level\":\"info\"} trailing\n"}), (Strings{"warn|{\"level\":\"info\"} trailing"}));
  EXPECT_EQ(decode({"[1]\n"}), (Strings{"warn|[1]"}));
  EXPECT_EQ(decode({"{\"level\":\n"}), (Strings{"warn|{\"level\":"}));
}

TEST(LogDecoder, LinesComeInPieces) {
  EXPECT_EQ(decode({"{\"level\":\"in", "fo\",\"msg\":\"m", "\"}", "\nx", "y"}),
            (Strings{"info|m", "warn|xy"}));
}

TEST(LogDecoder, ALineWithoutEndIsBounded) {
  LogDecoder decoder;
  std::size_t records = 0, bytes = 0;
  for (int i = 0; i < 100; ++i) {
    for (const LogRecord& record : decoder.feed(std::string(100'000, 'x'))) {
      ++records;
      bytes += record.message.size();
    }
  }
  for (const LogRecord& record : decoder.end()) bytes += record.message.size();
  EXPECT_GE(records, 8u);
  EXPECT_EQ(bytes, 10'000'000u);
}

}  // namespace
}  // namespace sluice::protocol
