#include <gtest/gtest.h>

#include "sample.hpp"

namespace {

using namespace sluice;
using namespace std::chrono_literals;
using sample::AwsIam;
using sample::Endpoint;
using sample::field;
using sample::UserPassword;

constexpr std::string_view smallest =
    R"({"address":"db","credentials":{"auth_type":"UserPassword","password":"p"}})";

template <class T = Endpoint>
std::string failure(std::string_view json, config::Role role = config::Role::endpoint) {
  try {
    config::parse<T>(json, role);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::config);
    return e.message();
  }
  return "no error";
}
// The message about one more property of an otherwise right document.
std::string failure_with(const std::string& member) {
  return failure(std::string(smallest.substr(0, smallest.size() - 1)) + "," + member + "}");
}
std::string advanced_failure(const std::string& member) {
  return failure_with(R"("advanced":{)" + member + "}");
}

TEST(Parse, TakesDefaultsFromTheMembers) {
  Endpoint e = config::parse<Endpoint>(smallest);
  EXPECT_EQ(e.address, "db");
  EXPECT_EQ(e.user, "flow_capture");
  EXPECT_EQ(e.schema, "");
  EXPECT_EQ(std::get<UserPassword>(e.credentials).password.reveal(), "p");
  EXPECT_EQ(e.advanced.chunk_rows, 50'000);
  EXPECT_EQ(e.advanced.interval, 15min);
  EXPECT_FALSE(e.tunnel);
  EXPECT_FALSE(e.advanced.ssl_mode);
}

TEST(Parse, ReadsEveryKindOfMember) {
  Endpoint e = config::parse<Endpoint>(R"({
    "address":"h:1","user":"u","database":"d","schema":"s","historyMode":true,"kind":"db","codec":"b",
    "credentials":{"aws_region":"r","aws_role_arn":"a","aws_session_token":"t","auth_type":"AWSIAM"},
    "password":"old","tunnel":{"sshEndpoint":"ssh://me@there","privateKey":"k\n"},
    "headers":[{"key":"a","value":"1"},{"key":"b","value":"2"}],"limits":{"x":1,"a/b":2},"token":"tok",
    "extra":{"any": [1, 2.50]},
    "advanced":{"slot_name":"mine","backfill_chunk_size":-3,"sslmode":"verify-full","statement_timeout":"0",
      "compression":"none","rediscovery_interval":"90s","discover_schemas":["a","b"],"min_backfill_xid":"12",
      "feature_flags":"a,no_b","read_only_capture":true,"discover_only_published":true,"port":65000,"ratio":2,
      "version":"3.4"}})");
  EXPECT_TRUE(e.history);
  EXPECT_EQ(std::get<AwsIam>(e.credentials).role, "a");
  EXPECT_EQ(std::get<AwsIam>(e.credentials).session_token->reveal(), "t");
  EXPECT_EQ(e.password->reveal(), "old");
  EXPECT_EQ(e.tunnel->endpoint, "ssh://me@there");
  EXPECT_EQ(e.tunnel->key.reveal(), "k\n");
  ASSERT_EQ(e.headers.size(), 2u);
  EXPECT_EQ(e.headers[1].key, "b");
  EXPECT_EQ(e.headers[1].value.reveal(), "2");
  EXPECT_EQ(e.limits, (std::map<std::string, int>{{"x", 1}, {"a/b", 2}}));
  EXPECT_EQ(e.token->reveal(), "tok");
  EXPECT_EQ(e.extra.text, R"({"any": [1, 2.50]})");
  EXPECT_EQ(e.codec, "b");
  EXPECT_EQ(e.advanced.slot, "mine");
  EXPECT_EQ(e.advanced.chunk_rows, 50'000) << "validate() normalises";
  EXPECT_EQ(e.advanced.ssl_mode, sample::SslMode::verify_full);
  EXPECT_EQ(e.advanced.timeout, sample::Timeout::unlimited);
  EXPECT_EQ(e.advanced.compression, sample::Compression::none);
  EXPECT_EQ(e.advanced.interval, 90s);
  EXPECT_EQ(e.advanced.schemas, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(e.advanced.ignored);
  EXPECT_EQ(e.advanced.port, 65'000);
  EXPECT_EQ(e.advanced.ratio, 2.0);
  EXPECT_EQ(e.advanced.version.low, 4);
  EXPECT_EQ(e.advanced.validated, 1);
}

TEST(Parse, ListsEverythingThatIsWrongAtOnce) {
  EXPECT_EQ(
      failure(R"({"user":"","credentials":{"auth_type":"AWSIAM","aws_region":7},"advanced":{"port":0}})"),
      "/address: required, but missing; /user: must not be empty; "
      "/credentials/aws_region: expected a string, got the number 7; "
      "/credentials/aws_role_arn: required, but missing; "
      "/advanced/port: expected at least 1, got the number 0");
}

TEST(Parse, CutsTheListOfProblems) {
  std::string many = R"({"address":"a","headers":[)";
  for (int i = 0; i < 30; ++i) many += i ? ",1" : "1";
  std::string message = failure(many + "]}");
  EXPECT_TRUE(message.starts_with("/headers/0: expected an object, got a number; /headers/1")) << message;
  EXPECT_TRUE(message.ends_with("/headers/19: expected an object, got a number; and 10 more")) << message;
}

TEST(Parse, RefusesUnknownPropertiesAnywhereAndNamesTheKnown) {
  EXPECT_TRUE(failure_with(R"("adress":"x")")
                  .starts_with(R"(/adress: unknown property (known here: "address", "user")"));
  EXPECT_EQ(failure_with(R"("tunnel":{"endpoint":"x"})"),
            R"(/tunnel/endpoint: unknown property (known here: "sshEndpoint", "privateKey"))");
  EXPECT_EQ(failure_with(R"("tunnel":{"ssh_endpoint":"x"})"),
            R"(/tunnel/ssh_endpoint: unknown property, did you mean "sshEndpoint"? )"
            R"((known here: "sshEndpoint", "privateKey"))");
  EXPECT_EQ(failure_with(R"("headers":[{"key":"k","value":"v","a~/b":1}])"),
            R"(/headers/0/a~0~1b: unknown property (known here: "key", "value"))");
  EXPECT_EQ(failure(R"({"address":"db",
                        "credentials":{"auth_type":"UserPassword","password":"p","aws_region":"x"}})"),
            R"(/credentials/aws_region: unknown property (known here: "auth_type", "password"))")
      << "hidden and foreign properties are not named";
}

TEST(Parse, IgnoresWhatTheRoleAllowsAtTheRootOnly) {
  std::string open(smallest.substr(0, smallest.size() - 1));
  EXPECT_NO_THROW(config::parse<Endpoint>(open + R"(,"sops":{"mac":"x"}})"));
  EXPECT_NO_THROW(config::parse<Endpoint>(open + R"(,"_meta":{}})", config::Role::resource));
  EXPECT_TRUE(failure(open + R"(,"_meta":{}})").starts_with("/_meta: unknown property"));
  EXPECT_TRUE(
      failure(open + R"(,"sops":{}})", config::Role::resource).starts_with("/sops: unknown property"));
  EXPECT_TRUE(failure(open + R"(,"sops":{}})", config::Role::part).starts_with("/sops: unknown property"));
  EXPECT_TRUE(failure_with(R"("advanced":{"sops":{}})").starts_with("/advanced/sops: unknown property"));
}

TEST(Parse, NamesExpectedTypeAndValue) {
  EXPECT_EQ(failure("[]"), "configuration: expected an object, got an array");
  EXPECT_EQ(failure_with(R"("advanced":"x")"), "/advanced: expected an object, got a string");
  EXPECT_EQ(failure_with(R"("schema":true)"), "/schema: expected a string, got the boolean true");
  EXPECT_EQ(failure_with(R"("schema":{})"), "/schema: expected a string, got an object");
  EXPECT_EQ(failure_with(R"("historyMode":"yes")"),
            R"(/historyMode: expected true or false, got the string "yes")");
  EXPECT_EQ(failure_with(R"("headers":{})"), "/headers: expected an array, got an object");
  EXPECT_EQ(failure_with(R"("limits":[])"), "/limits: expected an object, got an array");
  EXPECT_EQ(failure_with(R"("limits":{"a/b":"x"})"),
            R"(/limits/a~1b: expected an integer, got the string "x")");
  EXPECT_EQ(failure_with(R"("kind":"x")"), R"(/kind: expected "db", got the string "x")");
  EXPECT_EQ(failure_with(R"("codec":"c")"), R"(/codec: "c" is not one of "a", "b")");
  EXPECT_EQ(advanced_failure(R"("backfill_chunk_size":1.5)"),
            "/advanced/backfill_chunk_size: expected an integer, got the number 1.5");
  EXPECT_EQ(advanced_failure(R"("backfill_chunk_size":2147483648)"),
            "/advanced/backfill_chunk_size: expected an integer between -2147483648 and 2147483647, "
            "got the number 2147483648");
  EXPECT_EQ(advanced_failure(R"("port":-1)"),
            "/advanced/port: expected an integer between 0 and 65535, got the number -1");
  EXPECT_EQ(advanced_failure(R"("port":65001)"),
            "/advanced/port: expected at most 65000, got the number 65001");
  EXPECT_EQ(advanced_failure(R"("ratio":-0.5)"), "/advanced/ratio: expected at least 0, got the number -0.5");
  EXPECT_EQ(advanced_failure(R"("sslmode":"on")"),
            R"(/advanced/sslmode: "on" is not one of "disable", "require", "verify-full")");
  EXPECT_EQ(advanced_failure(R"("statement_timeout":"1s")"),
            R"(/advanced/statement_timeout: "1s" is not one of "", "0", "30s")");
  EXPECT_EQ(advanced_failure(R"("min_backfill_xid":"x1")"),
            R"(/advanced/min_backfill_xid: "x1" does not match the pattern ^[0-9]+$)");
  EXPECT_EQ(advanced_failure(R"("discover_schemas":["a"," "])"),
            R"(/advanced/discover_schemas/1: " " does not match the pattern \S)");
  EXPECT_EQ(
      advanced_failure(R"("rediscovery_interval":5)"),
      R"(/advanced/rediscovery_interval: expected a duration such as "1h30m" or "500ms", got the number 5)");
  EXPECT_EQ(advanced_failure(R"("rediscovery_interval":"1500ms")"),
            R"(/advanced/rediscovery_interval: "1500ms" is not a multiple of 1s)");
  EXPECT_EQ(advanced_failure(R"("version":"x")"), R"(/advanced/version: "x" is not a version such as "1.2")");
}

TEST(Parse, CutsLongValuesOnACharacter) {
  std::string shown, given;
  for (int i = 0; i < 100; ++i) (i < 40 ? shown : given) += "é";
  EXPECT_EQ(failure_with(R"("historyMode":")" + shown + given + "\""),
            "/historyMode: expected true or false, got the string \"" + shown + "\"…");
}

struct Hidden {
  std::string pin;
  std::vector<std::string> pins;
  sample::Version version;
  static constexpr auto fields() {
    return std::tuple{field("pin", &Hidden::pin).secret().pattern("^[0-9]+$"),
                      field("pins", &Hidden::pins).secret().item_pattern("^[0-9]+$"),
                      field("version", &Hidden::version).secret()};
  }
};

TEST(Parse, NeverShowsASecret) {
  EXPECT_EQ(failure(R"({"address":"a","credentials":{"auth_type":"UserPassword","password":12345}})"),
            "/credentials/password: expected a string, got a number");
  EXPECT_EQ(failure(R"({"address":"a","credentials":"hunter2"})"),
            "/credentials: expected an object, got a string");
  EXPECT_EQ(failure_with(R"("headers":[{"key":"k","value":true}])"),
            "/headers/0/value: expected a string, got a boolean");
  EXPECT_EQ(failure<Hidden>(R"({"pin":"hunter2","pins":["1","hunter3"],"version":"hunter4"})"),
            "/pin: the value does not match the pattern ^[0-9]+$; "
            "/pins/1: the value does not match the pattern ^[0-9]+$; /version: the value is not valid");
}

TEST(Parse, ReadsNullAsAbsent) {
  Endpoint e = config::parse<Endpoint>(R"({"address":"a","schema":null,"token":null,"advanced":null,
      "credentials":{"auth_type":"UserPassword","password":"p"}})");
  EXPECT_FALSE(e.token);
  EXPECT_EQ(e.advanced.slot, "flow_slot");
  EXPECT_EQ(failure(R"({"address":null,"credentials":{"auth_type":"UserPassword","password":"p"}})"),
            "/address: expected a string, got null");
  EXPECT_EQ(failure_with(R"("headers":[null])"), "/headers/0: expected an object, got null");
}

