#include "sluice/base/log.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sluice/base/error.hpp"

namespace sluice {
namespace {

struct Captured {
  std::string text;
  Log log(LogLevel level, LogFormat format) {
    return Log(level, format, [this](std::string_view line) { text += line; });
  }
  // What follows the time stamp.
  std::string after_time() const { return text.substr(text.find(R"("level")")); }
};

TEST(Log, JsonLineHasTimeLevelMessageAndFlatFields) {
  Captured out;
  Log log = out.log(LogLevel::info, LogFormat::json).with({kv("task", "a/b")});
  log.info("table scanned", kv("table", "t\"1\n"), kv("rows", 5), kv("ok", true));
  EXPECT_EQ(out.text.substr(0, 7), R"({"ts":")");
  EXPECT_EQ(out.after_time(),
            R"("level":"info","msg":"table scanned","task":"a/b","table":"t\"1\n","rows":5,"ok":true})"
            "\n");
}

TEST(Log, BelowTheLevelNothingIsWritten) {
  Captured out;
  out.log(LogLevel::warn, LogFormat::json).info("quiet");
  EXPECT_EQ(out.text, "");
  Log().error("no sink");
}

TEST(Log, AHandleMayHaveALevelOfItsOwn) {
  Captured out;
  Log log = out.log(LogLevel::warn, LogFormat::json), loud = log.at(LogLevel::debug);
  EXPECT_EQ(log.level(), LogLevel::warn);
  EXPECT_EQ(loud.level(), LogLevel::debug);
  log.info("quiet");
  loud.info("heard");
  EXPECT_EQ(out.after_time(), R"("level":"info","msg":"heard"})"
                              "\n");
}

TEST(Log, LongValuesAreCut) {
  Captured out;
  out.log(LogLevel::info, LogFormat::json).info("m", kv("v", std::string(10000, 'x')));
  EXPECT_LT(out.text.size(), 4300u);
}

TEST(Log, LinesForPeopleShowLongValuesOfInfoInShort) {
  auto field = [](LogLevel level, LogFormat format, const std::string& value) {
    Captured out;
    out.log(LogLevel::debug, format).write(level, "m", {kv("v", value)});
    return out.text.substr(out.text.find('v', out.text.find(" m ")));
  };
  std::string many(1000, 'x');
  EXPECT_EQ(field(LogLevel::info, LogFormat::text, many), "v=\"" + std::string(255, 'x') + "…\"\n");
  EXPECT_EQ(field(LogLevel::warn, LogFormat::text, many), "v=\"" + many + "\"\n");
  EXPECT_EQ(field(LogLevel::debug, LogFormat::color, many), "v=\"" + many + "\"\n");
  // Neither a character nor an escape is cut in two.
  EXPECT_EQ(field(LogLevel::info, LogFormat::text, std::string(254, 'x') + "é" + many),
            "v=\"" + std::string(254, 'x') + "…\"\n");
  EXPECT_EQ(field(LogLevel::info, LogFormat::text, std::string(254, 'x') + "\n" + many),
            "v=\"" + std::string(254, 'x') + "…\"\n");
  Captured out;
  out.log(LogLevel::info, LogFormat::json).info("m", kv("v", many));
  EXPECT_NE(out.text.find(many), std::string::npos);
}

TEST(Log, JsonLinesAreJsonWhateverTheValues) {
  Captured out;
  out.log(LogLevel::info, LogFormat::json)
      .info("caf\xc3\xa9 \xff", kv("path", "a\xc3/\xed\xa0\x80"), kv("nan", std::nan("")),
            kv("inf", -INFINITY), kv("ratio", 0.5), kv("\xfe", std::string("\0", 1)));
  EXPECT_EQ(out.after_time(),
            "\"level\":\"info\",\"msg\":\"caf\xc3\xa9 \xef\xbf\xbd\",\"path\":\"a\xef\xbf\xbd/"
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"nan\":null,\"inf\":null,\"ratio\":0.5,"
            "\"\xef\xbf\xbd\":\"\\u0000\"}\n");
}

TEST(Log, LongValuesAreCutBetweenCharacters) {
  Captured out;
  out.log(LogLevel::info, LogFormat::json).info(std::string(4095, 'x') + "\xc3\xa9");
  EXPECT_NE(out.text.find("x…\"}"), std::string::npos);
  EXPECT_EQ(out.text.find("\xef\xbf\xbd"), std::string::npos);
}

TEST(Log, StatusIsMarkedForTheRuntime) {
  Captured out;
  out.log(LogLevel::info, LogFormat::json).status("Running");
  EXPECT_EQ(out.after_time(), R"("level":"info","msg":"Running","eventType":"connectorStatus"})"
                              "\n");
}

TEST(Log, ParsesEnvironmentValues) {
  EXPECT_EQ(parse_log_level("WARNING"), LogLevel::warn);
  EXPECT_EQ(parse_log_level(""), LogLevel::info);
  EXPECT_THROW(parse_log_level("loud"), Error);
  EXPECT_EQ(parse_log_format("json"), LogFormat::json);
  EXPECT_THROW(parse_log_format("xml"), Error);
}

}  // namespace
}  // namespace sluice
