#pragma once
#include <string>

#include "sluice/async/context.hpp"
#include "sluice/async/event.hpp"
#include "sluice/async/fd.hpp"
#include "sluice/protocol/codec.hpp"
#include "sluice/protocol/session.hpp"

namespace sluice::protocol {

// Asks whoever serves to end at the next legal point.
class Stop {
 public:
  explicit Stop(Executor executor) : event_(std::move(executor)) {}
  // `reason` is for errors: "stopped by SIGTERM".
  void request(std::string reason) {
    reason_ = std::move(reason);
    event_.notify_all();
  }
  bool requested() const { return !reason_.empty(); }
  const std::string& reason() const { return reason_; }
  Task<> wait() {
    while (!requested()) co_await event_.wait();
  }

 private:
  std::string reason_;
  Event event_;
};

struct ServeOptions {
  Codec codec = Codec::proto;
  std::string documentation_url;     // replaces the one of Spec responses unless empty
  bool stop_when_caught_up = false;  // CaptureIo's
};

// Serves a connector on a stream of requests and one of responses (flow-protocol §8.1): any number of unary
// requests, then at most one Open, whose session ends it. Returns at an end of the requests where the
// protocol allows one, by itself or asked for by `stop`; what is cut short by it is an error that gives the
// reason. After an error, or cancelled, it takes up to a second to write a message that it began to its end.
Task<> serve(Context& context, Capture& connector, ByteReader requests, ByteWriter responses,
             ServeOptions options, Stop& stop);
Task<> serve(Context& context, Materialize& connector, ByteReader requests, ByteWriter responses,
             ServeOptions options, Stop& stop);

}  // namespace sluice::protocol