TEST(Parse, RefusesPropertiesGivenTwice) {
  EXPECT_EQ(failure_with(R"("schema":"a","schema":"b")"), "/schema: given twice");
  EXPECT_EQ(advanced_failure(R"("slotName":"a","slot_name":"b")"),
            R"(/advanced/slot_name: means the same as "slotName": give one of them)");
}

TEST(Parse, SelectsAlternativesByTheirTag) {
  EXPECT_EQ(failure(R"({"address":"a","credentials":{"password":"p"}})"),
            R"(/credentials/auth_type: required, but missing: it is one of "UserPassword", "AWSIAM")");
  EXPECT_EQ(failure(R"({"address":"a","credentials":{"auth_type":"Magic","password":"p"}})"),
            R"(/credentials/auth_type: expected one of "UserPassword", "AWSIAM", got the string "Magic")");
  EXPECT_EQ(failure(R"({"address":"a","credentials":{"auth_type":1}})"),
            R"(/credentials/auth_type: expected one of "UserPassword", "AWSIAM", got the number 1)");
}

struct Basic {
  static constexpr auto about = config::about("Basic");
  std::string user;
  static constexpr auto fields() { return std::tuple{field("user", &Basic::user).required()}; }
};
struct Link {
  static constexpr auto about = config::about("Link");
  std::string link, account;
  static constexpr auto fields() {
    return std::tuple{field("ConnectionString", &Link::link).alias("connectionString").required(),
                      field("account", &Link::account)};
  }
};
struct Store {
  std::variant<std::monostate, Basic, Link> credentials;
  std::variant<Basic> single;
  static constexpr auto fields() {
    return std::tuple{field("credentials", &Store::credentials), field("single", &Store::single)};
  }
};

