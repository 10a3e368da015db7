#include "sluice/protocol/serve.hpp"

#include <fmt/format.h>

#include <asio/this_coro.hpp>

#include "attended.hpp"
#include "sluice/base/error.hpp"
#include "stream.hpp"

namespace sluice::protocol {
namespace {

using namespace std::chrono_literals;

// After the failure of a connector, for frames that are being written.
constexpr auto frame_patience = 1s;

template <class Message>
std::string_view name_of(const Incoming<Message>& incoming);

template <>
std::string_view name_of(const Incoming<capture::Request>& incoming) {
  constexpr std::string_view names[] = {"Spec", "Discover", "Validate", "Apply", "Open", "Acknowledge"};
  return names[std::get<0>(incoming.item).index()];
}
template <>
std::string_view name_of(const Incoming<materialize::Request>& incoming) {
  constexpr std::string_view names[] = {"Spec",  "Validate", "Apply",       "Open",       "Load",
                                        "Flush", "Store",    "StartCommit", "Acknowledge"};
  if (std::holds_alternative<Batch>(incoming.item)) return "Load";
  if (std::holds_alternative<StoreBatch>(incoming.item)) return "Store";
  return names[std::get<0>(incoming.item).index()];
}

template <class Message>
[[noreturn]] void unexpected(std::string_view expected, const Incoming<Message>& incoming) {
  throw Error(Error::Kind::transient, fmt::format("protocol error: expected {}, but the runtime sent {}",
                                                  expected, name_of(incoming)));
}

// ---- reading ----

template <class Request>
Task<> read_all(MessageReader<Request> in, Writer<Incoming<Request>> out) {
  while (auto incoming = co_await in.next()) co_await out.send(std::move(*incoming));
  out.close();
}

Task<> cancel_when_stopped(Stop& stop, Scope& scope) {
  co_await stop.wait();
  scope.cancel();
}

// Reads ahead of the one who handles; being asked to stop looks to that one like the end of the stream.
template <class Request>
Task<> read_until_stopped(MessageReader<Request> in, Writer<Incoming<Request>> out, Stop& stop) {
  Writer<Incoming<Request>> end = out.share();
  co_await scoped([&](Scope& scope) -> Task<> {
    scope.spawn(read_all(std::move(in), std::move(out)));
    scope.spawn(cancel_when_stopped(stop, scope));
    co_return;
  });
  end.close();
}

Task<> fail_when_stopped(Stop& stop, std::string doing) {
  co_await stop.wait();
  throw Error(Error::Kind::transient, fmt::format("{} while handling {}", stop.reason(), doing));
}

// ---- sessions: between the queue of requests and the channels of the connector ----

// Ends when the runtime has nothing more to say. A connector that has ended reads no acknowledgements.
Task<> pass_acknowledgements(Reader<Incoming<capture::Request>>& requests, Writer<Acknowledged> out) {
  while (auto incoming = co_await requests.next()) {
    auto* acknowledge = std::get_if<capture::Acknowledge>(&std::get<0>(incoming->item));
    if (!acknowledge) unexpected("Acknowledge", *incoming);
    try {
      co_await out.send(Acknowledged(acknowledge->checkpoints));
    } catch (const Broken&) {
      co_return;
    }
  }
  out.close();
}

Task<> put(MessageWriter<capture::Response>& out, CaptureOutput& output) {
  if (output.opened) co_await out.put(*output.opened);
  for (capture::SourcedSchema& schema : output.sourced_schemas) co_await out.put(std::move(schema));
  co_await out.put(Hot::captured, output.documents);
  if (!output.checkpoint) co_return;
  capture::CheckpointMessage checkpoint;
  checkpoint.state = std::move(output.checkpoint);
  co_await out.put(std::move(checkpoint));
}

Task<> pass_requests(Reader<Incoming<materialize::Request>>& requests, Writer<MaterializeInput> out) {
  while (auto incoming = co_await requests.next()) {
    if (auto* keys = std::get_if<Batch>(&incoming->item)) {
      co_await out.send(MaterializeInput(Loads(std::move(*keys))));
    } else if (auto* stores = std::get_if<StoreBatch>(&incoming->item)) {
      co_await out.send(MaterializeInput(std::move(*stores)));
    } else if (auto* acknowledge = std::get_if<materialize::Acknowledge>(&std::get<0>(incoming->item))) {
      co_await out.send(MaterializeInput(std::move(*acknowledge)));
    } else if (auto* flush = std::get_if<materialize::Flush>(&std::get<0>(incoming->item))) {
      co_await out.send(MaterializeInput(std::move(*flush)));
    } else if (auto* commit = std::get_if<materialize::StartCommit>(&std::get<0>(incoming->item))) {
      co_await out.send(MaterializeInput(std::move(*commit)));
    } else {
      unexpected("a message of the session", *incoming);
    }
  }
  out.close();
}

Task<> put(MessageWriter<materialize::Response>& out, MaterializeOutput& output) {
  if (auto* loaded = std::get_if<LoadedDocuments>(&output.value))
    return out.put(Hot::loaded, loaded->documents);
  if (auto* opened = std::get_if<materialize::Opened>(&output.value)) return out.put(std::move(*opened));
  if (auto* flushed = std::get_if<materialize::Flushed>(&output.value)) return out.put(std::move(*flushed));
  if (auto* started = std::get_if<materialize::StartedCommit>(&output.value))
    return out.put(std::move(*started));
  return out.put(std::move(std::get<materialize::Acknowledged>(output.value)));
}

// Writes while there is more to write, flushes when there is not.
template <class Response, class Output>
Task<> write_all(MessageWriter<Response>& out, Reader<Output> outputs) {
  for (;;) {
    std::optional<Output> output = outputs.poll();
    if (!output) {
      co_await out.flush();
      output = co_await outputs.next();
      if (!output) break;
    }
    co_await put(out, *output);
  }
}

// ---- both protocols ----

template <class Connector>
struct Protocol;

template <>
struct Protocol<Capture> {
  using Request = capture::Request;
  using Response = capture::Response;
  using Open = capture::Open;

