#include "sluice/protocol/process.hpp"

#include "attended.hpp"
#include "child.hpp"
#include "wrong.hpp"

namespace sluice::protocol {
namespace {

using CaptureChild = Child<capture::Request, capture::Response>;
using MaterializeChild = Child<materialize::Request, materialize::Response>;

// ---- what was said instead of what was expected ----

void first_document(const Batch& batch, capture::Response& out) {
  capture::Captured& captured = out.emplace<capture::Captured>();
  captured.binding = batch.doc(0).binding;
  captured.doc_json = batch.doc(0).json;
}
void first_document(const Batch& batch, materialize::Response& out) {
  materialize::Loaded& loaded = out.emplace<materialize::Loaded>();
  loaded.binding = batch.doc(0).binding;
  loaded.doc_json = batch.doc(0).json;
}

template <class Response>
[[noreturn]] void unexpected(std::string_view expected, const Incoming<Response>& incoming) {
  if (auto* message = std::get_if<Response>(&incoming.item)) wrong_message(expected, to_json(*message));
  Response document;
  first_document(std::get<Batch>(incoming.item), document);
  wrong_message(expected, to_json(document));
}

// The next response if it is an Answer; nothing at the end of the output.
template <class Answer, class Response>
Task<std::optional<Answer>> next_answer(MessageReader<Response>& out, std::string_view expected) {
  std::optional<Incoming<Response>> incoming = co_await out.next();
  if (!incoming) co_return std::nullopt;
  auto* response = std::get_if<Response>(&incoming->item);
  Answer* answer = response ? std::get_if<Answer>(response) : nullptr;
  if (!answer) unexpected(expected, *incoming);
  co_return std::move(*answer);
}

template <class Response>
using SpecOf = std::variant_alternative_t<0, Response>;
template <class Request>
using SpecRequestOf = std::variant_alternative_t<0, Request>;

// Every stream begins with a Spec, whose answer tells whether we speak the same protocol. False at the end.
template <class Response>
Task<bool> read_greeting(MessageReader<Response>& out) {
  std::optional<SpecOf<Response>> spec = co_await next_answer<SpecOf<Response>>(out, "Spec");
  if (spec && spec->protocol != protocol_version)
    wrong(fmt::format("connector returned an unexpected protocol version {} (expected {})", spec->protocol,
                      protocol_version));
  co_return spec.has_value();
}

template <class Request>
Request greeting() {
  SpecRequestOf<Request> spec;
  spec.config_json = "{}";
  return spec;
}

// ---- unary calls ----

template <class Child, class Request>
Task<> say_requests(Child& child, Request request, bool greet) {
  if (greet) co_await child.say(greeting<Request>());
  co_await child.say(std::move(request));
  co_await child.flush();
  child.close_input();
}

template <class Answer, class Child>
Task<> read_answer(Child& child, bool greeted, std::string_view expected, std::optional<Answer>& answer) {
  if (greeted && !co_await read_greeting(child.out())) co_return;
  answer = co_await next_answer<Answer>(child.out(), expected);
  if (!answer) co_return;
  child.expect_end();
  auto more = co_await child.out().next();
  if (more) unexpected("EOF", *more);
}

// `expected` names the answer and is a literal.
template <class Answer, class Request, class Response>
Task<Answer> call(Context& context, const ProcessOptions& options, Request request,
                  std::string_view expected) {
  bool greet = request.index() != 0;
  std::optional<Answer> answer;
  Child<Request, Response> child(context, options);
  co_await child.converse(
      attended(read_answer(child, greet, expected, answer), say_requests(child, std::move(request), greet)));
  if (!answer) wrong_end(expected);
  co_return std::move(*answer);
}

// ---- capture sessions ----

bool says_something(const CaptureOutput& output) {
  return output.opened || !output.sourced_schemas.empty() || !output.documents.empty() || output.checkpoint;
}

// Puts responses together to outputs of the order that CaptureOutput has.
class OutputBuilder {
 public:
  explicit OutputBuilder(Writer<CaptureOutput>& out) : out_(out) {}

  Task<> add(Incoming<capture::Response> incoming) {
    if (auto* documents = std::get_if<Batch>(&incoming.item)) {
      if (!next_.documents.empty()) co_await send();
      next_.documents = std::move(*documents);
      co_return;
    }
    auto& response = std::get<capture::Response>(incoming.item);
    if (auto* checkpoint = std::get_if<capture::CheckpointMessage>(&response)) {
      if (!checkpoint->state) unexpected("Checkpoint with a state", incoming);
      next_.checkpoint = std::move(checkpoint->state);
      co_await send();
    } else if (auto* schema = std::get_if<capture::SourcedSchema>(&response)) {
      if (!next_.documents.empty()) co_await send();
      next_.sourced_schemas.push_back(std::move(*schema));
    } else if (auto* opened = std::get_if<capture::Opened>(&response)) {
      if (says_something(next_)) co_await send();
      next_.opened = *opened;
    } else {
      unexpected("Opened, Captured, SourcedSchema, or Checkpoint", incoming);
    }
  }
  // What there is goes out before we wait for more.
  Task<> flush() {
    if (says_something(next_)) co_await send();
  }

 private:
  Task<> send() { return out_.send(std::exchange(next_, CaptureOutput())); }