TEST(Parse, SelectsUntaggedAlternativesByTheirProperties) {
  auto store = config::parse<Store>(R"({"credentials":{"connectionString":"x","account":"y"}})");
  EXPECT_EQ(std::get<Link>(store.credentials).link, "x");
  store = config::parse<Store>(R"({"credentials":{"user":"u"}})");
  EXPECT_EQ(std::get<Basic>(store.credentials).user, "u");
  EXPECT_EQ(config::parse<Store>(R"({"credentials":{}})").credentials.index(), 0u);
  EXPECT_EQ(failure<Store>(R"({"credentials":{"account":"y"}})"),
            R"(/credentials: the properties fit none of the forms "Basic" ("user"), )"
            R"("Link" ("ConnectionString", "account"))");
  EXPECT_EQ(failure<Store>(R"({"single":{"account":"y"}})"),
            R"(/single/account: unknown property (known here: "user"); /single/user: required, but missing)");
}

struct Open {
  static constexpr auto about = config::about("Open").open();
  std::string ddl;
  static constexpr auto fields() { return std::tuple{field("DDL", &Open::ddl)}; }
};

TEST(Parse, ToleratesUnknownPropertiesOfOpenStructs) {
  EXPECT_EQ(config::parse<Open>(R"({"other":1,"DDL":"text"})").ddl, "text");
}

