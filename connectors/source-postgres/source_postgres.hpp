#pragma once
#include <memory>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::source_postgres {

// The PostgreSQL capture connector; one instance serves one capture. `context` outlives it.
std::unique_ptr<protocol::Capture> make_source_postgres(Context& context);

}  // namespace sluice::source_postgres
