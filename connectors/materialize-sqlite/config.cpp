#include "config.hpp"

#include <fmt/format.h>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::sqlite {

void Config::validate() const {
  if (path.empty())
    throw Error(Error::Kind::config, "path of the database file is empty", "Leave it out, or name a file.");
  if (path == ":memory:")
    throw Error(Error::Kind::config, "path ':memory:' would lose every row at the end of a session",
                "Name a file.");
  if (path.find('\0') != path.npos)
    throw Error(Error::Kind::config, "path of the database file contains a zero character");
}

config::Flags Config::flags() const {
  return {{{"allow_existing_tables_for_new_bindings", false},
           {"retain_existing_data_on_backfill", false},
           {"always_drop_tables_on_backfill", false},
           {"strict_shard_ranges", true},
           {"truncate_large_values", false}},
          advanced.feature_flags};
}

void ResourceConfig::validate() const {
  std::string name = text::lower_ascii(table);
  if (name.starts_with("sqlite_"))
    throw Error(Error::Kind::config, fmt::format("table name '{}' is reserved by SQLite", table),
                "Choose a name that does not start with sqlite_.");
  if (name == checkpoints_table)
    throw Error(Error::Kind::config,
                fmt::format("table '{}' holds the checkpoints of materializations", table),
                "Choose another name.");
  if (table.find('\0') != table.npos)
    throw Error(Error::Kind::config, "the table name contains a zero character");
}

}  // namespace sluice::sqlite
