#include "child.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>

#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

#include "attended.hpp"
#include "wrong.hpp"

namespace sluice::protocol {
namespace {

using namespace std::chrono_literals;

// A process that has ended may have left its output and its log to one that it started.
constexpr auto left_open_patience = 2s;

Task<> sleep_then_cancel(Clock& clock, Clock::Duration patience, Scope& scope) {
  co_await clock.sleep(patience);
  scope.cancel();
}

Task<> note_end(Task<> work, bool& ended, Scope& scope) {
  co_await std::move(work);
  ended = true;
  scope.cancel();
}

std::vector<std::string> environment_for(const ProcessOptions& options, bool stop_when_caught_up) {
  std::map<std::string, std::string> variables;
  for (const std::string& variable : current_environment()) {
    std::size_t equals = variable.find('=');
    if (equals != variable.npos) variables[variable.substr(0, equals)] = variable.substr(equals + 1);
  }
  variables.erase("SHUTDOWN_AFTER_POLLING");
  if (stop_when_caught_up) variables["SHUTDOWN_AFTER_POLLING"] = "yes";
  for (const auto& [key, value] : options.environment) variables[key] = value;
  variables["FLOW_RUNTIME_CODEC"] = name(options.codec);
  variables["LOG_FORMAT"] = "json";
  variables["LOG_LEVEL"] = name(options.log_level);
  std::vector<std::string> out;
  for (const auto& [key, value] : variables) out.push_back(key + "=" + value);
  return out;
}

// Runs `work` to its end whatever happens to who waits for it.
Task<> uninterrupted(Task<> work) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await std::move(work);
}

std::string message_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

Task<bool> within(Clock& clock, Clock::Duration patience, Task<> work) {
  bool ended = false;
  Scope scope(co_await asio::this_coro::executor);
  scope.spawn(note_end(std::move(work), ended, scope));
  scope.spawn(sleep_then_cancel(clock, patience, scope));
  co_await scope.join();
  co_return ended;
}

template <class Request, class Response>
Child<Request, Response>::Child(Context& context, const ProcessOptions& options, bool stop_when_caught_up) try
    : context_(context),
      options_(options),
      process_(context.executor, options.command, environment_for(options, stop_when_caught_up)),
      in_(ByteWriter(context.executor, process_.take_stdin(), "the connector"), options.codec),
      out_(ByteReader(context.executor, context.cpu, process_.take_stdout(), "the connector's output"),
           options.codec, options.frame_limit),
      err_(context.executor, context.cpu, process_.take_stderr(), "the connector's log"),
      ending_(context.executor) {
} catch (Error& e) {
  e.add("could not start connector entrypoint");
  throw;
}

template <class Request, class Response>
Task<> Child<Request, Response>::converse(Task<> talk) {
  Scope logs(co_await asio::this_coro::executor);
  logs.spawn(read_logs());
  std::exception_ptr failure;
  try {
    co_await attended(std::move(talk), attend());
  } catch (...) {
    failure = std::current_exception();
  }
  Scope ending(co_await asio::this_coro::executor);
  ending.spawn(uninterrupted(see_off(patience_after(failure), logs)));
  co_await asio::this_coro::throw_if_cancelled(false);  // or who is cancelled would not even enter join()
  try {
    co_await ending.join();
  } catch (...) {
    if (!failure) failure = std::current_exception();
  }
  co_await asio::this_coro::throw_if_cancelled(true);
  if (failure && !killed_ && !terminated_ && !status_.ok() && !is_cancelled(failure)) {
    options_.log.error("connector wrote bad output", kv("error", message_of(failure)));
    options_.log.error("connector failed",
                       kv("error", last_log_.value_or("connector exited with no log output")));
  }
  if (failure) std::rethrow_exception(failure);
  if (status_.signal != 0 && (terminated_ || killed_)) fail_as_stuck();
  if (!status_.ok()) fail_with_last_log();
}

template <class Request, class Response>
Task<> Child<Request, Response>::attempt(Task<> writing) {
  if (deaf_) co_return;
  try {
    co_await std::move(writing);
  } catch (const WriteFailed& e) {
    deaf_ = true;
    options_.log.warn("connector does not read its input", kv("error", e.message()));
  }
}

template <class Request, class Response>
Task<> Child<Request, Response>::say(Request request) {
  return attempt(in_.put(std::move(request)));
}

template <class Request, class Response>
Task<> Child<Request, Response>::say(Hot kind, const Batch& documents) {
  return attempt(in_.put(kind, documents));
}

template <class Request, class Response>
Task<> Child<Request, Response>::say(const StoreBatch& documents) {
  return attempt(in_.put(documents));
}

template <class Request, class Response>
Task<> Child<Request, Response>::flush() {
  return attempt(in_.flush());
}

template <class Request, class Response>
void Child<Request, Response>::close_input() {
  in_.close();
  deaf_ = true;
}

template <class Request, class Response>
void Child<Request, Response>::expect_end() {
  expected_to_end_ = true;
  ending_.notify_all();
}

template <class Request, class Response>
Task<> Child<Request, Response>::read_logs() {
  std::string bytes(64_KiB, '\0');
  try {
    for (;;) {
      std::size_t n = co_await err_.read_some(bytes.data(), bytes.size());
      if (n == 0) break;
      for (const LogRecord& record : decoder_.feed(std::string_view(bytes).substr(0, n))) take(record);
    }
  } catch (const Error& e) {
    options_.log.warn("reading the connector's log failed", kv("error", e.message()));
  }
}

template <class Request, class Response>
void Child<Request, Response>::take(const LogRecord& record) {
  last_log_ = record.message;
  options_.log.write(record.level, record.message, std::span<const LogField>(record.fields));
  if (options_.on_log) options_.on_log(record);
}

template <class Request, class Response>
Task<> Child<Request, Response>::await_exit() {
  status_ = co_await process_.wait();
}

template <class Request, class Response>
Task<> Child<Request, Response>::attend() {
  return all(enforce_end(), end_output_after_exit());
}

// The end of its output is the end of a conversation. It does not come while a process that it started holds
// the output open; what that one has to say counts for as long as it says something.
template <class Request, class Response>
Task<> Child<Request, Response>::end_output_after_exit() {
  co_await await_exit();
  for (bool more = true; more;) {
    std::size_t before = out_.received_bytes();
    co_await context_.clock.sleep(left_open_patience);
    more = out_.received_bytes() != before;
  }
  options_.log.debug("connector left its output open to another process");
  out_.stop();
}

// A child that does not end after it was asked to is made to.
template <class Request, class Response>
Task<> Child<Request, Response>::enforce_end() {
  while (!expected_to_end_) co_await ending_.wait();
  co_await context_.clock.sleep(options_.end_grace);
  if (process_.ended()) co_return;  // and its last words are still being passed on
  terminated_ = true;
  process_.signal(SIGTERM);
  co_await context_.clock.sleep(options_.kill_grace);
  if (process_.ended()) co_return;
  killed_ = true;
  process_.signal(SIGKILL);
  fail_as_stuck();
}

// How long it may take to end by itself. One that wrote nonsense and fails right after has more to say.
template <class Request, class Response>
Clock::Duration Child<Request, Response>::patience_after(const std::exception_ptr& failure) const {
  if (is_cancelled(failure)) return Clock::Duration::zero();
  return failure ? std::min<Clock::Duration>(1s, options_.end_grace) : options_.end_grace;
}

// Takes a bounded time, whatever the process does.
template <class Request, class Response>
Task<> Child<Request, Response>::see_off(Clock::Duration patience, Scope& logs) {
  close_input();
  bool ended = co_await within(context_.clock, patience, await_exit());
  if (!ended && !process_.ended()) {
    terminated_ = true;
    process_.signal(SIGTERM);
  }
  if (!ended) ended = co_await within(context_.clock, options_.kill_grace, await_exit());
  if (!ended) {
    killed_ = true;
    process_.signal(SIGKILL);
    co_await await_exit();
  }
  bool all_read = co_await within(context_.clock, left_open_patience, logs.join());
  if (!all_read) options_.log.debug("connector left its log open to another process");
  for (const LogRecord& record : decoder_.end()) take(record);
}

template <class Request, class Response>
void Child<Request, Response>::fail_as_stuck() const {
  wrong(fmt::format("connector did not end within {} of being asked to and was killed", options_.end_grace));
}

template <class Request, class Response>
void Child<Request, Response>::fail_with_last_log() const {
  if (last_log_) wrong(*last_log_);
  throw Error(Error::Kind::transient, "connector exited with no log output",
              status_.signal != 0 ? fmt::format("It was ended by signal {}.", status_.signal)
                                  : fmt::format("Its exit status was {}.", status_.code));
}

template class Child<capture::Request, capture::Response>;
template class Child<materialize::Request, materialize::Response>;

}  // namespace sluice::protocol
