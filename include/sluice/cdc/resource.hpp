#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "sluice/cdc/names.hpp"
#include "sluice/config/config.hpp"

namespace sluice::cdc {

// How the rows that exist already are read (capture-postgres §6.1).
enum class BackfillMode : std::uint8_t { automatic, normal, precise, only_changes, without_key };
constexpr auto choices(BackfillMode) {
  using config::choice;
  return std::array{choice("", BackfillMode::automatic), choice("Normal", BackfillMode::normal),
                    choice("Precise", BackfillMode::precise),
                    choice("Only Changes", BackfillMode::only_changes),
                    choice("Without Primary Key", BackfillMode::without_key)};
}
std::string_view name(BackfillMode mode);

struct ResourceAdvanced {
  std::string additional_backfill_filter;
  static constexpr auto fields() {
    return std::tuple{
        config::field("additional_backfill_filter", &ResourceAdvanced::additional_backfill_filter)
            .title("Additional Backfill Filter")
            .help("An SQL expression that rows must satisfy to be read by the backfill. It has no effect on "
                  "changes.")
            .no_default()};
  }
};

// The configuration of one binding: one table.
struct Resource {
  static constexpr auto about = config::about("SQL Database Resource Spec");
  BackfillMode mode = BackfillMode::automatic;
  std::string schema, table;
  std::int64_t priority = 0;
  ResourceAdvanced advanced;
  std::vector<std::string> primary_key;
  std::string sync_mode;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("mode", &Resource::mode)
            .title("Backfill Mode")
            .help("How the rows that the table holds already should be read. The default suits nearly every "
                  "table."),
        field("namespace", &Resource::schema)
            .title("Schema")
            .help("The schema (namespace) of the table.")
            .read_only()
            .no_default()
            .required(),
        field("stream", &Resource::table)
            .title("Table Name")
            .help("The name of the table.")
            .read_only()
            .no_default()
            .required(),
        field("priority", &Resource::priority)
            .title("Backfill Priority")
            .help("Tables of the highest priority are read first. May be negative."),
        field("advanced", &Resource::advanced)
            .title("Advanced Options")
            .help("Options that are rarely needed.")
            .advanced(),
        field("primary_key", &Resource::primary_key).hidden(),
        field("syncMode", &Resource::sync_mode).hidden(),
    };
  }
  void validate() const;
  TableName name() const { return {schema, table}; }
};

}  // namespace sluice::cdc
