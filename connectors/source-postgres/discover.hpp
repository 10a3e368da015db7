#pragma once
#include <memory>

#include "sluice/async/context.hpp"
#include "sluice/protocol/messages.hpp"
#include "source-postgres/catalog.hpp"
#include "source-postgres/config.hpp"

namespace sluice::source_postgres {

// A query connection with pinned settings and the configured statement timeout, eagerly opened.
Task<std::unique_ptr<pg::Connection>> connect(Context& context, const Settings& settings);

// All tables that the configuration lets through, as bindings sorted by recommended name.
Task<protocol::capture::Discovered> discover(Context& context, const Settings& settings);

}  // namespace sluice::source_postgres