  static Task<Response> handle(Capture& connector, Request request, const ServeOptions& options) {
    if (auto* spec = std::get_if<capture::SpecRequest>(&request)) {
      capture::Spec answer = co_await connector.spec(std::move(*spec));
      if (!options.documentation_url.empty()) answer.documentation_url = options.documentation_url;
      co_return answer;
    }
    if (auto* discover = std::get_if<capture::Discover>(&request)) {
      capture::Discovered answer = co_await connector.discover(std::move(*discover));
      co_return answer;
    }
    if (auto* validate = std::get_if<capture::Validate>(&request)) {
      capture::Validated answer = co_await connector.validate(std::move(*validate));
      co_return answer;
    }
    capture::Applied answer = co_await connector.apply(std::move(std::get<capture::Apply>(request)));
    co_return answer;
  }
  static bool is_unary(const Request& request) { return request.index() < 4; }

  static Task<> session(Context& context, Capture& connector, Open open, const ServeOptions& options,
                        Reader<Incoming<Request>>& requests, MessageWriter<Response>& responses) {
    auto [out, outputs] = channel<CaptureOutput>(context.executor, context.memory_bytes / 8);
    auto [acknowledge, acknowledgements] = channel<Acknowledged>(context.executor, 4_KiB);
    CaptureIo io(std::move(out), std::move(acknowledgements), options.stop_when_caught_up);
    co_await attended(
        all(connector.run(std::move(open), std::move(io)), write_all(responses, std::move(outputs))),
        pass_acknowledgements(requests, std::move(acknowledge)));
  }
};

template <>
struct Protocol<Materialize> {
  using Request = materialize::Request;
  using Response = materialize::Response;
  using Open = materialize::Open;