struct Item {
  int n = 0;
  static constexpr auto fields() { return std::tuple{field("n", &Item::n)}; }
  void validate() const {
    if (n < 0) throw Error(Error::Kind::config, "n is negative");
  }
};
struct List {
  std::vector<Item> items;
  std::map<std::string, std::optional<Item>> named;
  static constexpr auto fields() {
    return std::tuple{field("items", &List::items), field("named", &List::named)};
  }
};

TEST(Parse, RunsValidateOnEveryObjectInnerFirstWithThePointer) {
  try {
    config::parse<Endpoint>(R"({"address":"a","credentials":{"auth_type":"UserPassword","password":"p"},
        "advanced":{"rediscovery_interval":"30s"}})");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "/advanced: rediscovery_interval is below 1m");
    EXPECT_EQ(e.hint(), "Give at least 1m.");
  }
  EXPECT_EQ(config::parse<Endpoint>(smallest).advanced.validated, 1)
      << "also on an object that was not given";
  EXPECT_EQ(failure<List>(R"({"items":[{"n":1},{"n":-1}]})"), "/items/1: n is negative");
  EXPECT_EQ(failure<List>(R"({"named":{"a":null,"b":{"n":-1}}})"), "/named/b: n is negative");
}

TEST(Parse, SaysWhatIsNotJson) {
  EXPECT_TRUE(failure(R"({"address":)").starts_with("configuration: ")) << failure(R"({"address":)");
  EXPECT_EQ(failure(R"({"password":"hunter2" x})").find("hunter2"), std::string::npos);
}

