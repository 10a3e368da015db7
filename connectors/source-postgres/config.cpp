#include "source-postgres/config.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::source_postgres {
namespace {

[[noreturn]] void refuse(std::string message, std::string hint) {
  throw Error(Error::Kind::config, std::move(message), std::move(hint));
}

// C-04.
cdc::TableName split_table(const std::string& text, const std::string& where) {
  std::size_t dot = text.find('.');
  if (dot == text.npos || dot == 0 || dot + 1 == text.size())
    refuse(where + " holds \"" + text + "\", which is not schema.table",
           "Write the schema, a dot and the table.");
  return {text.substr(0, dot), text.substr(dot + 1)};
}

std::uint32_t parse_xid(const std::string& text, const std::string& where) {
  std::uint64_t xid = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), xid);
  if (failure != std::errc() || end != text.data() + text.size() || xid > UINT32_MAX)
    refuse(where + " is \"" + text + "\", which is no transaction id",
           "Give a 32-bit number such as the xmin of a row.");
  return static_cast<std::uint32_t>(xid);
}

std::chrono::milliseconds timeout_of(StatementTimeout choice) {
  using namespace std::chrono_literals;
  switch (choice) {
    case StatementTimeout::unlimited:
      return 0ms;
    case StatementTimeout::s30:
      return 30s;
    case StatementTimeout::m1:
      return 1min;
    case StatementTimeout::m5:
      return 5min;
    case StatementTimeout::m30:
      return 30min;
    case StatementTimeout::usual:
    case StatementTimeout::m2:
      break;
  }
  return 2min;
}

std::optional<pg::Lsn> lsn_flag(const config::Flags& flags, std::string_view name) {
  auto text = flags.value(name);
  if (!text) return std::nullopt;
  auto lsn = pg::Lsn::parse(*text);
  if (!lsn)
    refuse("feature flag " + std::string(name) + " is \"" + *text + "\", which is no WAL position",
           "Write it as the server does, such as 16/B374D848.");
  return lsn;
}

Features parse_features(const std::string& list) {
  constexpr std::string_view key_changes = "pk_update_as_delete_insert",
                             initial_cursor = "initial_backfill_cursor",
                             forced_cursor = "force_reset_cursor";
  config::Flags flags({{"use_schema_inference", true},
                       {"emit_sourced_schemas", true},
                       {"date_as_date", true},
                       {"time_as_time", true},
                       {"flatten_arrays", true},
                       {"multidimensional_arrays", false},
                       {"create_replication_slot", true},
                       {"skip_prerequisites", false},
                       {"skip_table_prerequisites", false},
                       {"allow_slot_gap", false},
                       {"rebackfill_recreated_tables", false},
                       {"server_timezone", false}},
                      list, {key_changes, initial_cursor, forced_cursor});
  Features features;
  features.infer_schema = flags.on("use_schema_inference");
  features.sourced_schemas = flags.on("emit_sourced_schemas");
  features.values.date_as_date = flags.on("date_as_date");
  features.values.time_as_time = flags.on("time_as_time");
  features.values.flatten_arrays = flags.on("flatten_arrays");
  features.values.multidimensional_arrays = flags.on("multidimensional_arrays");
  features.create_slot = flags.on("create_replication_slot");
  features.skip_prerequisites = flags.on("skip_prerequisites");
  features.skip_table_prerequisites = flags.on("skip_table_prerequisites");
  features.allow_slot_gap = flags.on("allow_slot_gap");
  features.rebackfill_recreated_tables = flags.on("rebackfill_recreated_tables");
  features.server_timezone = flags.on("server_timezone");
  // Without a default here: an unset flag is left to the capture's state.
  for (const std::string& item : text::split(list, ','))
    if (std::string_view name = text::trim(item);
        name == key_changes || name == "no_" + std::string(key_changes))
      features.key_change_as_delete_insert = name == key_changes;
  features.initial_cursor = lsn_flag(flags, initial_cursor);
  features.forced_cursor = lsn_flag(flags, forced_cursor);
  features.flags = std::move(flags);
  return features;
}

// host, host:port, [v6], [v6]:port, /socket/folder, /socket/folder:port.
void split_address(const std::string& address, Settings& settings) {
  settings.host = address;
  settings.port = "5432";
  std::size_t colon = address.rfind(':');
  bool bracketed = address.starts_with('[');
  if (bracketed) {
    std::size_t close = address.find(']');
    if (close == address.npos) refuse("/address is \"" + address + "\", which lacks a closing bracket", {});
    settings.host = address.substr(1, close - 1);
    if (close + 1 == address.size()) return;
    colon = close + 1;
  } else if (colon == address.npos || address.find(':') != colon) {
    return;  // no port, or an IPv6 address
  } else {
    settings.host = address.substr(0, colon);
  }
  settings.port = address.substr(colon + 1);
  bool number = !settings.port.empty() && settings.port.find_first_not_of("0123456789") == std::string::npos;
  if (address[colon] != ':' || !number || settings.port.size() > 5 || settings.host.empty())
    refuse("/address is \"" + address + "\", which is not host or host:port",
           "Give a host name or address and, after a colon, a port number.");
}

std::string lower_table(const cdc::TableName& table) { return text::lower_ascii(table.text()); }

void parse_skip_backfills(const std::string& list, Settings& settings) {
  for (const std::string& item : text::split(list, ',')) {
    std::string name(text::trim(item));
    if (name.empty() && list.find(',') == list.npos) continue;
    cdc::TableName table = split_table(name, "/advanced/skip_backfills");
    if (table == cdc::TableName{"*", "*"})
      settings.skip_all_backfills = true;
    else
      settings.skip_backfills.insert(lower_table(table));
  }
}

