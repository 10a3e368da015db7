#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "sluice/base/secret.hpp"
#include "sluice/cdc/names.hpp"
#include "sluice/cdc/table_pattern.hpp"
#include "sluice/config/config.hpp"
#include "sluice/config/flags.hpp"
#include "sluice/pg/connection.hpp"
#include "sluice/pg/types.hpp"

// The endpoint configuration (capture-postgres §1.1, §1.2).
namespace sluice::source_postgres {

using config::choice;
using config::field;

struct UserPassword {
  static constexpr auto about = config::about("Password").tag("UserPassword");
  Secret password;
  static constexpr auto fields() {
    return std::tuple{field("password", &UserPassword::password)
                          .title("Password")
                          .help("Password for the specified database user.")
                          .order(1)
                          .required()};
  }
};

struct AwsIam {
  static constexpr auto about = config::about("AWS IAM").tag("AWSIAM");
  std::string region, role_arn;
  Secret access_key_id, secret_access_key, session_token;  // injected by the runtime
  static constexpr auto fields() {
    return std::tuple{field("aws_region", &AwsIam::region)
                          .title("AWS Region")
                          .help("AWS region of your database.")
                          .no_default()
                          .required(),
                      field("aws_role_arn", &AwsIam::role_arn)
                          .title("AWS Role ARN")
                          .help("AWS role with access to the database, to be assumed.")
                          .no_default()
                          .required(),
                      field("aws_access_key_id", &AwsIam::access_key_id).hidden(),
                      field("aws_secret_access_key", &AwsIam::secret_access_key).hidden(),
                      field("aws_session_token", &AwsIam::session_token).hidden()};
  }
};

struct GcpIam {
  static constexpr auto about = config::about("Google Cloud IAM").tag("GCPIAM");
  std::string service_account, audience;
  Secret access_token;  // injected by the runtime
  static constexpr auto fields() {
    return std::tuple{field("gcp_service_account_to_impersonate", &GcpIam::service_account)
                          .title("Service Account")
                          .help("Google service account email with access to the database.")
                          .no_default()
                          .required(),
                      field("gcp_workload_identity_pool_audience", &GcpIam::audience)
                          .title("Workload Identity Pool Audience")
                          .help("Audience of the workload identity pool.")
                          .no_default()
                          .required(),
                      field("gcp_access_token", &GcpIam::access_token).hidden()};
  }
};

struct AzureIam {
  static constexpr auto about = config::about("Azure IAM").tag("AzureIAM");
  std::string client_id, tenant_id;
  Secret access_token;  // injected by the runtime
  static constexpr auto fields() {
    return std::tuple{field("azure_client_id", &AzureIam::client_id)
                          .title("Azure Client ID")
                          .help("Client ID of the application that has access to the database.")
                          .no_default()
                          .required(),
                      field("azure_tenant_id", &AzureIam::tenant_id)
                          .title("Azure Tenant ID")
                          .help("Tenant ID of the application that has access to the database.")
                          .no_default()
                          .required(),
                      field("azure_access_token", &AzureIam::access_token).hidden()};
  }
};

using Credentials = std::variant<UserPassword, AwsIam, GcpIam, AzureIam>;

struct DiscoveryFilters {
  static constexpr auto about = config::about("Discovery Filters");
  std::vector<std::string> include_schemas, exclude_schemas, table_patterns;
  bool discover_unpublished_tables = false;
  static constexpr auto fields() {
    return std::tuple{
        field("include_schemas", &DiscoveryFilters::include_schemas)
            .title("Include Schemas")
            .help("If set, only tables of these schemas are discovered.")
            .nonsensitive(),
        field("exclude_schemas", &DiscoveryFilters::exclude_schemas)
            .title("Exclude Schemas")
            .help("Tables of these schemas are not discovered.")
            .nonsensitive(),
        field("table_patterns", &DiscoveryFilters::table_patterns)
            .title("Table Patterns")
            .help("If set, only tables that match one of these patterns are discovered. A pattern is a table "
                  "name, or schema.table, in which * stands for any run of characters and ? for one.")
            .nonsensitive(),
        field("discover_unpublished_tables", &DiscoveryFilters::discover_unpublished_tables)
            .title("Discover Unpublished Tables")
            .help("Also discover tables that the publication does not contain.")
            .nonsensitive(),
    };
  }
};

enum class SslMode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };
constexpr auto choices(SslMode) {
  return std::array{choice("disable", SslMode::disable),     choice("allow", SslMode::allow),
                    choice("prefer", SslMode::prefer),       choice("require", SslMode::require),
                    choice("verify-ca", SslMode::verify_ca), choice("verify-full", SslMode::verify_full)};
}

