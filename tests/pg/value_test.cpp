#include <gtest/gtest.h>

#include "catalog.hpp"
#include "sluice/base/error.hpp"
#include "sluice/pg/types.hpp"

namespace sluice::pg {
namespace {

constexpr std::size_t limit = std::size_t{8} << 20;

std::string shown(Oid type, std::string_view text, ValueOptions options = {}, bool key = false) {
  static const TypeCatalog types = sample_catalog();
  std::string out;
  Transcoder(types, type, key, options).append(out, text);
  return out;
}

std::string failure(Oid type, std::string_view text) {
  try {
    return "no failure: " + shown(type, text);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::transient);
    return e.message();
  }
}

ValueOptions no_flatten() {
  ValueOptions options;
  options.flatten_arrays = false;
  return options;
}
ValueOptions nested() {
  ValueOptions options;
  options.multidimensional_arrays = true;
  return options;
}

TEST(Values, Scalars) {
  EXPECT_EQ(shown(16, "t"), "true");
  EXPECT_EQ(shown(16, "f"), "false");
  EXPECT_EQ(shown(20, "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(shown(21, "0"), "0");
  EXPECT_EQ(shown(26, "4294967295"), "4294967295");
  EXPECT_EQ(shown(1700, "123456.7890"), R"("123456.7890")");
  EXPECT_EQ(shown(1700, "-Infinity"), R"("-Infinity")");
  EXPECT_EQ(shown(25, "a \"b\" \\ \b\f\n\r\t\x1f ü€😀"), "\"a \\\"b\\\" \\\\ \\b\\f\\n\\r\\t\\u001f ü€😀\"");
  EXPECT_EQ(shown(1042, "ab   "), R"("ab   ")");
  EXPECT_EQ(shown(1560, "0101"), R"("0101")");
  EXPECT_EQ(shown(2950, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), R"("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")");
  EXPECT_EQ(shown(790, "-$999.99"), R"("-$999.99")");
  EXPECT_EQ(shown(50005, "(1,2,\"a b\")"), R"_("(1,2,\"a b\")")_");
  EXPECT_EQ(shown(50003, "happy"), R"("happy")");
  EXPECT_EQ(shown(50010, "0101"), R"("0101")");
  EXPECT_EQ(shown(4242424, "unknown"), R"("unknown")");
}

TEST(Values, ScalarsThatAreNoOutputOfTheServer) {
  EXPECT_EQ(failure(16, "true"), "'true' is not how a server prints a value of type boolean");
  for (const char* text : {"", "-", "1x", "+1", "007", " 1", "1 ", "--1"})
    EXPECT_NE(failure(23, text).find("integer"), std::string::npos);
  for (const char* text : {"", "-", ".5", "1.", "1e", "1e+", "1.5x", "nan", "01", "1e99999999999"})
    EXPECT_NE(failure(701, text).find("float"), std::string::npos);
  for (const char* text : {"", "ab", "\\x0", "\\xzz", "\\x00zz", "\\x0000zz", "\\x0000000g"})
    EXPECT_NE(failure(17, text).find("bytea"), std::string::npos);
}

TEST(Values, Floats) {
  for (const char* text :
       {"0", "-0", "1.5", "1e+20", "1e-05", "3.4028235e+38", "5e-324", "1.7976931348623157e+308"})
    EXPECT_EQ(shown(701, text), text);
  EXPECT_EQ(shown(700, "NaN"), R"("NaN")");
  EXPECT_EQ(shown(700, "Infinity"), R"("Infinity")");
  EXPECT_EQ(shown(700, "-Infinity"), R"("-Infinity")");
}

TEST(Values, FloatsOfKeysAreStringsWithoutExponent) {
  auto key = [](std::string_view text) { return shown(701, text, {}, true); };
  EXPECT_EQ(key("2"), R"("2")");
  EXPECT_EQ(key("-1.1"), R"("-1.1")");
  EXPECT_EQ(key("9999999999.99"), R"("9999999999.99")");
  EXPECT_EQ(key("1e+20"), R"("100000000000000000000")");
  EXPECT_EQ(key("1.25e+1"), R"("12.5")");
  EXPECT_EQ(key("1.25e+2"), R"("125")");
  EXPECT_EQ(key("1.25e-05"), R"("0.0000125")");
  EXPECT_EQ(key("-12.5e-1"), R"("-1.25")");
  EXPECT_EQ(key("12.5e-2"), R"("0.125")");
  EXPECT_EQ(key("0"), R"("0")");
  EXPECT_EQ(key("NaN"), R"("NaN")");
  EXPECT_EQ(key("-Infinity"), R"("-Infinity")");
  std::string tiny = key("5e-324");
  EXPECT_EQ(tiny.size(), 328u);
  EXPECT_EQ(std::strtod(tiny.c_str() + 1, nullptr), 5e-324);
}

TEST(Values, Bytes) {
  EXPECT_EQ(shown(17, "\\x"), R"("")");
  EXPECT_EQ(shown(17, "\\x66"), R"("Zg==")");
  EXPECT_EQ(shown(17, "\\x666f"), R"("Zm8=")");
  EXPECT_EQ(shown(17, "\\x666F6f"), R"("Zm9v")");
  EXPECT_EQ(shown(17, "\\x00ff10fbefbe"), R"("AP8Q++++")");
}

TEST(Values, TextThatIsNoUtf8IsRepairedAndCounted) {
  RepairCount repaired = 0;
  ValueOptions options;
  options.repaired = &repaired;
  EXPECT_EQ(shown(25, "plain ü", options), "\"plain ü\"");
  EXPECT_EQ(repaired, 0u);
  EXPECT_EQ(shown(25,
                  "a\xff"
                  "b",
                  options),
            "\"a\uFFFDb\"");
  EXPECT_EQ(repaired, 1u);
  EXPECT_EQ(shown(25, std::string_view("a\0b", 3), options), "\"a\uFFFDb\"");
  // Overlong, surrogate, beyond the last code point, cut off.
  for (const char* bad :
       {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98", "\x80", "\xE2\x82"}) {
    std::uint64_t before = repaired;
    std::string json = shown(25, bad, options);
    EXPECT_GT(repaired, before);
    EXPECT_EQ(json.find_first_not_of("\"\xEF\xBF\xBD"), json.npos) << json;
  }
  EXPECT_EQ(shown(114, "{\"a\": \"\xff\"}", options), "{\"a\":\"\uFFFD\"}");
  EXPECT_EQ(shown(3802, "{\"a\": \"\xff\"}", options), "{\"a\":\"\uFFFD\"}");
}

TEST(Values, EscapesAtEveryPositionOfAWord) {
  for (std::size_t length = 0; length < 40; ++length)
    for (std::size_t at = 0; at < length; ++at)
      for (auto [raw, escaped] :
           {std::pair{"\"", "\\\""}, {"\\", "\\\\"}, {"\x01", "\\u0001"}, {"é", "é"}, {"\xff", "\uFFFD"}}) {
        std::string text(length, 'x'), expected(length, 'x');
        text.replace(at, 1, raw);
        expected.replace(at, 1, escaped);
        ASSERT_EQ(shown(25, text), '"' + expected + '"');
      }
}

TEST(Values, JsonIsInlinedCompactly) {
  EXPECT_EQ(shown(114, " {\n \"a b\" : [ 1.50 , \"x\\n \\\" y\" ,null ] }\t"),
            R"({"a b":[1.50,"x\n \" y",null]})");
  EXPECT_EQ(shown(114, "null"), "null");
  EXPECT_EQ(shown(114, "123456789012345678901234567890.10"), "123456789012345678901234567890.10");
  EXPECT_EQ(shown(3802, R"({"a": 1, "b": "é"})"), R"({"a": 1, "b": "é"})");
  EXPECT_NE(failure(114, "").find("json"), std::string::npos);
  EXPECT_EQ(shown(50013, "{ }"), R"("{ }")");
}

TEST(Values, JsonSurrogatesAreRepaired) {
  EXPECT_EQ(shown(114, R"("\ud83d\ude00")"), R"("\ud83d\ude00")");
  EXPECT_EQ(shown(114, R"("\uD83D\uDE00")"), R"("\uD83D\uDE00")");
  EXPECT_EQ(shown(114, R"("\ud800")"), R"("\uFFFD")");
  EXPECT_EQ(shown(114, R"("\udc00x")"), R"("\uFFFDx")");
  EXPECT_EQ(shown(114, R"("\ud800\ud800\udc00")"), R"("\uFFFD\ud800\udc00")");
  EXPECT_EQ(shown(114, R"("\ud800\n\udc00")"), R"("\uFFFD\n\uFFFD")");
  EXPECT_EQ(shown(114, R"("\\ud800 \\\ud800")"), R"("\\ud800 \\\uFFFD")");
  EXPECT_EQ(shown(114, R"({"\ud800":1})"), R"({"\uFFFD":1})");
  EXPECT_EQ(shown(114, R"("\u0000\u00e9")"), R"("\u0000\u00e9")");
}

TEST(Values, Dates) {
  EXPECT_EQ(shown(1082, "2024-02-29"), R"("2024-02-29")");
  EXPECT_EQ(shown(1082, "0001-01-01"), R"("0001-01-01")");
  EXPECT_EQ(shown(1082, "9999-12-31"), R"("9999-12-31")");
  EXPECT_EQ(shown(1082, "infinity"), R"("9999-12-31")");
  EXPECT_EQ(shown(1082, "-infinity"), R"("0000-01-01")");
  EXPECT_EQ(shown(1082, "10000-01-01"), R"("0000-01-01")");
  EXPECT_EQ(shown(1082, "5874897-12-31"), R"("0000-01-01")");
  EXPECT_EQ(shown(1082, "0001-02-29 BC"), R"("0000-02-29")");
  EXPECT_EQ(shown(1082, "0044-03-15 BC"), R"("0000-01-01")");
  ValueOptions off;
  off.date_as_date = false;
  EXPECT_EQ(shown(1082, "2024-02-29", off), R"("2024-02-29T00:00:00Z")");
  EXPECT_EQ(shown(1082, "infinity", off), R"("9999-12-31T23:59:59Z")");
  EXPECT_EQ(shown(1082, "-infinity", off), R"("0000-01-01T00:00:00Z")");
  EXPECT_EQ(shown(1082, "10000-01-01", off), R"("0000-01-01T00:00:00Z")");
  for (const char* text : {"", "2024", "2024-1-1", "2024-13-01", "2024-01-00", "2024-01-32", "2024-01-01x",
                           "2024-01-01 ", "2024-01-01 AD", "now"})
    EXPECT_NE(failure(1082, text).find("date"), std::string::npos) << text;
}

TEST(Values, Timestamps) {
  EXPECT_EQ(shown(1114, "2024-02-29 12:34:56"), R"("2024-02-29T12:34:56Z")");
  EXPECT_EQ(shown(1114, "2024-02-29 12:34:56.7"), R"("2024-02-29T12:34:56.7Z")");
  EXPECT_EQ(shown(1114, "2024-02-29 12:34:56.789000"), R"("2024-02-29T12:34:56.789Z")");
  EXPECT_EQ(shown(1114, "2024-02-29 12:34:56.000000"), R"("2024-02-29T12:34:56Z")");
  EXPECT_EQ(shown(1114, "infinity"), R"("9999-12-31T23:59:59Z")");
  EXPECT_EQ(shown(1114, "-infinity"), R"("0000-01-01T00:00:00Z")");
  EXPECT_EQ(shown(1114, "20240-01-01 00:00:00"), R"("0000-01-01T00:00:00Z")");
  EXPECT_EQ(shown(1114, "0001-12-31 23:59:59 BC"), R"("0000-12-31T23:59:59Z")");
  EXPECT_EQ(shown(1114, "4713-01-01 00:00:00 BC"), R"("0000-01-01T00:00:00Z")");
  EXPECT_EQ(shown(1184, "2024-02-29 12:34:56+00"), R"("2024-02-29T12:34:56Z")");
  EXPECT_EQ(shown(1184, "0001-12-31 23:59:59.5+00 BC"), R"("0000-12-31T23:59:59.5Z")");
}

TEST(Values, TimestampsOfAServersZone) {
  EXPECT_EQ(shown(1184, "2024-02-29 12:34:56.5-08"), R"("2024-02-29T12:34:56.5-08:00")");
  EXPECT_EQ(shown(1184, "2024-02-29 12:34:56+05:30"), R"("2024-02-29T12:34:56+05:30")");
  // Old local mean time: UTC, because RFC 3339 has no seconds in offsets.
  EXPECT_EQ(shown(1184, "1883-11-18 12:00:00-07:52:58"), R"("1883-11-18T19:52:58Z")");
  EXPECT_EQ(shown(1184, "1899-12-31 23:30:00.25-00:44:30"), R"("1900-01-01T00:14:30.25Z")");
  EXPECT_EQ(shown(1184, "0001-01-01 00:00:00+00:19:32 BC"), R"("0000-01-01T00:00:00Z")");
  EXPECT_EQ(shown(1184, "9999-12-31 23:59:59-00:00:30"), R"("0000-01-01T00:00:00Z")");
}

TEST(Values, TimestampsThatAreNone) {
  for (const char* text :
       {"", "2024-01-01 1:00:00", "2024-01-01T00:00:00", "2024-01-01 25:00:00", "2024-01-01 00:60:00",
        "2024-01-01 00:00:00.", "2024-01-01 00:00:00+1", "2024-01-01 00:00:00+00x", "2024-01-01 00:00:00 PST",
        "99999999999999999999-01-01 00:00:00", "2024-01-01 00:00:00.0000000001"})
    EXPECT_NE(failure(1114, text).find("timestamp"), std::string::npos) << text;
}

TEST(Values, Times) {
  EXPECT_EQ(shown(1083, "12:34:56"), R"("12:34:56Z")");
  EXPECT_EQ(shown(1083, "00:00:00.000001"), R"("00:00:00.000001Z")");
  EXPECT_EQ(shown(1083, "24:00:00"), R"("00:00:00Z")");
  EXPECT_EQ(shown(1266, "12:34:56+00"), R"("12:34:56Z")");
  EXPECT_EQ(shown(1266, "12:34:56.5-08"), R"("12:34:56.5-08:00")");
  EXPECT_EQ(shown(1266, "12:34:56+05:45"), R"("12:34:56+05:45")");
  EXPECT_EQ(shown(1266, "24:00:00-08"), R"("00:00:00-08:00")");
  EXPECT_EQ(shown(1266, "01:00:00+01:30:30"), R"("23:29:30Z")");
  EXPECT_EQ(shown(1266, "23:59:59-00:00:02"), R"("00:00:01Z")");
  ValueOptions off;
  off.time_as_time = false;
  EXPECT_EQ(shown(1083, "00:00:00", off), "0");
  EXPECT_EQ(shown(1083, "12:34:56.5", off), "45296500000");
  EXPECT_EQ(shown(1083, "24:00:00", off), "86400000000");
  EXPECT_EQ(shown(1266, "12:34:56-08", off), R"("12:34:56-08:00")");
  for (const char* text : {"", "1:00:00", "25:00:00", "12:34", "12:34:56x"})
    EXPECT_NE(failure(1083, text).find("time"), std::string::npos) << text;
}

TEST(Values, Intervals) {
  EXPECT_EQ(shown(1186, "1 year 2 mons 3 days"), R"("14 mon 3 day")");
  EXPECT_EQ(shown(1186, "05:30:00"), R"("05:30:00")");
  EXPECT_EQ(shown(1186, "00:00:00"), R"("00:00:00")");
  EXPECT_EQ(shown(1186, "1 mon"), R"("1 mon")");
  EXPECT_EQ(shown(1186, "-1 years -2 mons +3 days -04:05:06.7"), R"("-14 mon 3 day -04:05:06.700000")");
  EXPECT_EQ(shown(1186, "-1 days +02:03:00"), R"("-1 day 02:03:00")");
  EXPECT_EQ(shown(1186, "-00:00:00.000001"), R"("-00:00:00.000001")");
  EXPECT_EQ(shown(1186, "178000000 years"), R"("2136000000 mon")");
  EXPECT_EQ(shown(1186, "2562047788:00:54.775807"), R"("2562047788:00:54.775807")");
  EXPECT_EQ(shown(1186, "1 mon 00:00:01"), R"("1 mon 00:00:01")");
  EXPECT_EQ(shown(1186, "infinity"), R"("infinity")");
  EXPECT_EQ(shown(1186, "-infinity"), R"("-infinity")");
  for (const char* text : {"", "1", "1 week", "1 day x", "@ 1 day", "1 day 00:00", "P1D", "00:00:00.1234567"})
    EXPECT_NE(failure(1186, text).find("interval"), std::string::npos) << text;
}

TEST(Values, NetworkAddressesHaveTheirPrefixLength) {
  EXPECT_EQ(shown(869, "192.168.1.1"), R"("192.168.1.1/32")");
  EXPECT_EQ(shown(869, "10.0.0.1/8"), R"("10.0.0.1/8")");
  EXPECT_EQ(shown(869, "2001:4f8:3:ba::1"), R"("2001:4f8:3:ba::1/128")");
  EXPECT_EQ(shown(869, "::ffff:1.2.3.4"), R"("::ffff:1.2.3.4/128")");
  EXPECT_EQ(shown(650, "10.0.0.0/8"), R"("10.0.0.0/8")");
  EXPECT_NE(failure(869, "\"").find("inet"), std::string::npos);
}

TEST(Values, Ranges) {
  EXPECT_EQ(shown(3904, "[1,5)"), "\"[1,5)\"");
  EXPECT_EQ(shown(3904, "(,)"), "\"(,)\"");
  EXPECT_EQ(shown(3904, "empty"), "\"empty\"");
  EXPECT_EQ(shown(3912, "[2024-01-01,infinity)"), "\"[2024-01-01,9999-12-31)\"");
  EXPECT_EQ(shown(3908, R"_(["2024-01-01 00:00:00","2024-02-01 12:00:00.5"))_"),
            "\"[2024-01-01T00:00:00Z,2024-02-01T12:00:00.5Z)\"");
  EXPECT_EQ(shown(3910, R"_((,"2024-02-01 12:00:00+00"])_"), "\"(,2024-02-01T12:00:00Z]\"");
  EXPECT_EQ(shown(50011, R"_(["a,b",")""(\\"])_"), R"_("[\"a,b\",\")\"\"(\\\\\"]")_");
  EXPECT_EQ(shown(4451, "{[1,5),[7,9)}"), "\"{[1,5),[7,9)}\"");
  EXPECT_EQ(shown(4451, "{}"), "\"{}\"");
  EXPECT_EQ(shown(4533, R"_({["2024-01-01 00:00:00","2024-02-01 00:00:00"),(,)})_"),
            "\"{[2024-01-01T00:00:00Z,2024-02-01T00:00:00Z),(,)}\"");
  for (const char* text : {"", "[", "[1", "[1,", "[1,2", "1,2", "[1,2)x", "[1;2)", "[\"1,2)"})
    EXPECT_NE(failure(3904, text).find("range"), std::string::npos) << text;
  for (const char* text : {"", "{", "{[1,2)", "[1,2)", "{[1,2),}", "{[1,2)[3,4)}", "{x}"})
    EXPECT_NE(failure(4451, text).find("range"), std::string::npos) << text;
}

TEST(Values, Arrays) {
  EXPECT_EQ(shown(1007, "{}"), "[]");
  EXPECT_EQ(shown(1007, "{1,NULL,-3}"), "[1,null,-3]");
  EXPECT_EQ(shown(1007, "{{1,2},{3,4}}"), "[1,2,3,4]");
  EXPECT_EQ(shown(1007, "[0:1][-2:-1]={{1,2},{3,4}}"), "[1,2,3,4]");
  EXPECT_EQ(shown(1009, R"({a,"b c","",NULL,"NULL","q\"uo\\te","{x}","a,b"})"),
            R"(["a","b c","",null,"NULL","q\"uo\\te","{x}","a,b"])");
  EXPECT_EQ(shown(1009, R"({a\,b,\NULL})"), R"(["a,b","NULL"])");
  EXPECT_EQ(shown(1020, "{(3,4),(1,2);(7,8),(5,6)}"), R"_(["(3,4),(1,2)","(7,8),(5,6)"])_");
  EXPECT_EQ(shown(199, R"({"{\"a\": [1, 2.50]}","null"})"), R"([{"a":[1,2.50]},null])");
  EXPECT_EQ(shown(1115, R"({"2024-01-01 00:00:00",infinity})"),
            R"(["2024-01-01T00:00:00Z","9999-12-31T23:59:59Z"])");
  EXPECT_EQ(shown(1001, R"({"\\xff"})"), R"(["/w=="])");
  EXPECT_EQ(shown(50002, "{A,b}"), R"(["A","b"])");
  EXPECT_EQ(shown(50004, "{happy,NULL}"), R"(["happy",null])");
  EXPECT_EQ(shown(1000, "{t,f}"), "[true,false]");
  EXPECT_EQ(shown(1021, "{1.5,NaN}"), R"([1.5,"NaN"])");
  EXPECT_EQ(shown(22, "1 2 3"), R"("1 2 3")");
}

TEST(Values, ArraysWithoutFlattening) {
  EXPECT_EQ(shown(1007, "{{1,2},{3,4}}", no_flatten()), R"({"dimensions":[2,2],"elements":[1,2,3,4]})");
  EXPECT_EQ(shown(1007, "{}", no_flatten()), R"({"dimensions":[],"elements":[]})");
  EXPECT_EQ(shown(1007, "{1,NULL,3}", no_flatten()), R"({"dimensions":[3],"elements":[1,null,3]})");
  EXPECT_EQ(shown(1009, R"([5:5][1:3]={{"a\\",b,c}})", no_flatten()),
            R"({"dimensions":[1,3],"elements":["a\\","b","c"]})");
}

TEST(Values, ArraysNested) {
  EXPECT_EQ(shown(1007, "{{1,2},{3,4}}", nested()), "[[1,2],[3,4]]");
  EXPECT_EQ(shown(1007, "{}", nested()), "[]");
  EXPECT_EQ(shown(1007, "[2:3]={1,NULL}", nested()), "[1,null]");
  EXPECT_EQ(shown(1009, "{{{a},{b}},{{c},{d}}}", nested()), R"([[["a"],["b"]],[["c"],["d"]]])");
}

TEST(Values, ArraysThatAreNone) {
  for (const char* text : {"", "{", "}", "{1", "{1,", "{1,}", "{,1}", "{1,2}}", "{{1}{2}}", "{\"a}", "{\"a\\",
                           "{a\\", "[1:2]{1,2}", "[x]={1}", "{1}x", "1", "{1{2}}", "{\"a\"b}", "{1,,2}"}) {
    EXPECT_NE(failure(1009, text).find("array"), std::string::npos) << text;
    EXPECT_THROW(shown(1009, text, no_flatten()), Error) << text;
    EXPECT_THROW(shown(1009, text, nested()), Error) << text;
  }
  EXPECT_THROW(shown(1009, std::string(100, '{') + "a" + std::string(100, '}')), Error);
}

TEST(Values, Domains) {
  EXPECT_EQ(shown(50006, "7"), "7");
  EXPECT_EQ(shown(50007, "8"), "8");
  EXPECT_EQ(shown(50008, "{1,2}"), "[1,2]");
  EXPECT_EQ(shown(50009, R"({"{1,2}",NULL,"{}"})"), "[[1,2],null,[]]");
}

TEST(Values, OversizeIsCutBetweenCodePoints) {
  std::string text(limit, 'x');
  EXPECT_EQ(shown(25, text).size(), limit + 2);
  EXPECT_EQ(shown(25, text + "y").size(), limit + 2);
  std::string wide = text.substr(1) + "€";
  EXPECT_EQ(shown(25, wide).size(), limit - 1 + 2);
  EXPECT_EQ(shown(4242424, wide).size(), limit - 1 + 2);
  std::string array = "{" + text + "yz,b}";
  EXPECT_EQ(shown(1009, array).size(), limit + 8);
}

TEST(Values, OversizeBytesAreCutBeforeBase64) {
  std::string hex = "\\x";
  for (std::size_t i = 0; i < limit; ++i) hex += "61";
  std::string exact = shown(17, hex);
  EXPECT_EQ(exact.size(), (limit + 2) / 3 * 4 + 2);
  EXPECT_EQ(shown(17, hex + "62"), exact);
}

TEST(Values, OversizeJsonIsReplaced) {
  std::string json = "\"" + std::string(limit - 2, 'x') + "\"";
  EXPECT_EQ(shown(114, json).size(), limit);
  EXPECT_EQ(shown(3802, json).size(), limit);
  json += " ";
  for (Oid type : {114u, 3802u})
    EXPECT_EQ(shown(type, json), R"({"flow_truncated":true,"original_size":8388609})");
}

// Schemas.

std::string schema(Oid type, bool nullable = true, std::int32_t typmod = -1, ValueOptions options = {},
                   bool key = false) {
  static const TypeCatalog types = sample_catalog();
  return column_schema(types, type, typmod, nullable, key, options);
}

TEST(Schemas, Scalars) {
  EXPECT_EQ(schema(16), R"({"type":["boolean","null"]})");
  EXPECT_EQ(schema(16, false), R"({"type":"boolean"})");
  EXPECT_EQ(schema(20, false), R"({"type":"integer"})");
  EXPECT_EQ(schema(1700), R"({"type":["string","null"],"format":"number"})");
  EXPECT_EQ(schema(701), R"({"type":["number","string","null"],"format":"number"})");
  EXPECT_EQ(schema(701, false), R"({"type":["number","string"],"format":"number"})");
  EXPECT_EQ(schema(701, false, -1, {}, true), R"({"type":"string","format":"number"})");
  EXPECT_EQ(schema(25), R"({"type":["string","null"]})");
  EXPECT_EQ(schema(1043, true, 44), R"({"type":["string","null"],"maxLength":40})");
  EXPECT_EQ(schema(1043, true, -1), R"({"type":["string","null"]})");
  EXPECT_EQ(schema(1042, false, 7), R"({"type":"string","minLength":3,"maxLength":3})");
  EXPECT_EQ(schema(17), R"({"type":["string","null"],"contentEncoding":"base64"})");
  EXPECT_EQ(schema(114), R"({"contentMediaType":"application/json"})");
  EXPECT_EQ(schema(3802, false), R"({"contentMediaType":"application/vnd.estuary.postgresql.jsonb+json"})");
  EXPECT_EQ(schema(1082), R"({"type":["string","null"],"format":"date"})");
  EXPECT_EQ(schema(1083), R"({"type":["string","null"],"format":"time"})");
  EXPECT_EQ(schema(1114, false), R"({"type":"string","format":"date-time"})");
  EXPECT_EQ(schema(2950, false), R"({"type":"string","format":"uuid"})");
  EXPECT_EQ(schema(1560, false, 8), R"({"type":"string"})");
  EXPECT_EQ(schema(3220, false), R"({"type":"string"})");
  ValueOptions off;
  off.date_as_date = off.time_as_time = false;
  EXPECT_EQ(schema(1082, true, -1, off), R"({"type":["string","null"],"format":"date-time"})");
  EXPECT_EQ(schema(1083, true, -1, off), R"({"type":["integer","null"]})");
  EXPECT_EQ(schema(1266, true, -1, off), R"({"type":["string","null"],"format":"time"})");
}

TEST(Schemas, UserTypes) {
  EXPECT_EQ(schema(50001), R"({"type":["string","null"]})");
  EXPECT_EQ(schema(50003, false), R"({"type":"string"})");
  EXPECT_EQ(schema(3904), R"({"type":["string","null"]})");
  EXPECT_EQ(schema(4451, false), R"({"type":"string"})");
  for (Oid any : {50005u, 50010u, 50013u, 27u, 22u, 4242424u}) EXPECT_EQ(schema(any), "{}") << any;
}

TEST(Schemas, DomainsAddLengthAndForbidNull) {
  EXPECT_EQ(schema(50006), R"({"type":["integer","null"]})");
  EXPECT_EQ(schema(50007, false), R"({"type":"integer"})");
  EXPECT_EQ(schema(50012), R"({"type":"string","maxLength":10})");
}

TEST(Schemas, Arrays) {
  EXPECT_EQ(schema(1007), R"({"type":["array","null"],"items":{"type":["integer","null"]}})");
  EXPECT_EQ(schema(1007, false), R"({"type":"array","items":{"type":["integer","null"]}})");
  EXPECT_EQ(schema(1015, false, 9), R"({"type":"array","items":{"type":["string","null"],"maxLength":5}})");
  EXPECT_EQ(schema(1022, false, -1, {}, true),
            R"({"type":"array","items":{"type":["number","string","null"],"format":"number"}})");
  EXPECT_EQ(schema(199), R"({"type":["array","null"],"items":{"contentMediaType":"application/json"}})");
  EXPECT_EQ(schema(50004), R"({"type":["array","null"],"items":{"type":["string","null"]}})");
  EXPECT_EQ(
      schema(50009),
      R"({"type":["array","null"],"items":{"type":["array","null"],"items":{"type":["integer","null"]}}})");
  EXPECT_EQ(
      schema(1007, true, -1, no_flatten()),
      R"({"type":["object","null"],"required":["dimensions","elements"],"properties":{"dimensions":{"type":"array","items":{"type":"integer"}},"elements":{"type":"array","items":{"type":["integer","null"]}}},"additionalProperties":false})");
  EXPECT_EQ(schema(1007, true, -1, nested()), R"({"type":["array","null"]})");
}

}  // namespace
}  // namespace sluice::pg
