#pragma once
#include <string>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/cdc/problems.hpp"
#include "source-postgres/binding.hpp"
#include "source-postgres/catalog.hpp"
#include "source-postgres/config.hpp"

// What must hold before a capture can run (capture-postgres §7.2).
namespace sluice::source_postgres {

// P-01 … P-06c, P-12. What is missing and may be created is created. Loads the publication on the way.
Task<> check_server(pg::Connection& db, const Settings& settings, const Log& log, cdc::Problems& problems);

// P-01 … P-06 and P-12, changing nothing: for Discover, which needs none of it. Warns of each.
Task<> warn_of_server(pg::Connection& db, const Settings& settings, const Log& log);

// P-07 … P-11 of the bound tables: found, readable, published, with an identity that deletions can be
// captured by. Tables that may be added to the publication are.
Task<> check_tables(pg::Connection& db, const Settings& settings, const Log& log,
                    const std::vector<Binding>& bindings, cdc::Problems& problems);

}  // namespace sluice::source_postgres
