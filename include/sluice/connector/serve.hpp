#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "sluice/async/context.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::connector {

using MakeCapture = std::function<std::unique_ptr<protocol::Capture>(Context&)>;
using MakeMaterialize = std::function<std::unique_ptr<protocol::Materialize>(Context&)>;

// main() of a connector binary (architecture.md §3): no arguments serve the protocol on stdin and stdout,
// `spec`, `discover --config F`, `--version`, `--help`. Builds loop, pool, clock and log, prints the final
// error, returns the exit status 0, 1 or 2. The allocator keeps freed memory (keep_freed_memory()).
//
// Environment: FLOW_RUNTIME_CODEC (proto, json), LOG_LEVEL, LOG_FORMAT (json, text, color), DOCS_URL
// (replaces the documentation URL of the spec), SHUTDOWN_AFTER_POLLING=yes (a capture ends once it has caught
// up).
int serve_capture(int argc, char** argv, std::string name, MakeCapture make);
int serve_materialize(int argc, char** argv, std::string name, MakeMaterialize make);

// serve<SourceFoo>(argc, argv, "source-foo"), for a connector that is made from a Context.
template <std::derived_from<protocol::Capture> Connector>
int serve(int argc, char** argv, std::string name) {
  auto make = [](Context& context) { return std::make_unique<Connector>(context); };
  return serve_capture(argc, argv, std::move(name), make);
}
template <std::derived_from<protocol::Materialize> Connector>
int serve(int argc, char** argv, std::string name) {
  auto make = [](Context& context) { return std::make_unique<Connector>(context); };
  return serve_materialize(argc, argv, std::move(name), make);
}

}  // namespace sluice::connector
