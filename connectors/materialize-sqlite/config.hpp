#pragma once
#include <string>
#include <tuple>

#include "sluice/config/config.hpp"
#include "sluice/config/flags.hpp"

namespace sluice::sqlite {

struct Advanced {
  std::string feature_flags;
  static constexpr auto about =
      config::about("Advanced Options")
          .help("Options for advanced users. You should not typically need to modify these.");
  static constexpr auto fields() {
    return std::tuple{config::field("feature_flags", &Advanced::feature_flags)
                          .title("Feature Flags")
                          .help("Comma list of flags, each as it is or with no_ before it; see the "
                                "connector's documentation.")
                          .nonsensitive()};
  }
};

struct Config {
  std::string path = "/tmp/sqlite.db";
  bool hard_delete = false;
  Advanced advanced;

  void validate() const;
  config::Flags flags() const;
  static constexpr auto about = config::about("SQL Connection");
  static constexpr auto fields() {
    return std::tuple{
        config::field("path", &Config::path)
            .title("Database File")
            .help("Path of the SQLite file. It is created if it does not exist; its folder must.")
            .order(0),
        config::field("hardDelete", &Config::hard_delete)
            .title("Hard Delete")
            .help("Delete a row when its document was deleted at the source. If disabled, the row stays and "
                  "its "
                  "_meta/op field says so.")
            .order(1)
            .nonsensitive(),
        config::field("advanced", &Config::advanced).advanced()};
  }
};

struct ResourceConfig {
  std::string table;
  bool delta_updates = false;

  void validate() const;
  static constexpr auto about = config::about("SQL Table");
  static constexpr auto fields() {
    return std::tuple{config::field("table", &ResourceConfig::table)
                          .title("Table")
                          .help("Name of the table. It is created if it does not exist.")
                          .required()
                          .extension("x-collection-name"),
                      config::field("delta_updates", &ResourceConfig::delta_updates)
                          .title("Delta Updates")
                          .help("Append a row for each change instead of keeping one row for each key.")
                          .nonsensitive()
                          .extension("x-delta-updates")};
  }
};

// The table of fences and checkpoints.
inline constexpr char checkpoints_table[] = "flow_checkpoints_v1";

}  // namespace sluice::sqlite