enum class StatementTimeout : std::uint8_t { usual, unlimited, s30, m1, m2, m5, m30 };
constexpr auto choices(StatementTimeout) {
  using enum StatementTimeout;
  return std::array{choice("", usual), choice("0", unlimited), choice("30s", s30), choice("1m", m1),
                    choice("2m", m2),  choice("5m", m5),       choice("30m", m30)};
}

struct Advanced {
  static constexpr auto about = config::about("Advanced Options");
  std::string publication = "flow_publication", slot = "flow_slot", watermarks = "public.flow_watermarks";
  std::string skip_backfills;
  std::int64_t chunk_rows = 0;  // 0: not set
  std::optional<SslMode> sslmode;
  std::vector<std::string> discover_schemas;
  std::string min_backfill_xid, max_backfill_xid;
  bool read_only = false, as_partitions = false;
  bool discover_unpublished_tables = false, discover_only_published = false;
  std::string source_tag;
  std::chrono::milliseconds rediscovery_interval = std::chrono::minutes(15);
  std::string feature_flags;
  StatementTimeout statement_timeout = StatementTimeout::usual;

  static constexpr auto fields();
  void validate();
};

struct SshForwarding {
  static constexpr auto about = config::about("SSH Forwarding");
  std::string endpoint;
  Secret private_key;
  static constexpr auto fields() {
    return std::tuple{field("sshEndpoint", &SshForwarding::endpoint)
                          .title("SSH Endpoint")
                          .help("Endpoint of the remote SSH server, as ssh://user@hostname[:port].")
                          .pattern("^ssh://.+@.+$")
                          .no_default()
                          .schema_required(),
                      field("privateKey", &SshForwarding::private_key)
                          .title("SSH Private Key")
                          .help("Private key to connect to the remote SSH server.")
                          .multiline()
                          .schema_required()};
  }
};

struct NetworkTunnel {
  static constexpr auto about = config::about("Network Tunnel");
  std::optional<SshForwarding> ssh;
  static constexpr auto fields() {
    return std::tuple{field("sshForwarding", &NetworkTunnel::ssh).title("SSH Forwarding")};
  }
};

struct EndpointConfig {
  static constexpr auto about = config::about("PostgreSQL Connection");
  std::string address, user = "flow_capture", database = "postgres";
  bool history_mode = false;
  std::optional<Credentials> credentials;
  std::optional<Secret> password;  // former place of the password
  DiscoveryFilters filters;
  Advanced advanced;
  std::optional<NetworkTunnel> tunnel;

  static constexpr auto fields();
  void validate() const;
};

// What feature_flags switches; defaults as of now.
struct Features {
  bool infer_schema = true, sourced_schemas = true;
  bool create_slot = true, skip_prerequisites = false, skip_table_prerequisites = false;
  bool allow_slot_gap = false, rebackfill_recreated_tables = false, server_timezone = false;
  std::optional<bool> key_change_as_delete_insert;  // not set: as the capture's state says
  std::optional<pg::Lsn> initial_cursor, forced_cursor;
  pg::ValueOptions values;
  config::Flags flags;  // as they were given
};

// A configuration ready for use: everything that can be wrong without a connection was found.
struct Settings {
  EndpointConfig config;
  Features features;
  std::string host, port;
  cdc::TableName watermarks;
  std::vector<cdc::TablePattern> patterns;
  bool skip_all_backfills = false;
  std::set<std::string> skip_backfills;  // schema.table in lower case
  std::optional<std::uint32_t> min_backfill_xid;
  std::chrono::milliseconds statement_timeout{0};  // 0: none

  bool skips_backfill(const cdc::TableName& table) const;
  bool discovers_unpublished() const;
  // Sorted and distinct; empty: all.
  std::vector<std::string> included_schemas() const;
  pg::ConnectOptions connect_options() const;
};

// Parses and checks; throws Error{config} (C-01 … C-09).
Settings parse_settings(const std::string& config_json);

// The JSON schema of EndpointConfig.
std::string endpoint_schema();

