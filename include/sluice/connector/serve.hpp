#pragma once
#include <functional>
#include <memory>
#include <string>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::connector {

using MakeCapture = std::function<std::unique_ptr<protocol::Capture>(Context&)>;
using MakeMaterialize = std::function<std::unique_ptr<protocol::Materialize>(Context&)>;

// main() of a connector binary (architecture.md §3): no arguments serve the protocol on stdin and stdout,
// `spec`, `discover --config F`, `--version`, `--help`. Builds loop, pool, clock and log, prints the final
// error, returns the exit status 0, 1 or 2.
int serve_capture(int argc, char** argv, std::string name, MakeCapture make);
int serve_materialize(int argc, char** argv, std::string name, MakeMaterialize make);

}  // namespace sluice::connector
