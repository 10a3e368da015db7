#pragma once
#include <vector>

#include "database.hpp"
#include "dialect.hpp"
#include "sluice/sql/live.hpp"

namespace sluice::sqlite {

// The relations of these names as they are in the file.
sql::InfoSchema read_schema(const Database& database, const Dialect& dialect,
                            const std::vector<sql::Path>& paths);

}  // namespace sluice::sqlite
