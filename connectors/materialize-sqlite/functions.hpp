#pragma once
#include "database.hpp"

namespace sluice::sqlite {

// Gives the connection the SQL functions that Dialect::migration() writes.
void register_functions(Database& database);

}  // namespace sluice::sqlite
