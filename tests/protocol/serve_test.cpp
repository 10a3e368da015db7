#include "sluice/protocol/serve.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "attended.hpp"
#include "counter.hpp"
#include "sluice/base/text.hpp"
#include "sluice/testing/run.hpp"
#include "stream.hpp"

namespace sluice::protocol {
namespace {

// Answers every Load with its key as document and counts what is stored.
class Echo final : public Materialize {
 public:
  std::size_t stored = 0;

  Task<materialize::Spec> spec(materialize::SpecRequest) override {
    materialize::Spec spec;
    spec.protocol = protocol_version;
    co_return spec;
  }
  Task<materialize::Validated> validate(materialize::Validate) override {
    co_return materialize::Validated();
  }
  Task<materialize::Applied> apply(materialize::Apply) override { co_return materialize::Applied(); }
  Task<> run(materialize::Open, MaterializeIo io) override {
    co_await io.out.send(MaterializeOutput(materialize::Opened()));
    while (auto input = co_await io.in.next()) {
      if (std::holds_alternative<materialize::Acknowledge>(input->value)) {
        co_await io.out.send(MaterializeOutput(materialize::Acknowledged()));
      } else if (auto* loads = std::get_if<Loads>(&input->value)) {
        Batch found;
        for (std::size_t i = 0; i < loads->keys.size(); ++i)
          found.add("\"" + text::hex(loads->keys.doc(i).json) + "\"", loads->keys.doc(i).binding);
        co_await io.out.send(MaterializeOutput(LoadedDocuments(std::move(found))));
      } else if (std::holds_alternative<materialize::Flush>(input->value)) {
        co_await io.out.send(MaterializeOutput(materialize::Flushed()));
      } else if (auto* stores = std::get_if<StoreBatch>(&input->value)) {
        stored += stores->size();
      } else {
        co_await io.out.send(MaterializeOutput(materialize::StartedCommit()));
      }
    }
    io.out.close();
  }
};

// The runtime's side of a served connector.
template <class Connector, class Request, class Response>
class Wire {
 public:
  Wire(Loop& loop, Connector& connector, Codec codec, ServeOptions options = {})
      : context_(loop.executor(), pool_, clock_, Log()), connector_(connector), stop(loop.executor()) {
    options.codec = codec;
    options_ = std::move(options);
    Pipe requests = make_pipe(), responses = make_pipe();
    server_in_.emplace(loop.executor(), pool_, std::move(requests.read), "requests");
    server_out_.emplace(loop.executor(), std::move(responses.write), "responses");
    writer_.emplace(ByteWriter(loop.executor(), std::move(requests.write), "requests"), codec);
    reader_.emplace(ByteReader(loop.executor(), pool_, std::move(responses.read), "responses"), codec);
  }

  // Serves while `script(*this)` plays; afterwards `error` tells how serving ended.
  template <class Script>
  Task<> play(Script& script) {
    try {
      co_await all(serve(), run_script(script));
    } catch (const Error& e) {
      error = e.message();
    }
  }
  Task<> say(Request request) {
    co_await writer_->put(std::move(request));
    co_await writer_->flush();
  }
  Task<> say_stores(std::size_t n) {
    StoreBatch batch;
    StoreBatch::Document document;
    document.key_packed = "\x15\x01";
    document.doc = "{}";
    for (std::size_t i = 0; i < n; ++i) batch.add(document);
    co_await writer_->put(batch);
    co_await writer_->flush();
  }
  Connector& connector() { return connector_; }
  void hang_up() { writer_->close(); }
  // Notes what comes until `n` messages or documents have, or the end.
  Task<> hear(std::size_t n = 1'000'000) {
    while (n > 0) {
      std::optional<Incoming<Response>> incoming = co_await reader_->next();
      if (!incoming) {
        heard.push_back("end");
        break;
      }
      if (auto* batch = std::get_if<Batch>(&incoming->item)) {
        for (std::size_t i = 0; i < batch->size(); ++i) heard.emplace_back(batch->doc(i).json);
        n -= std::min(n, batch->size());
        continue;
      }
      heard.push_back(to_json(std::get<Response>(incoming->item)));
      --n;
    }
  }