constexpr auto Advanced::fields() {
  return std::tuple{
      field("publicationName", &Advanced::publication)
          .title("Publication Name")
          .help("The name of the PostgreSQL publication to replicate from."),
      field("slotName", &Advanced::slot)
          .title("Slot Name")
          .help("The name of the PostgreSQL replication slot. Every capture needs its own."),
      field("watermarksTable", &Advanced::watermarks)
          .title("Watermarks Table")
          .help("The name of the table used for watermark writes, as schema.table."),
      field("skip_backfills", &Advanced::skip_backfills)
          .title("Skip Backfills")
          .help("A comma-separated list of fully-qualified table names whose existing rows are not read. "
                "*.* stands for all tables.")
          .no_default(),
      field("backfill_chunk_size", &Advanced::chunk_rows)
          .title("Backfill Chunk Size")
          .help("The number of rows which should be fetched from the database in a single backfill query. If "
                "it is not set the connector adapts the number to the rows.")
          .default_json("50000")
          .nonsensitive(),
      field("sslmode", &Advanced::sslmode)
          .title("SSL Mode")
          .help("Overrides SSL connection behavior by setting the 'sslmode' parameter.")
          .no_default(),
      field("discover_schemas", &Advanced::discover_schemas)
          .title("Discovery Schema Selection")
          .help("If set, only tables of these schemas are discovered. Prefer the discovery filters.")
          .nonsensitive(),
      field("min_backfill_xid", &Advanced::min_backfill_xid)
          .title("Minimum Backfill XID")
          .help("Only rows written by this transaction or a later one are backfilled.")
          .pattern("^[0-9]+$")
          .no_default(),
      field("read_only_capture", &Advanced::read_only)
          .title("Read-Only Capture")
          .help("Never write to the database. Needed for standby servers and read-only roles.")
          .nonsensitive(),
      field("capture_as_partitions", &Advanced::as_partitions)
          .title("Capture Partitioned Tables As Partitions")
          .help("Discover and capture the partitions of partitioned tables instead of their roots.")
          .nonsensitive(),
      field("discover_unpublished_tables", &Advanced::discover_unpublished_tables)
          .title("Discover Unpublished Tables")
          .help("Also discover tables that the publication does not contain. Prefer the discovery filters.")
          .nonsensitive(),
      field("source_tag", &Advanced::source_tag)
          .title("Source Tag")
          .help("A value added to every document as the property /_meta/source/tag.")
          .no_default()
          .nonsensitive(),
      field("rediscovery_interval", &Advanced::rediscovery_interval)
          .title("Rediscovery Interval")
          .help("How often the tables of a running capture are looked at again, from 1m to 8760h.")
          .pattern("^[0-9]+(ms|s|m|h)$"),
      field("feature_flags", &Advanced::feature_flags)
          .title("Feature Flags")
          .help("A comma-separated list of flags that change how the connector works; see its documentation.")
          .no_default()
          .nonsensitive(),
      field("statement_timeout", &Advanced::statement_timeout)
          .title("Statement Timeout")
          .help("The time a backfill query may take. The default is two minutes, 0 is no limit.")
          .nonsensitive(),
      field("discover_only_published", &Advanced::discover_only_published)
          .hidden()
          .extension("x-hidden-field"),
      field("max_backfill_xid", &Advanced::max_backfill_xid).hidden(),
  };
}

constexpr auto EndpointConfig::fields() {
  return std::tuple{
      field("address", &EndpointConfig::address)
          .title("Server Address")
          .help("The host or host:port at which the database can be reached.")
          .order(0)
          .no_default()
          .required(),
      field("user", &EndpointConfig::user)
          .title("User")
          .help("The database user to authenticate as.")
          .order(1)
          .required(),
      field("database", &EndpointConfig::database)
          .title("Database")
          .help("Logical database name to capture from.")
          .order(2)
          .required(),
      field("historyMode", &EndpointConfig::history_mode)
          .title("History Mode")
          .help("Capture change events without reducing them to a final state.")
          .order(3)
          .nonsensitive()
          .required(),
      field("credentials", &EndpointConfig::credentials)
          .title("Authentication")
          .help("How to authenticate with the database.")
          .order(4)
          .discriminator("auth_type")
          .default_json(R"({"auth_type":"UserPassword"})")
          .extension("x-iam-auth")
          .extension("x-iam-azure-scope", "\"https://ossrdbms-aad.database.windows.net/.default\"")
          .schema_required(),
      field("password", &EndpointConfig::password).hidden(),
      field("discoveryFilters", &EndpointConfig::filters)
          .title("Discovery Filters")
          .help("Which tables are discovered."),
      field("advanced", &EndpointConfig::advanced)
          .title("Advanced Options")
          .help("Options for advanced users. You should not typically need to modify these.")
          .advanced(),
      field("networkTunnel", &EndpointConfig::tunnel)
          .title("Network Tunnel")
          .help("Connect to your system through an SSH server that acts as a bastion host for your network."),
  };
}

}  // namespace sluice::source_postgres
