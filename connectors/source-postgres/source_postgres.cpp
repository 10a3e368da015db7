#include "source-postgres/source_postgres.hpp"

#include <algorithm>
#include <cstdlib>

#include "sluice/base/error.hpp"
#include "source-postgres/discover.hpp"
#include "source-postgres/prerequisites.hpp"
#include "source-postgres/session.hpp"
#include "source-postgres/slot.hpp"

namespace sluice::source_postgres {
namespace {

using namespace protocol;

// The binding of the last applied task with the same resource path.
const CaptureBinding* last_binding(const capture::Validate& request, const Binding& binding) {
  if (!request.last_capture) return nullptr;
  for (const CaptureBinding& last : request.last_capture->bindings)
    if (last.resource_path == std::vector<std::string>{binding.name.schema, binding.name.table}) return &last;
  return nullptr;
}

// V-01.
void check_key(const Binding& binding, cdc::Problems& problems) {
  if (!binding.scans_by_key() || !binding.resource.primary_key.empty()) return;
  if (binding.fallback)
    problems.add(
        "table " + binding.name.text() + " is to be read by key (mode \"" +
        std::string(cdc::name(binding.resource.mode)) +
        "\"), but its collection is keyed by the position of changes: set the mode \"Without Primary Key\", "
        "or key the collection by columns");
  try {
    binding.scan_key();
  } catch (const Error& e) {
    problems.add(e);
  }
}

// V-02, V-03.
void check_unchanged(const Binding& binding, std::uint32_t backfill, const CaptureBinding* last,
                     cdc::Problems& problems) {
  if (last == nullptr || backfill > last->backfill) return;
  Binding before = parse_binding(binding.index, last->resource_config_json, nullptr);
  if (before.resource.mode != binding.resource.mode)
    problems.add("the mode of table " + binding.name.text() + " was changed from \"" +
                 std::string(cdc::name(before.resource.mode)) + "\" to \"" +
                 std::string(cdc::name(binding.resource.mode)) + "\": raise its backfill counter too");
  const std::string& filter = binding.resource.advanced.additional_backfill_filter;
  if (!filter.empty() && filter != before.resource.advanced.additional_backfill_filter)
    problems.add("the backfill filter of table " + binding.name.text() +
                 " was set or changed: raise its backfill counter too");
}

class SourcePostgres final : public Capture {
 public:
  explicit SourcePostgres(Context& context) : context_(context) {}

  Task<capture::Spec> spec(capture::SpecRequest) override {
    capture::Spec spec;
    spec.protocol = protocol_version;
    spec.config_schema_json = endpoint_schema();
    spec.resource_config_schema_json = config::json_schema<cdc::Resource>();
    const char* override_url = std::getenv("DOCS_URL");
    spec.documentation_url = override_url != nullptr && *override_url != '\0' ? override_url : documentation;
    spec.resource_path_pointers.emplace_back("/namespace");
    spec.resource_path_pointers.emplace_back("/stream");
    co_return spec;
  }

  Task<capture::Discovered> discover(capture::Discover request) override {
    Settings settings = parse_settings(request.config_json);
    co_return co_await source_postgres::discover(context_, settings);
  }

  Task<capture::Validated> validate(capture::Validate request) override {
    context_.log.status("Validating the capture");
    Settings settings = parse_settings(request.config_json);
    settings.features.flags.warn_of_unknown(context_.log);
    cdc::Problems problems;
    std::vector<Binding> bindings;
    bool goes_on = false;  // from where it was, as far as the counters say
    capture::Validated validated;
    for (const capture::ValidateBinding& item : request.bindings) {
      auto index = static_cast<std::uint32_t>(validated.bindings.size());
      Binding binding =
          parse_binding(index, item.resource_config_json, item.collection ? &*item.collection : nullptr);
      check_key(binding, problems);
      const CaptureBinding* last = last_binding(request, binding);
      check_unchanged(binding, item.backfill, last, problems);
      goes_on = goes_on || (last != nullptr && item.backfill == last->backfill);
      validated.bindings.emplace_back();
      validated.bindings.back().resource_path = {binding.name.schema, binding.name.table};
      bindings.push_back(std::move(binding));
    }
    std::unique_ptr<pg::Connection> db = co_await connect(context_, settings);
    if (!settings.features.skip_prerequisites) {
      co_await check_server(*db, settings, context_.log, problems);
      if (goes_on) co_await warn_of_lost_slot(*db, settings.config.advanced.slot, context_.log);
      if (!settings.features.skip_table_prerequisites)
        co_await check_tables(*db, settings, context_.log, bindings, problems);
    }
    problems.raise();
    co_return validated;
  }

  Task<capture::Applied> apply(capture::Apply request) override {
    capture::Applied applied;
    if (!request.capture || request.capture->bindings.empty()) co_return applied;
    context_.log.status("Applying the capture");
    Settings settings = parse_settings(request.capture->config_json);
    std::unique_ptr<pg::Connection> db = co_await connect(context_, settings);
    Publication publication = co_await load_publication(*db, settings.config.advanced.publication);
    std::vector<cdc::TableName> names;
    for (const CaptureBinding& binding : request.capture->bindings)
      names.push_back(parse_binding(static_cast<std::uint32_t>(names.size()), binding).name);
    std::vector<Table> tables = co_await load_tables(*db, publication, names);
    cdc::Problems problems;
    for (const cdc::TableName& name : names)  // V-04
      if (std::none_of(tables.begin(), tables.end(), [&](const Table& t) { return t.name == name; }))
        problems.add("table " + name.text() +
                     " was not found or may not be accessed: create it again, or disable its binding");
    problems.raise();
    co_return applied;
  }

  Task<> run(capture::Open open, CaptureIo io) override {
    Session session(context_, std::move(open), std::move(io));
    co_await session.run();
  }

 private:
  static constexpr const char* documentation =
      "https://github.com/sluice/sluice/blob/main/connectors/source-postgres/README.md";
  Context& context_;
};

}  // namespace

std::unique_ptr<Capture> make_source_postgres(Context& context) {
  return std::make_unique<SourcePostgres>(context);
}

}  // namespace sluice::source_postgres