  Writer<CaptureOutput>& out_;
  CaptureOutput next_;
};

Task<> read_session(CaptureChild& child, Writer<CaptureOutput>& out) {
  if (!co_await read_greeting(child.out())) co_return;
  OutputBuilder builder(out);
  for (;;) {
    std::optional<Incoming<capture::Response>> incoming = child.out().poll();
    if (!incoming) {
      co_await builder.flush();
      incoming = co_await child.out().next();
      if (!incoming) break;
    }
    co_await builder.add(std::move(*incoming));
  }
}

Task<> say_session(CaptureChild& child, capture::Open open, Reader<Acknowledged>& acknowledgements) {
  co_await child.say(greeting<capture::Request>());
  co_await child.say(std::move(open));
  co_await child.flush();
  while (auto message = co_await acknowledgements.next()) {
    capture::Acknowledge acknowledge;
    acknowledge.checkpoints = message->checkpoints;
    co_await child.say(acknowledge);
    co_await child.flush();
  }
  child.close_input();
  child.expect_end();
}

class ProcessCapture final : public Capture {
 public:
  ProcessCapture(Context& context, ProcessOptions options)
      : context_(context), options_(std::move(options)) {}

  Task<capture::Spec> spec(capture::SpecRequest request) override {
    return ask<capture::Spec>(std::move(request), "Spec");
  }
  Task<capture::Discovered> discover(capture::Discover request) override {
    return ask<capture::Discovered>(std::move(request), "Discovered");
  }
  Task<capture::Validated> validate(capture::Validate request) override {
    return ask<capture::Validated>(std::move(request), "Validated");
  }
  Task<capture::Applied> apply(capture::Apply request) override {
    return ask<capture::Applied>(std::move(request), "Applied");
  }
  Task<> run(capture::Open open, CaptureIo io) override {
    CaptureChild child(context_, options_, io.stop_when_caught_up);
    co_await child.converse(
        attended(read_session(child, io.out), say_session(child, std::move(open), io.acknowledgements)));
    io.out.close();
  }

 private:
  template <class Answer>
  Task<Answer> ask(capture::Request request, std::string_view expected) {
    return call<Answer, capture::Request, capture::Response>(context_, options_, std::move(request),
                                                             expected);
  }
  Context& context_;
  ProcessOptions options_;
};

// ---- materialization sessions ----

Task<> read_session(MaterializeChild& child, Writer<MaterializeOutput>& out) {
  if (!co_await read_greeting(child.out())) co_return;
  while (auto incoming = co_await child.out().next()) {
    if (auto* documents = std::get_if<Batch>(&incoming->item)) {
      co_await out.send(MaterializeOutput(LoadedDocuments(std::move(*documents))));
      continue;
    }
    auto& response = std::get<materialize::Response>(incoming->item);
    if (auto* opened = std::get_if<materialize::Opened>(&response))
      co_await out.send(MaterializeOutput(std::move(*opened)));
    else if (auto* acknowledged = std::get_if<materialize::Acknowledged>(&response))
      co_await out.send(MaterializeOutput(std::move(*acknowledged)));
    else if (auto* flushed = std::get_if<materialize::Flushed>(&response))
      co_await out.send(MaterializeOutput(std::move(*flushed)));
    else if (auto* started = std::get_if<materialize::StartedCommit>(&response))
      co_await out.send(MaterializeOutput(std::move(*started)));
    else
      unexpected("a response of the session", *incoming);
  }
}

Task<> say(MaterializeChild& child, MaterializeInput& input) {
  if (auto* loads = std::get_if<Loads>(&input.value)) return child.say(Hot::load, loads->keys);
  if (auto* stores = std::get_if<StoreBatch>(&input.value)) return child.say(*stores);
  if (auto* flush = std::get_if<materialize::Flush>(&input.value)) return child.say(std::move(*flush));
  if (auto* commit = std::get_if<materialize::StartCommit>(&input.value))
    return child.say(std::move(*commit));
  return child.say(std::move(std::get<materialize::Acknowledge>(input.value)));
}

Task<> say_session(MaterializeChild& child, materialize::Open open, Reader<MaterializeInput>& in) {
  co_await child.say(greeting<materialize::Request>());
  co_await child.say(std::move(open));
  for (;;) {
    std::optional<MaterializeInput> input = in.poll();
    if (!input) {
      co_await child.flush();
      input = co_await in.next();
      if (!input) break;
    }
    co_await say(child, *input);
  }
  child.close_input();
  child.expect_end();
}

class ProcessMaterialize final : public Materialize {
 public:
  ProcessMaterialize(Context& context, ProcessOptions options)
      : context_(context), options_(std::move(options)) {}

  Task<materialize::Spec> spec(materialize::SpecRequest request) override {
    return ask<materialize::Spec>(std::move(request), "Spec");
  }
  Task<materialize::Validated> validate(materialize::Validate request) override {
    return ask<materialize::Validated>(std::move(request), "Validated");
  }
  Task<materialize::Applied> apply(materialize::Apply request) override {
    return ask<materialize::Applied>(std::move(request), "Applied");
  }
  Task<> run(materialize::Open open, MaterializeIo io) override {
    MaterializeChild child(context_, options_);
    co_await child.converse(
        attended(read_session(child, io.out), say_session(child, std::move(open), io.in)));
    io.out.close();
  }

 private:
  template <class Answer>
  Task<Answer> ask(materialize::Request request, std::string_view expected) {
    return call<Answer, materialize::Request, materialize::Response>(context_, options_, std::move(request),
                                                                     expected);
  }
  Context& context_;
  ProcessOptions options_;
};

}  // namespace

std::unique_ptr<Capture> process_capture(Context& context, ProcessOptions options) {
  return std::make_unique<ProcessCapture>(context, std::move(options));
}

std::unique_ptr<Materialize> process_materialize(Context& context, ProcessOptions options) {
  return std::make_unique<ProcessMaterialize>(context, std::move(options));
}

}  // namespace sluice::protocol
