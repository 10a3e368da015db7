#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/log.hpp"

namespace sluice::sql {

// What planning found worth a log line.
struct Notice {
  enum class Kind {
    backfill,      // `count` is the new counter
    migration,     // column `field`, `from` a type `to` another
    mismatch,      // a column whose type fits the schema neither as it is nor by migration
    vanished,      // a table that was materialized before is gone
    many_columns,  // `count` fields could be selected, more than the database takes
  };
  Kind kind;
  std::string table, field, from, to;
  std::uint64_t count = 0;
};

void log(const Log& log, const std::vector<Notice>& notices);

}  // namespace sluice::sql