struct Password {
  pg::ConnectOptions& options;
  void operator()(const UserPassword& c) const { options.password = c.password; }
  void operator()(const AwsIam&) const {}
  void operator()(const GcpIam& c) const { options.password = c.access_token; }
  void operator()(const AzureIam& c) const { options.password = c.access_token; }
};

struct CheckCredentials {
  static void need(const Secret& token, const char* name) {
    if (token.empty())
      refuse(std::string("missing IAM session '") + name + "' in /credentials",
             "The runtime injects it when the identity is set up; without one use the UserPassword "
             "authentication.");
  }
  void operator()(const UserPassword&) const {}
  void operator()(const AwsIam& c) const {
    need(c.access_key_id, "aws_access_key_id");
    need(c.secret_access_key, "aws_secret_access_key");
    need(c.session_token, "aws_session_token");
    refuse("authentication AWSIAM is not available in this version of source-postgres",
           "Use UserPassword, GCPIAM or AzureIAM.");
  }
  void operator()(const GcpIam& c) const { need(c.access_token, "gcp_access_token"); }
  void operator()(const AzureIam& c) const { need(c.access_token, "azure_access_token"); }
};

std::string_view text_of(SslMode mode) {
  for (const auto& c : choices(mode))
    if (c.value == mode) return c.text;
  return {};
}

// libpq 15 knows no "system" store: the bundle at its usual places.
std::string system_certificates() {
  for (const char* path :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"})
    if (std::filesystem::exists(path)) return path;
  return {};
}

}  // namespace

void Advanced::validate() {
  chunk_rows = std::max<std::int64_t>(chunk_rows, 0);
  for (const std::string& schema : discover_schemas)
    if (text::trim(schema).empty())
      refuse("/discover_schemas has a blank entry",
             "Remove it: to discover all schemas leave the list empty.");
  using namespace std::chrono_literals;
  if (rediscovery_interval < 1min || rediscovery_interval > 8760h)
    refuse("/rediscovery_interval is " + config::write_duration(rediscovery_interval) +
               ", which is not between 1m and 8760h",
           "The default is 15m.");
}

void EndpointConfig::validate() const {
  if (address.ends_with(".pooler.supabase.com") || address.ends_with(".pooler.supabase.com:6543"))
    refuse("/address \"" + address +
               "\" is a connection pooler, through which logical replication does not work",
           "Give the direct connection address of the database.");
  if (!credentials && (!password || password->empty()))
    refuse("/credentials is missing", "Give the authentication and a password.");
}

bool Settings::skips_backfill(const cdc::TableName& table) const {
  return skip_all_backfills || skip_backfills.contains(lower_table(table));
}

bool Settings::discovers_unpublished() const {
  return config.advanced.discover_unpublished_tables || config.filters.discover_unpublished_tables;
}

std::vector<std::string> Settings::included_schemas() const {
  std::set<std::string> all(config.filters.include_schemas.begin(), config.filters.include_schemas.end());
  all.insert(config.advanced.discover_schemas.begin(), config.advanced.discover_schemas.end());
  return {all.begin(), all.end()};
}

pg::ConnectOptions Settings::connect_options() const {
  pg::ConnectOptions options;
  options.host = host;
  options.port = port;
  options.user = config.user;
  options.database = config.database;
  options.settings = pg::pinned_settings();
  options.settings["tcp_keepalives_idle"] = "120";
  options.settings["tcp_keepalives_interval"] = "30";
  options.settings["tcp_keepalives_count"] = "6";
  if (features.server_timezone) options.settings.erase("TimeZone");
  if (config.credentials)
    std::visit(Password{options}, *config.credentials);
  else
    options.password = *config.password;
  bool by_token = config.credentials && (std::holds_alternative<GcpIam>(*config.credentials) ||
                                         std::holds_alternative<AzureIam>(*config.credentials));
  if (config.advanced.sslmode)
    options.sslmode = text_of(*config.advanced.sslmode);
  else if (by_token)
    options.sslmode = "require";
  if (options.sslmode.starts_with("verify")) options.ssl_root_cert = system_certificates();
  return options;
}

Settings parse_settings(const std::string& config_json) {
  Settings settings;
  settings.config = config::parse<EndpointConfig>(config_json);
  const EndpointConfig& c = settings.config;
  settings.features = parse_features(c.advanced.feature_flags);
  settings.watermarks = split_table(c.advanced.watermarks, "/advanced/watermarksTable");
  parse_skip_backfills(c.advanced.skip_backfills, settings);
  for (const std::string& pattern : c.filters.table_patterns) settings.patterns.emplace_back(pattern);
  split_address(c.address, settings);
  if (!c.advanced.min_backfill_xid.empty())
    settings.min_backfill_xid = parse_xid(c.advanced.min_backfill_xid, "/advanced/min_backfill_xid");
  settings.statement_timeout = timeout_of(c.advanced.statement_timeout);
  if (c.credentials) std::visit(CheckCredentials{}, *c.credentials);
  if (c.tunnel && c.tunnel->ssh && !c.tunnel->ssh->endpoint.empty())
    refuse("/networkTunnel/sshForwarding is not available in this version of source-postgres",
           "Open the tunnel outside, for example with ssh -L, and give its local end as the address.");
  return settings;
}

std::string endpoint_schema() { return config::json_schema<EndpointConfig>(); }

}  // namespace sluice::source_postgres