template <class T>
struct One {
  T value{};
  static constexpr auto fields() { return std::tuple{field("value", &One::value)}; }
};
template <class T>
T read(const std::string& text) {
  return config::parse<One<T>>("{\"value\":" + text + "}").value;
}
template <class T>
std::string read_failure(const std::string& text) {
  return failure<One<T>>("{\"value\":" + text + "}");
}

TEST(Parse, HoldsEveryNumberExactlyOrRefusesIt) {
  EXPECT_EQ(read<std::int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(read<std::int64_t>("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(read<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(read<std::int8_t>("-128"), -128);
  EXPECT_EQ(read<std::uint32_t>("4294967295"), 4294967295u);
  EXPECT_EQ(read<float>("0.25"), 0.25f);
  EXPECT_EQ(
      read_failure<std::uint64_t>("18446744073709551616"),
      "/value: expected an integer between 0 and 18446744073709551615, got the number 18446744073709551616");
  EXPECT_EQ(read_failure<std::int64_t>("9223372036854775808"),
            "/value: expected an integer between -9223372036854775808 and 9223372036854775807, "
            "got the number 9223372036854775808");
  EXPECT_EQ(read_failure<std::int8_t>("128"),
            "/value: expected an integer between -128 and 127, got the number 128");
  EXPECT_EQ(read_failure<double>("1e999"), "/value: expected a number, got the number 1e999");
}

struct Pins {
  std::vector<std::string> pins{"hunter2"};
  std::string unset;
  static constexpr auto fields() {
    return std::tuple{field("pins", &Pins::pins).secret(), field("unset", &Pins::unset).secret()};
  }
};

TEST(Print, HidesSecretsAndShowsTheRest) {
  Endpoint e = config::parse<Endpoint>(R"({"address":"a","token":"hunter4","password":"hunter5",
      "credentials":{"auth_type":"UserPassword","password":"hunter2"},
      "headers":[{"key":"k","value":"hunter3"}]})");
  std::string text = config::redacted(e);
  EXPECT_EQ(text.find("hunter"), std::string::npos) << text;
  EXPECT_EQ(text.substr(0, text.find(",\"advanced\"")),
            R"({"address":"a","user":"flow_capture","database":"postgres","schema":"","historyMode":false,)"
            R"("credentials":{"auth_type":"UserPassword","password":"***"},"password":"***")");
  EXPECT_NE(text.find(R"("headers":[{"key":"k","value":"***"}])"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("rediscovery_interval":"15m")"), std::string::npos) << text;
  EXPECT_EQ(config::redacted(Pins{}), R"({"pins":"***","unset":""})");
  EXPECT_EQ(config::redacted(One<std::vector<std::string>>{{"shown"}}), R"({"value":["shown"]})");
}

TEST(Print, WritesWhatParsesToTheSame) {
  std::string text = R"({"address":"h","user":"flow_capture","database":"postgres","historyMode":false,)"
                     R"("credentials":{"auth_type":"AWSIAM","aws_region":"r","aws_role_arn":"a"},)"
                     R"("advanced":{"slotName":"s","sslmode":"require","rediscovery_interval":"1m30s"},)"
                     R"("tunnel":{"sshEndpoint":"","privateKey":""},"limits":{"a":1,"b":2}})";
  std::string given = text;
  given.replace(given.find("1m30s"), 5, "90s");
  EXPECT_EQ(config::write(config::parse<Endpoint>(given)), text);
}

}  // namespace