  std::vector<std::string> heard;
  std::string error;

 private:
  Task<> serve() {
    co_await protocol::serve(context_, connector_, std::move(*server_in_), std::move(*server_out_), options_,
                             stop);
    server_out_.reset();
  }
  template <class Script>
  Task<> run_script(Script& script) {
    co_await script(*this);
  }

  CpuPool pool_{1};
  SteadyClock clock_;
  Context context_;
  Connector& connector_;
  ServeOptions options_;
  std::optional<ByteReader> server_in_;
  std::optional<ByteWriter> server_out_;
  std::optional<MessageWriter<Request>> writer_;
  std::optional<MessageReader<Response>> reader_;

 public:
  Stop stop;
};

using CaptureWire = Wire<Capture, capture::Request, capture::Response>;
using MaterializeWire = Wire<Materialize, materialize::Request, materialize::Response>;
using Strings = std::vector<std::string>;
using namespace std::chrono_literals;
using testing::Counter;

template <class W, class Connector, class Script>
void play(Connector& connector, Codec codec, Script script, Strings expected, std::string error = "",
          ServeOptions options = {}) {
  SCOPED_TRACE(name(codec));
  testing::run([&](Loop& loop) -> Task<> {
    W wire(loop, connector, codec, options);
    co_await wire.play(script);
    EXPECT_EQ(wire.heard, expected);
    EXPECT_EQ(wire.error, error);
  });
}

capture::Open open_capture(int documents) {
  capture::Open open;
  open.capture.emplace();
  open.capture->config_json = std::to_string(documents);
  return open;
}
capture::Discover discover(std::string config) {
  capture::Discover request;
  request.name = "n";
  request.config_json = std::move(config);
  return request;
}

materialize::Load load() {
  materialize::Load request;
  request.binding = 1;
  request.key_packed = "\x15\x2a";
  return request;
}

constexpr Codec codecs[] = {Codec::proto, Codec::json};

TEST(Serve, AnswersUnaryRequestsInOrderAndEndsAtTheEnd) {
  for (Codec codec : codecs) {
    Counter counter;
    play<CaptureWire>(
        counter, codec,
        [](CaptureWire& wire) -> Task<> {
          co_await wire.say(capture::SpecRequest());
          co_await wire.say(discover("{}"));
          co_await wire.hear(2);
          co_await wire.say(capture::Validate());
          co_await wire.say(capture::Apply());
          co_await wire.say(capture::SpecRequest());
          co_await wire.hear(3);
          wire.hang_up();
          co_await wire.hear();
        },
        {R"({"spec":{"protocol":3032023,"configSchema":true,"documentationUrl":"https://docs"}})",
         R"({"discovered":{"bindings":[{"recommendedName":"n"}]}})", R"({"validated":{}})",
         R"({"applied":{}})",
         R"({"spec":{"protocol":3032023,"configSchema":true,"documentationUrl":"https://docs"}})", "end"});
  }
}

TEST(Serve, TheDocumentationUrlCanBeReplaced) {
  Counter counter;
  ServeOptions options;
  options.documentation_url = "https://variant";
  play<CaptureWire>(
      counter, Codec::json,
      [](CaptureWire& wire) -> Task<> {
        co_await wire.say(capture::SpecRequest());
        wire.hang_up();
        co_await wire.hear();
      },
      {R"({"spec":{"protocol":3032023,"configSchema":true,"documentationUrl":"https://variant"}})", "end"},
      "", options);
}

TEST(Serve, ACaptureSessionStopsWhenTheRuntimeHangsUp) {
  for (Codec codec : codecs) {
    Counter counter;
    play<CaptureWire>(
        counter, codec,
        [](CaptureWire& wire) -> Task<> {
          co_await wire.say(capture::SpecRequest());
          co_await wire.say(open_capture(3));
          co_await wire.hear(7);
          co_await wire.say(capture::Acknowledge{2});
          co_await wire.say(capture::Acknowledge{5});
          wire.hang_up();
          co_await wire.hear();
        },
        {R"({"spec":{"protocol":3032023,"configSchema":true,"documentationUrl":"https://docs"}})",
         R"({"opened":{"explicitAcknowledgements":true}})", R"({"sourcedSchema":{}})", R"({"k":0})",
         R"({"k":1})", R"({"k":2})", R"({"checkpoint":{"state":{"updated":0}}})", R"({"last":true})",
         R"({"checkpoint":{"state":{}}})", "end"});
    EXPECT_EQ(counter.acknowledged, 7u);
  }
}

TEST(Serve, ManyDocumentsThroughASmallPipe) {
  for (Codec codec : codecs) {
    Counter counter;
    testing::run([&](Loop& loop) -> Task<> {
      CaptureWire wire(loop, counter, codec);
      auto script = [](CaptureWire& w) -> Task<> {
        co_await w.say(open_capture(200'000));
        w.hang_up();
        co_await w.hear();
      };
      co_await wire.play(script);
      EXPECT_EQ(wire.heard.size(), 200'000u + 20'000u + 2 + 3);
      EXPECT_EQ(wire.heard.back(), "end");
      EXPECT_EQ(wire.error, "");
    });
  }
}

TEST(Serve, ACaptureMayEndByItself) {
  Counter counter;
  ServeOptions options;
  options.stop_when_caught_up = true;
  play<CaptureWire>(
      counter, Codec::proto,
      [](CaptureWire& wire) -> Task<> {
        co_await wire.say(open_capture(0));
        co_await wire.hear();
      },
      {R"({"opened":{"explicitAcknowledgements":true}})", R"({"sourcedSchema":{}})", R"({"last":true})",
       R"({"checkpoint":{"state":{}}})", "end"},
      "", options);
}

TEST(Serve, AStopIsGracefulWhereItCanBe) {
  for (Codec codec : codecs) {
    Counter counter;
    play<CaptureWire>(counter, codec,
                      [](CaptureWire& wire) -> Task<> {
                        co_await wire.say(open_capture(1));
                        co_await wire.hear(4);
                        wire.stop.request("stopped by SIGTERM");
                        co_await wire.hear();
                      },
                      {R"({"opened":{"explicitAcknowledgements":true}})", R"({"sourcedSchema":{}})",
                       R"({"k":0})", R"({"checkpoint":{"state":{"updated":0}}})", R"({"last":true})",
                       R"({"checkpoint":{"state":{}}})", "end"});
    Counter idle;
    play<CaptureWire>(idle, codec,
                      [](CaptureWire& wire) -> Task<> {
                        wire.stop.request("stopped by SIGTERM");
                        co_await wire.hear();
                      },
                      {"end"});
  }
}

TEST(Serve, AStopCutsAUnaryRequestShort) {
  Counter counter;
  play<CaptureWire>(
      counter, Codec::proto,
      [](CaptureWire& wire) -> Task<> {
        static_cast<Counter&>(wire.connector()).when_hanging = [&wire] {
          wire.stop.request("stopped by SIGTERM");
        };
        co_await wire.say(discover("\"hang\""));
        co_await wire.hear();
      },
      {}, "stopped by SIGTERM while handling Discover");
}

TEST(Serve, ErrorsOfTheConnectorEndIt) {
  Counter counter;
  play<CaptureWire>(
      counter, Codec::proto,
      [](CaptureWire& wire) -> Task<> {
        co_await wire.say(discover("\"bad\""));
        co_await wire.hear();
      },
      {}, "the config is bad");
}

// Says more than a pipe holds and fails while it is being written.
class Failing final : public Capture {
 public:
  std::size_t document_bytes = 0;
  bool failed = false;

  Task<capture::Spec> spec(capture::SpecRequest) override { co_return capture::Spec(); }
  Task<capture::Discovered> discover(capture::Discover) override { co_return capture::Discovered(); }
  Task<capture::Validated> validate(capture::Validate) override { co_return capture::Validated(); }
  Task<capture::Applied> apply(capture::Apply) override { co_return capture::Applied(); }
  Task<> run(capture::Open, CaptureIo io) override {
    CaptureOutput output;
    std::string document = '"' + std::string(document_bytes, 'x') + '"';
    for (std::size_t sum = 0; sum < 3_MiB; sum += document_bytes) output.documents.add(document);
    co_await io.out.send(std::move(output));
    Event turn(co_await asio::this_coro::executor);
    co_await turn.wait_until(std::chrono::steady_clock::now() + 20ms);
    failed = true;
    throw Error(Error::Kind::transient, "lost the server");
  }
};

Task<> serve_to_failure(Context& context, Capture& connector, ByteReader in, ByteWriter out, Codec codec,
                        std::string& error) {
  ServeOptions options;
  options.codec = codec;
  Stop stop(context.executor);
  try {
    co_await serve(context, connector, std::move(in), std::move(out), options, stop);
  } catch (const Error& e) {
    error = e.message();
  }
}

Task<> open_and_read_late(Failing& connector, MessageWriter<capture::Request> requests,
                          MessageReader<capture::Response> responses, std::size_t& documents) {
  co_await requests.put(open_capture(0));
  co_await requests.flush();
  Event turn(co_await asio::this_coro::executor);
  while (!connector.failed) co_await turn.wait_until(std::chrono::steady_clock::now() + 1ms);
  while (auto incoming = co_await responses.next()) documents += std::get<Batch>(incoming->item).size();
}

TEST(Serve, AFailureLeavesWholeMessages) {
  for (Codec codec : codecs) {
    for (std::size_t bytes : {std::size_t{100'000}, std::size_t{3_MiB}}) {
      Failing connector;
      connector.document_bytes = bytes;
      CpuPool pool(1);
      SteadyClock clock;
      std::string error;
      std::size_t documents = 0;
      testing::run([&](Loop& loop) -> Task<> {
        Context context(loop.executor(), pool, clock, Log());
        Pipe requests = make_pipe(), responses = make_pipe();
        ByteReader in(loop.executor(), pool, std::move(requests.read), "requests");
        ByteWriter out(loop.executor(), std::move(responses.write), "responses");
        ByteWriter say(loop.executor(), std::move(requests.write), "requests");
        ByteReader hear(loop.executor(), pool, std::move(responses.read), "responses");
        MessageWriter<capture::Request> writer(std::move(say), codec);
        MessageReader<capture::Response> reader(std::move(hear), codec);
        // A message that is cut short would be an error of the reader's.
        co_await all(serve_to_failure(context, connector, std::move(in), std::move(out), codec, error),
                     open_and_read_late(connector, std::move(writer), std::move(reader), documents));
      });
      EXPECT_EQ(error, "lost the server");
      EXPECT_GE(documents, 1u);
    }
  }
}

TEST(Serve, OutOfOrderRequestsAreRefused) {
  for (Codec codec : codecs) {
    Counter a, b;
    play<CaptureWire>(
        a, codec,
        [](CaptureWire& wire) -> Task<> {
          co_await wire.say(capture::Acknowledge{1});
          co_await wire.hear();
        },
        {}, "protocol error: expected Open, but the runtime sent Acknowledge");
    play<CaptureWire>(
        b, codec,
        [](CaptureWire& wire) -> Task<> {
          co_await wire.say(open_capture(0));
          co_await wire.hear(2);
          co_await wire.say(capture::SpecRequest());
          co_await wire.hear();
        },
        {R"({"opened":{"explicitAcknowledgements":true}})", R"({"sourcedSchema":{}})"},
        "protocol error: expected Acknowledge, but the runtime sent Spec");
    Echo c, d;
    play<MaterializeWire>(
        c, codec,
        [](MaterializeWire& wire) -> Task<> {
          co_await wire.say_stores(1);
          co_await wire.hear();
        },
        {}, "protocol error: expected Open, but the runtime sent Store");
    play<MaterializeWire>(
        d, codec,
        [](MaterializeWire& wire) -> Task<> {
          co_await wire.say(materialize::Open());
          co_await wire.hear(1);
          co_await wire.say(materialize::Open());
          co_await wire.hear();
        },
        {R"({"opened":{}})"}, "protocol error: expected a message of the session, but the runtime sent Open");
  }
}

TEST(Serve, AMaterializationSession) {
  for (Codec codec : codecs) {
    Echo echo;
    play<MaterializeWire>(echo, codec,
                          [](MaterializeWire& wire) -> Task<> {
                            co_await wire.say(materialize::SpecRequest());
                            co_await wire.say(materialize::Open());
                            co_await wire.say(materialize::Acknowledge());
                            co_await wire.hear(3);
                            co_await wire.say(load());
                            co_await wire.say(materialize::Flush());
                            co_await wire.hear(2);
                            co_await wire.say_stores(30'000);
                            co_await wire.say(materialize::StartCommit());
                            co_await wire.hear(1);
                            wire.hang_up();
                            co_await wire.hear();
                          },
                          {R"({"spec":{"protocol":3032023}})", R"({"opened":{}})", R"({"acknowledged":{}})",
                           "\"152a\"", R"({"flushed":{}})", R"({"startedCommit":{}})", "end"});
    EXPECT_EQ(echo.stored, 30'000u);
  }
}

TEST(Serve, RequestsMayComeFromAFile) {
  std::string path = ::testing::TempDir() + "sluice-requests-" + std::to_string(::getpid());
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  ::unlink(path.c_str());
  std::string requests = "{\"spec\":{}}\n{\"open\":{\"capture\":{\"config\":3}}}\n";
  ASSERT_EQ(::write(file, requests.data(), requests.size()), static_cast<ssize_t>(requests.size()));
  ::lseek(file, 0, SEEK_SET);
  CpuPool pool(1);
  SteadyClock clock;
  Counter counter;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    Pipe pipe = make_pipe();
    Stop stop(loop.executor());
    ByteReader in(loop.executor(), pool, Fd(file), "requests");
    ByteWriter out(loop.executor(), std::move(pipe.write), "responses");
    ServeOptions options;
    options.codec = Codec::json;
    co_await serve(context, counter, std::move(in), std::move(out), options, stop);
    char bytes[4096];
    ssize_t n = ::read(pipe.read.get(), bytes, sizeof bytes);
    std::string text(bytes, n > 0 ? static_cast<std::size_t>(n) : 0);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 9) << text;
    EXPECT_NE(text.find(R"({"captured":{"doc":{"last":true}}})"), std::string::npos) << text;
  });
}

TEST(Serve, ClosedOutputIsAnError) {
  ::signal(SIGPIPE, SIG_IGN);
  Counter counter;
  CpuPool pool(1);
  SteadyClock clock;
  std::string error;
  testing::run([&](Loop& loop) -> Task<> {
    Context context(loop.executor(), pool, clock, Log());
    Pipe requests = make_pipe(), responses = make_pipe();
    Stop stop(loop.executor());
    ByteWriter runtime(loop.executor(), std::move(requests.write), "requests");
    co_await runtime.write("{\"spec\":{}}\n");
    responses.read = Fd();
    ByteReader in(loop.executor(), pool, std::move(requests.read), "requests");
    ByteWriter out(loop.executor(), std::move(responses.write), "standard output");
    ServeOptions options;
    options.codec = Codec::json;
    try {
      co_await serve(context, counter, std::move(in), std::move(out), options, stop);
    } catch (const Error& e) {
      error = e.message();
    }
  });
  EXPECT_EQ(error, "writing to standard output: Broken pipe");
}

}  // namespace
}  // namespace sluice::protocol
