#pragma once
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sluice/base/error.hpp"
#include "sluice/config/config.hpp"

// A configuration with every kind of declaration, after the shape of a database connector's.
namespace sample {

using namespace sluice;
using config::choice;
using config::field;

enum class SslMode { disable, require, verify_full };
constexpr auto choices(SslMode) {
  return std::array{choice("disable", SslMode::disable), choice("require", SslMode::require),
                    choice("verify-full", SslMode::verify_full)};
}

enum class Compression { gzip, none };
constexpr auto choices(Compression) {
  return std::array{choice("gzip", Compression::gzip, "GZip"),
                    choice("none", Compression::none, "None", "Read files as they are.")};
}

enum class Timeout { usual, unlimited, half_minute };
constexpr auto choices(Timeout) {
  return std::array{choice("", Timeout::usual), choice("0", Timeout::unlimited),
                    choice("30s", Timeout::half_minute)};
}

// A type with a text form of its own.
struct Version {
  static constexpr std::string_view noun = "a version such as \"1.2\"";
  int high = 0, low = 0;
  static Version parse(std::string_view text) {
    if (text.size() != 3 || text[1] != '.')
      throw Error(Error::Kind::config, "\"" + std::string(text) + "\" is not a version such as \"1.2\"");
    return {text[0] - '0', text[2] - '0'};
  }
  std::string text() const { return std::to_string(high) + "." + std::to_string(low); }
};

struct UserPassword {
  static constexpr auto about = config::about("Password").tag("UserPassword");
  Secret password;
  static constexpr auto fields() {
    return std::tuple{field("password", &UserPassword::password).title("Password").order(1).required()};
  }
};
struct AwsIam {
  static constexpr auto about =
      config::about("AWS IAM").tag("AWSIAM").extension("x-oauth2-provider", "\"aws\"");
  std::string region, role;
  std::optional<Secret> session_token;
  static constexpr auto fields() {
    return std::tuple{field("aws_region", &AwsIam::region).title("Region").required(),
                      field("aws_role_arn", &AwsIam::role).title("Role").required(),
                      field("aws_session_token", &AwsIam::session_token).hidden()};
  }
};
using Credentials = std::variant<UserPassword, AwsIam>;

struct SshForwarding {
  static constexpr auto about = config::about("SSH Forwarding");
  std::string endpoint;
  Secret key;
  static constexpr auto fields() {
    return std::tuple{
        field("sshEndpoint", &SshForwarding::endpoint)
            .title("SSH Endpoint")
            .pattern("^ssh://.+@.+$")
            .schema_required(),
        field("privateKey", &SshForwarding::key).title("SSH Private Key").multiline().schema_required()};
  }
};

struct Header {
  std::string key;
  Secret value;
  static constexpr auto fields() {
    return std::tuple{field("key", &Header::key).required(), field("value", &Header::value).required()};
  }
};

struct Advanced {
  std::string slot = "flow_slot";
  int chunk_rows = 50'000;
  std::optional<SslMode> ssl_mode;
  Timeout timeout = Timeout::usual;
  std::optional<Compression> compression;
  std::chrono::seconds interval = std::chrono::minutes(15);
  std::vector<std::string> schemas;
  std::string min_xid, flags;
  bool read_only = false, ignored = false;
  std::uint16_t port = 0;
  double ratio = 0.5;
  Version version{1, 2};
  int validated = 0;

  static constexpr auto fields() {
    return std::tuple{
        field("slotName", &Advanced::slot)
            .title("Slot Name")
            .help("The replication slot.")
            .alias("slot_name"),
        field("backfill_chunk_size", &Advanced::chunk_rows).title("Backfill Chunk Size").nonsensitive(),
        field("sslmode", &Advanced::ssl_mode).title("SSL Mode"),
        field("statement_timeout", &Advanced::timeout).title("Statement Timeout"),
        field("compression", &Advanced::compression).title("Compression").nullable("Auto"),
        field("rediscovery_interval", &Advanced::interval)
            .title("Rediscovery Interval")
            .pattern("^[0-9]+(ms|s|m|h)$"),
        field("discover_schemas", &Advanced::schemas).title("Schemas").item_pattern("\\S"),
        field("min_backfill_xid", &Advanced::min_xid).title("Minimum XID").pattern("^[0-9]+$"),
        field("feature_flags", &Advanced::flags).title("Feature Flags").examples_json("[\"no_enum\"]"),
        field("read_only_capture", &Advanced::read_only).title("Read Only").nonsensitive(),
        field("discover_only_published", &Advanced::ignored).hidden(),
        field("port", &Advanced::port).title("Port").minimum(1).maximum(65'000),
        field("ratio", &Advanced::ratio).title("Ratio").minimum(0),
        field("version", &Advanced::version).title("Version"),
    };
  }
  void validate() {
    if (chunk_rows <= 0) chunk_rows = 50'000;
    if (interval < std::chrono::minutes(1))
      throw Error(Error::Kind::config, "rediscovery_interval is below 1m", "Give at least 1m.");
    ++validated;
  }
};

struct Endpoint {
  static constexpr auto about = config::about("PostgreSQL Connection").help("How to reach the database.");
  std::string address, user = "flow_capture", database = "postgres", schema;
  bool history = false;
  Credentials credentials;
  std::optional<Secret> password;
  Advanced advanced;
  std::optional<SshForwarding> tunnel;
  std::vector<Header> headers;
  std::map<std::string, int> limits;
  std::optional<Secret> token;
  std::string kind = "db", codec = "a";
  config::Json extra;

  static constexpr std::array<std::string_view, 2> codecs{"a", "b"};
  static constexpr auto fields() {
    return std::tuple{
        field("address", &Endpoint::address)
            .title("Server Address")
            .help("The host or host:port.")
            .order(0)
            .required(),
        field("user", &Endpoint::user).title("User").order(1).required(),
        field("database", &Endpoint::database).title("Database").order(2).required(),
        field("schema", &Endpoint::schema)
            .title("Schema")
            .default_json("\"public\"")
            .extension("x-schema-name"),
        field("historyMode", &Endpoint::history).title("History Mode").order(3).nonsensitive().required(),
        field("credentials", &Endpoint::credentials)
            .title("Authentication")
            .order(4)
            .discriminator("auth_type")
            .extension("x-iam-auth")
            .schema_required(),
        field("password", &Endpoint::password).hidden(),
        field("advanced", &Endpoint::advanced).title("Advanced Options").help("Rarely needed.").advanced(),
        field("tunnel", &Endpoint::tunnel).help("An SSH server in between."),
        field("headers", &Endpoint::headers).title("Headers").default_json("[]"),
        field("limits", &Endpoint::limits).title("Limits"),
        field("token", &Endpoint::token).title("Token").nullable(),
        field("kind", &Endpoint::kind).title("Kind").constant("db"),
        field("codec", &Endpoint::codec).title("Codec").one_of(codecs).read_only().no_default(),
        field("extra", &Endpoint::extra).title("Extra").schema_json(R"({"type":["object","null"]})"),
    };
  }
};

}  // namespace sample