  static Task<Response> handle(Materialize& connector, Request request, const ServeOptions& options) {
    if (auto* spec = std::get_if<materialize::SpecRequest>(&request)) {
      materialize::Spec answer = co_await connector.spec(std::move(*spec));
      if (!options.documentation_url.empty()) answer.documentation_url = options.documentation_url;
      co_return answer;
    }
    if (auto* validate = std::get_if<materialize::Validate>(&request)) {
      materialize::Validated answer = co_await connector.validate(std::move(*validate));
      co_return answer;
    }
    materialize::Applied answer = co_await connector.apply(std::move(std::get<materialize::Apply>(request)));
    co_return answer;
  }
  static bool is_unary(const Request& request) { return request.index() < 3; }

  static Task<> session(Context& context, Materialize& connector, Open open, const ServeOptions&,
                        Reader<Incoming<Request>>& requests, MessageWriter<Response>& responses) {
    auto [input, in] = channel<MaterializeInput>(context.executor, context.memory_bytes / 16);
    auto [out, outputs] = channel<MaterializeOutput>(context.executor, context.memory_bytes / 8);
    MaterializeIo io(std::move(in), std::move(out));
    co_await attended(
        all(connector.run(std::move(open), std::move(io)), write_all(responses, std::move(outputs))),
        pass_requests(requests, std::move(input)));
  }
};

template <class Connector>
class Server {
 public:
  using P = Protocol<Connector>;
  using Request = typename P::Request;
  using Response = typename P::Response;

  Server(Context& context, Connector& connector, ByteWriter responses, ServeOptions options, Stop& stop,
         Reader<Incoming<Request>> requests)
      : context_(context),
        connector_(connector),
        responses_(std::move(responses), options.codec),
        options_(std::move(options)),
        stop_(stop),
        requests_(std::move(requests)) {
    responses_.linger(frame_patience);
  }

  Task<> run() {
    while (auto incoming = co_await requests_.next()) {
      auto* request = std::get_if<Request>(&incoming->item);
      if (!request) unexpected("Open", *incoming);
      if (auto* open = std::get_if<typename P::Open>(request)) {
        co_await session(std::move(*open));
        co_return;
      }
      if (!P::is_unary(*request)) unexpected("Open", *incoming);
      std::string name(name_of(*incoming));
      co_await attended(answer(std::move(*request)), fail_when_stopped(stop_, std::move(name)));
    }
  }

 private:
  Task<> answer(Request request) {
    Response response = co_await P::handle(connector_, std::move(request), options_);
    co_await responses_.put(std::move(response));
    co_await responses_.flush();
  }

  Task<> session(typename P::Open open) {
    try {
      co_await P::session(context_, connector_, std::move(open), options_, requests_, responses_);
    } catch (Error& e) {
      if (stop_.requested()) e.add(stop_.reason());
      throw;
    }
  }

  Context& context_;
  Connector& connector_;
  MessageWriter<Response> responses_;
  ServeOptions options_;
  Stop& stop_;
  Reader<Incoming<Request>> requests_;
};

template <class Connector>
Task<> serve_on(Context& context, Connector& connector, ByteReader in, ByteWriter out, ServeOptions options,
                Stop& stop) {
  using Request = typename Protocol<Connector>::Request;
  auto [read, requests] = channel<Incoming<Request>>(context.executor, context.memory_bytes / 8);
  MessageReader<Request> reader(std::move(in), options.codec);
  Server<Connector> server(context, connector, std::move(out), std::move(options), stop, std::move(requests));
  co_await attended(server.run(), read_until_stopped(std::move(reader), std::move(read), stop));
}

}  // namespace

Task<> serve(Context& context, Capture& connector, ByteReader requests, ByteWriter responses,
             ServeOptions options, Stop& stop) {
  return serve_on(context, connector, std::move(requests), std::move(responses), std::move(options), stop);
}

Task<> serve(Context& context, Materialize& connector, ByteReader requests, ByteWriter responses,
             ServeOptions options, Stop& stop) {
  return serve_on(context, connector, std::move(requests), std::move(responses), std::move(options), stop);
}

}  // namespace sluice::protocol
