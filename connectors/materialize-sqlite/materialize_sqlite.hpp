#pragma once
#include <memory>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice {

// Materializes into tables of one SQLite file, exactly once; README.md.
std::unique_ptr<protocol::Materialize> make_materialize_sqlite(Context& context);

}  // namespace sluice
