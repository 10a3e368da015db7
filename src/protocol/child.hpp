#pragma once
#include <optional>
#include <string>

#include "sluice/async/event.hpp"
#include "sluice/async/process.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/protocol/process.hpp"
#include "stream.hpp"

namespace sluice::protocol {

// Runs `work` for at most `patience`; whether it came to its end.
Task<bool> within(Clock& clock, Clock::Duration patience, Task<> work);

// One run of a connector process: its streams, its logs and its end.
template <class Request, class Response>
class Child {
 public:
  Child(Context& context, const ProcessOptions& options, bool stop_when_caught_up = false);

  // Does `talk` (which reads the output to its end) while collecting the logs, then sees the process end. The
  // failure reported is talk's, else the process's.
  Task<> converse(Task<> talk);

  // A connector that does not read its input is none of our failures: then these do nothing.
  Task<> say(Request request);
  Task<> say(Hot kind, const Batch& documents);
  Task<> say(const StoreBatch& documents);
  Task<> flush();
  void close_input();
  // From now on it has the grace of the options to end.
  void expect_end();

  MessageReader<Response>& out() { return out_; }

 private:
  Task<> attempt(Task<> writing);
  Task<> read_logs();
  Task<> enforce_end();
  Task<> attend();
  Task<> end_output_after_exit();
  Clock::Duration patience_after(const std::exception_ptr& failure) const;
  Task<> see_off(Clock::Duration patience, Scope& logs);
  Task<> await_exit();
  void take(const LogRecord& record);
  [[noreturn]] void fail_as_stuck() const;
  [[noreturn]] void fail_with_last_log() const;

  Context& context_;
  const ProcessOptions& options_;
  Process process_;
  MessageWriter<Request> in_;
  MessageReader<Response> out_;
  ByteReader err_;
  LogDecoder decoder_;
  std::optional<std::string> last_log_;
  ExitStatus status_;
  Event ending_;
  bool deaf_ = false, expected_to_end_ = false;
  bool terminated_ = false, killed_ = false;  // by us
};

extern template class Child<capture::Request, capture::Response>;
extern template class Child<materialize::Request, materialize::Response>;

}  // namespace sluice::protocol
