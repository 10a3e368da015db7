// A connector that plays a script: the arguments, one step each.
//
//   capture | materialize   the protocol, first of all; the codec is FLOW_RUNTIME_CODEC
//   greet                   reads a request, answers with a Spec
//   read                    reads a request and logs it as {"msg":"heard","request":…}
//   drain                   reads and logs requests to the end
//   say:JSON                writes a response
//   together                the next two responses are one write
//   raw:HEX                 writes bytes
//   log:TEXT                a line on standard error
//   env:NAME                logs the value of a variable
//   close-in, close-out     closes a stream
//   ignore-term, note-term  SIGTERM has no effect any more, or is logged as the end of a hang
//   pid                     logs the process id
//   leave-log, leave-out    starts a process that keeps standard error or output open
//   leave-all               and one that keeps standard input open too
//   hang                    waits to be killed
//   exit:N, raise:SIGNAL    the end; without it, exit 0
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "convert.hpp"
#include "frame.hpp"
#include "json_codec.hpp"
#include "sluice/base/text.hpp"
#include "sluice/base/write.hpp"
#include "sluice/json/write.hpp"

namespace sluice::protocol {
namespace {

void put(int fd, std::string_view bytes) {
  if (write_all(fd, bytes) != 0) std::_Exit(90);
}

void log(std::string_view line) { put(STDERR_FILENO, std::string(line) + "\n"); }

void log_heard(std::string_view request) {
  log(fmt::format(R"({{"level":"info","msg":"heard","request":{}}})", request));
}

template <class Request, class Response>
class Peer {
 public:
  explicit Peer(Codec codec) : codec_(codec), in_(codec) {}

  bool read(bool quietly) {
    while (!item_) {
      item_ = in_.next();
      if (item_) break;
      char* room = in_.room(65536);
      ssize_t n = ::read(STDIN_FILENO, room, 65536);
      if (n <= 0) return false;
      in_.filled(static_cast<std::size_t>(n));
    }
    Item<Request> item = std::move(*std::exchange(item_, std::nullopt));
    if (!quietly) show(item);
    return true;
  }

  void say(std::string_view json) {
    typename ProtoOf<Response>::Type proto;
    parse_json(json, proto, UnknownFields::reject);
    std::string frame;
    if (codec_ == Codec::json) {
      append_json(frame, proto);
      frame += '\n';
    } else {
      std::string body;
      append_wire(body, proto);
      for (int i = 0; i < 4; ++i) frame += static_cast<char>(body.size() >> (8 * i));
      frame += body;
    }
    held_ += frame;
    if (together_ > 0 && --together_ > 0) return;
    put(STDOUT_FILENO, held_);
    held_.clear();
  }
  void together() { together_ = 2; }

 private:
  static void show(const Item<Request>& item) {
    if (auto* request = std::get_if<Request>(&item)) log_heard(to_json(*request));
    if (auto* batch = std::get_if<Batch>(&item))
      for (std::size_t i = 0; i < batch->size(); ++i)
        log_heard(fmt::format(R"({{"load":"{}"}})", text::hex(batch->doc(i).json)));
    if (auto* stores = std::get_if<StoreBatch>(&item))
      for (std::size_t i = 0; i < stores->size(); ++i)
        log_heard(fmt::format(R"({{"store":"{} {}","doc":{}}})", text::hex((*stores)[i].key_packed),
                              text::hex((*stores)[i].values_packed), (*stores)[i].doc));
  }
  Codec codec_;
  int together_ = 0;
  std::string held_;
  Decoder<Request> in_;
  std::optional<Item<Request>> item_;
};

void leave(std::initializer_list<int> streams, const char* seconds) {
  if (::fork() != 0) return;
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (std::find(streams.begin(), streams.end(), fd) == streams.end()) ::close(fd);
  ::execlp("sleep", "sleep", seconds, nullptr);
  std::_Exit(91);
}

template <class P>
int play(P peer, int argc, char** argv) {
  bool notes_term = false;
  sigset_t term;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  for (int i = 2; i < argc; ++i) {
    std::string_view step = argv[i];
    std::string_view name = step.substr(0, step.find(':'));
    std::string argument(step.substr(std::min(step.size(), name.size() + 1)));
    if (name == "greet") {
      if (!peer.read(true)) return 92;
      peer.say(
          R"({"spec":{"protocol":3032023,"configSchema":{},"resourceConfigSchema":{},"documentationUrl":"u"}})");
    } else if (name == "read") {
      if (!peer.read(false)) return 93;
    } else if (name == "drain") {
      while (peer.read(false)) {
      }
    } else if (name == "say") {
      peer.say(argument);
    } else if (name == "together") {
      peer.together();
    } else if (name == "raw") {
      put(STDOUT_FILENO, text::unhex(argument).value());
    } else if (name == "log") {
      log(argument);
    } else if (name == "env") {
      const char* value = std::getenv(argument.c_str());
      log(fmt::format(R"({{"level":"info","msg":"{}={}"}})", argument, value ? value : "(unset)"));
    } else if (name == "close-in") {
      ::close(STDIN_FILENO);
    } else if (name == "close-out") {
      ::close(STDOUT_FILENO);
    } else if (name == "ignore-term") {
      ::signal(SIGTERM, SIG_IGN);
    } else if (name == "note-term") {
      // Waited for and not handled: TSan delays handlers, at times for ever.
      ::sigprocmask(SIG_BLOCK, &term, nullptr);
      notes_term = true;
    } else if (name == "pid") {
      log(fmt::format(R"({{"level":"info","msg":"pid={}"}})", ::getpid()));
    } else if (name == "leave-log") {
      leave({STDERR_FILENO}, "5");
    } else if (name == "leave-out") {
      leave({STDOUT_FILENO}, "30");
    } else if (name == "leave-all") {
      leave({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}, "30");
    } else if (name == "hang") {
      while (!notes_term) ::pause();
      int signal = 0;
      ::sigwait(&term, &signal);
      put(STDERR_FILENO, "terminated\n");
      return 0;
    } else if (name == "exit") {
      return std::atoi(argument.c_str());
    } else if (name == "raise") {
      ::raise(std::atoi(argument.c_str()));
    } else {
      log("unknown step " + std::string(step));
      return 94;
    }
  }
  return 0;
}

int main_of(int argc, char** argv) {
  const char* variable = std::getenv("FLOW_RUNTIME_CODEC");
  Codec codec = parse_codec(variable ? variable : "");
  if (argc > 1 && std::string_view(argv[1]) == "materialize")
    return play(Peer<materialize::Request, materialize::Response>(codec), argc, argv);
  return play(Peer<capture::Request, capture::Response>(codec), argc, argv);
}

}  // namespace
}  // namespace sluice::protocol

int main(int argc, char** argv) { return sluice::protocol::main_of(argc, argv); }
