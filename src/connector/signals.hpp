#pragma once
#include <functional>

#include "sluice/async/clock.hpp"
#include "sluice/base/error.hpp"
#include "sluice/protocol/serve.hpp"

namespace sluice::connector {

// Runs `work` to its end. SIGTERM or SIGINT asks it to stop; another signal, or seven seconds, cancel it, and
// what it was cancelled for is thrown. Work that does not end within a second of that, as while a blocking
// call on the pool cannot be interrupted, is left to `abandon`, which gets that error and may end the
// process: runtimes kill ten seconds after they ask.
Task<> until_signalled(Task<> work, Clock& clock, protocol::Stop& stop,
                       std::function<void(const Error&)> abandon);

}  // namespace sluice::connector
