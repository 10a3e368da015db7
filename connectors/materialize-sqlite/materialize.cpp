#include <sqlite3.h>

#include <asio/this_coro.hpp>
#include <exception>
#include <filesystem>

#include "apply.hpp"
#include "config.hpp"
#include "database.hpp"
#include "dialect.hpp"
#include "lock.hpp"
#include "materialize_sqlite.hpp"
#include "schema.hpp"
#include "sluice/base/error.hpp"
#include "sluice/connector/transactor.hpp"
#include "sluice/sql/validate.hpp"
#include "transactor.hpp"

namespace sluice {
namespace sqlite {
namespace {

namespace materialize = protocol::materialize;

constexpr char documentation_url[] = "https://go.estuary.dev/materialize-sqlite";
// With the flag truncate_large_values.
constexpr protocol::SerPolicy truncating{65536, 1000, 1000};

sql::Rules rules_of(const config::Flags& flags) {
  sql::Rules rules;
  rules.allow_existing_tables_for_new_bindings = flags.on("allow_existing_tables_for_new_bindings");
  rules.retain_existing_data_on_backfill = flags.on("retain_existing_data_on_backfill");
  rules.always_drop_tables_on_backfill = flags.on("always_drop_tables_on_backfill");
  return rules;
}

Config parse_config(const std::string& json) { return config::parse<Config>(json.empty() ? "{}" : json); }

const protocol::MaterializationSpec& require_spec(const std::optional<protocol::MaterializationSpec>& spec) {
  if (!spec) throw Error(Error::Kind::transient, "protocol error: a request without its materialization");
  return *spec;
}

sql::InfoSchema read_existing(const std::string& path, const Dialect& dialect,
                              const std::vector<sql::Path>& paths) {
  Database::require_place(path);
  if (!std::filesystem::exists(path)) return sql::InfoSchema(dialect);
  Database database(path, Database::Access::existing);
  return read_schema(database, dialect, paths);
}

// Changes nothing in the file.
materialize::Validated validate(materialize::Validate request, Log log) {
  Config config = parse_config(request.config_json);
  std::vector<sql::Resource> resources;
  std::vector<sql::Path> paths{{checkpoints_table}};
  for (const materialize::ValidateBinding& binding : request.bindings) {
    auto parsed = config::parse<ResourceConfig>(binding.resource_config_json, config::Role::resource);
    resources.push_back({{parsed.table}, parsed.delta_updates});
    paths.push_back(resources.back().path);
  }
  Dialect dialect;
  sql::InfoSchema info = read_existing(config.path, dialect, paths);
  config::Flags flags = config.flags();
  flags.warn_of_unknown(log);
  materialize::Validated out = sql::validate(dialect, rules_of(flags), request, resources, info);
  if (flags.on("truncate_large_values"))
    for (materialize::ValidatedBinding& binding : out.bindings) binding.ser_policy = truncating;
  sql::log(log, sql::notices(dialect, out));
  return out;
}

std::unique_ptr<Applier> make_applier(materialize::Apply request, Log log) {
  Config config = parse_config(request.materialization->config_json);
  return std::make_unique<Applier>(config.path, rules_of(config.flags()), std::move(request), std::move(log));
}

class Connector final : public protocol::Materialize {
 public:
  explicit Connector(Context& context) : context_(context) {}

  Task<materialize::Spec> spec(materialize::SpecRequest) override {
    materialize::Spec spec;
    spec.protocol = protocol::protocol_version;
    spec.config_schema_json = config::json_schema<Config>();
    spec.resource_config_schema_json = config::json_schema<ResourceConfig>();
    spec.documentation_url = documentation_url;
    co_return spec;
  }

  Task<materialize::Validated> validate(materialize::Validate request) override {
    co_return co_await on_cpu(context_.cpu, sqlite::validate, std::move(request), context_.log);
  }

  Task<materialize::Applied> apply(materialize::Apply request) override {
    std::string path = parse_config(require_spec(request.materialization).config_json).path;
    std::unique_ptr<Applier> applier =
        co_await on_cpu(context_.cpu, make_applier, std::move(request), context_.log);
    co_await until_locked(context_, applier.get(), &Applier::prepare, path, patience_at_start);
    while (!applier->done())
      co_await until_locked(context_, applier.get(), &Applier::step, path, patience_at_start);
    materialize::Applied applied;
    applied.action_description = applier->description();
    co_return applied;
  }

  Task<> run(materialize::Open open, protocol::MaterializeIo io) override {
    Config config = parse_config(require_spec(open.materialization).config_json);
    config::Flags flags = config.flags();
    flags.log(context_.log);
    SessionOptions options;
    options.path = config.path;
    options.rules = rules_of(flags);
    options.hard_delete = config.hard_delete;
    options.strict_shard_ranges = flags.on("strict_shard_ranges");
    options.memory_bytes = context_.memory_bytes;
    Transactor transactor(context_, std::move(options));
    std::exception_ptr failure;
    try {
      co_await connector::drive(context_, transactor, std::move(open), std::move(io));
    } catch (...) {
      failure = std::current_exception();
    }
    // Closing copies the log: not on the loop, and also after a cancellation.
    co_await asio::this_coro::reset_cancellation_state();
    co_await transactor.close();
    if (failure) std::rethrow_exception(failure);
  }

 private:
  Context& context_;
};

}  // namespace
}  // namespace sqlite

std::unique_ptr<protocol::Materialize> make_materialize_sqlite(Context& context) {
  return std::make_unique<sqlite::Connector>(context);
}

void forgo_sqlite_memory_count() { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

}  // namespace sluice
