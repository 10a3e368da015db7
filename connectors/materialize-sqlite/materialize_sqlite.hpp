#pragma once
#include <memory>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice {

// Materializes into tables of one SQLite file, exactly once; README.md.
std::unique_ptr<protocol::Materialize> make_materialize_sqlite(Context& context);

// SQLite counts the memory of a process under one lock that every allocation takes. A main that does not ask
// for the count does without, if it says so before anything opens a database.
void forgo_sqlite_memory_count();

}  // namespace sluice
