#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/async/context.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/protocol/codec.hpp"
#include "sluice/protocol/logs.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::protocol {

// How to run a connector as a child process (flow-protocol §9.2).
struct ProcessOptions {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;  // besides ours
  Codec codec = Codec::json;
  LogLevel log_level = LogLevel::info;           // LOG_LEVEL of the child
  Log log;                                       // gets what the child logs, with the fields of the task
  std::function<void(const LogRecord&)> on_log;  // and so does this, if set
  std::size_t frame_limit = 64_MiB;              // of what the child writes
  // After being asked to end (its input is closed) the child gets SIGTERM, then SIGKILL.
  std::chrono::milliseconds end_grace = std::chrono::seconds(20), kill_grace = std::chrono::seconds(10);
};

// A connector each of whose calls and sessions is a fresh process speaking on its standard streams. A call
// fails with the message of the last log if the process fails (flow-protocol §8.5), and being cancelled it
// ends the process by SIGTERM. Only what the wire shows is checked; for the order of messages use checked().
// `context` outlives the connector.
std::unique_ptr<Capture> process_capture(Context& context, ProcessOptions options);
std::unique_ptr<Materialize> process_materialize(Context& context, ProcessOptions options);

}  // namespace sluice::protocol
