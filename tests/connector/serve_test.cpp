#include "sluice/connector/serve.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "sluice/async/loop.hpp"
#include "sluice/async/process.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::connector {
namespace {

struct Launch {
  std::string input;
  std::vector<std::string> arguments, environment;
  bool hang_up = true;  // after the input
  bool deaf = false;    // nobody reads what it writes
  std::vector<std::pair<std::string, int>> signals;  // to be sent when the text appears on stdout or stderr
};
struct Result {
  std::string out, err;
  ExitStatus status;
  std::string last_line() const {
    std::string text = err.substr(0, err.find_last_not_of('\n') + 1);
    return text.substr(text.rfind('\n') + 1);
  }
};

Task<> collect(ByteReader in, std::string& text, Process& process,
               std::vector<std::pair<std::string, int>>& signals) {
  char bytes[4096];
  for (;;) {
    std::size_t n = co_await in.read_some(bytes, sizeof bytes);
    if (n == 0) break;
    text.append(bytes, n);
    while (!signals.empty() && text.find(signals.front().first) != text.npos) {
      process.signal(signals.front().second);
      signals.erase(signals.begin());
    }
  }
}

Task<> feed(ByteWriter& in, const Launch& run) {
  co_await in.write(run.input);
  if (run.hang_up) in.close();
}

Task<> execute(Loop& loop, CpuPool& pool, Launch run, Result& result) {
  std::vector<std::string> argv{TEST_COUNTER};
  argv.insert(argv.end(), run.arguments.begin(), run.arguments.end());
  Process process(loop.executor(), argv, run.environment);
  ByteWriter in(loop.executor(), process.take_stdin(), "stdin");
  std::optional<ByteReader> out, err;
  out.emplace(loop.executor(), pool, process.take_stdout(), "stdout");
  err.emplace(loop.executor(), pool, process.take_stderr(), "stderr");
  auto signals = run.signals;
  if (run.deaf) {
    out.reset();
    err.reset();
    co_await feed(in, run);
    result.status = co_await process.wait();
    co_return;
  }
  co_await all(collect(std::move(*out), result.out, process, signals),
               collect(std::move(*err), result.err, process, signals), feed(in, run));
  result.status = co_await process.wait();
}

Result run(Launch run) {
  ::signal(SIGPIPE, SIG_IGN);
  Result result;
  CpuPool pool(1);
  testing::run([&](Loop& loop) -> Task<> { co_await execute(loop, pool, std::move(run), result); });
  return result;
}

Launch json(std::string input) {
  Launch run;
  run.input = std::move(input);
  run.environment = {"FLOW_RUNTIME_CODEC=json"};
  return run;
}

TEST(ServeMain, ServesBothCodecs) {
  Result as_json = run(json("{\"spec\":{}}\n"));
  EXPECT_EQ(as_json.out,
            R"({"spec":{"protocol":3032023,"configSchema":true,"documentationUrl":"https://docs"}})"
            "\n");
  EXPECT_TRUE(as_json.status.ok());
  EXPECT_EQ(as_json.err, "");
  using namespace std::string_literals;
  for (std::vector<std::string> environment :
       {std::vector<std::string>{}, {"FLOW_RUNTIME_CODEC="}, {"FLOW_RUNTIME_CODEC=proto"}}) {
    Launch proto;
    proto.input = "\x02\0\0\0\x0a\0"s;
    proto.environment = environment;
    EXPECT_EQ(run(proto).out, "\x1b\0\0\0\x0a\x19\x08\xd7\x87\xb9\x01\x12\x04true\"\x0chttps://docs"s);
  }
}

TEST(ServeMain, TheEnvironmentDecides) {
  Launch docs = json("{\"spec\":{}}\n");
  docs.environment.push_back("DOCS_URL=https://variant");
  EXPECT_NE(run(docs).out.find("https://variant"), std::string::npos);
  Launch once = json("{\"open\":{\"capture\":{\"config\":0}}}\n");
  once.hang_up = false;
  once.environment.push_back("SHUTDOWN_AFTER_POLLING=yes");
  EXPECT_NE(run(once).out.find("last"), std::string::npos);

  Launch codec = json("");
  codec.environment = {"FLOW_RUNTIME_CODEC=xml"};
  EXPECT_EQ(run(codec).err, "unknown codec 'xml' in FLOW_RUNTIME_CODEC. Use proto or json.\n");
  Launch level = json("");
  level.environment = {"LOG_LEVEL=loud"};
  EXPECT_EQ(run(level).status.code, 1);
  Launch format = json("");
  format.environment = {"LOG_FORMAT=xml"};
  EXPECT_EQ(run(format).err, "unknown log format 'xml'. Use json, text or color.\n");
}

TEST(ServeMain, TheLastLineIsTheError) {
  Launch bad = json("{\"discover\":{\"config\":\"bad\"}}\n");
  Result text = run(bad);
  EXPECT_EQ(text.status.code, 1);
  EXPECT_EQ(text.last_line(), "the config is bad. Make it good.");
  EXPECT_EQ(text.out, "");
  bad.environment.push_back("LOG_FORMAT=json");
  Result structured = run(bad);
  EXPECT_NE(structured.last_line().find(R"("level":"fatal","msg":"the config is bad. Make it good."})"),
            std::string::npos)
      << structured.err;
  EXPECT_EQ(run(json("{\"spec\":{}}\n{\"spec\"")).last_line(),
            "runtime wrote a partial message and then closed its output");
}

TEST(ServeMain, AnErrorThatNobodyReadsIsStillAnExitStatus) {
  for (std::string format : {"text", "json"}) {
    Launch bad = json("{\"discover\":{\"config\":\"bad\"}}\n");
    bad.environment.push_back("LOG_FORMAT=" + format);
    bad.deaf = true;
    Result result = run(bad);
    EXPECT_EQ(result.status.code, 1);
    EXPECT_EQ(result.status.signal, 0);
  }
}

TEST(ServeMain, CommandsAndArguments) {
  Launch spec;
  spec.arguments = {"spec"};
  EXPECT_EQ(run(spec).out, R"({"protocol":3032023,"configSchema":true,"documentationUrl":"https://docs"})"
                           "\n");

  std::string path = ::testing::TempDir() + "sluice-config-" + std::to_string(::getpid()) + ".json";
  std::ofstream(path) << "{}";
  Launch discover;
  discover.arguments = {"discover", "--config", path};
  EXPECT_EQ(run(discover).out, R"({"bindings":[{"recommendedName":"test-counter"}]})"
                               "\n");
  std::ofstream(path) << "{";
  Result broken = run(discover);
  ::unlink(path.c_str());
  EXPECT_EQ(broken.status.code, 1);
  EXPECT_EQ(broken.err.find("reading the configuration " + path), 0u) << broken.err;
  Result missing = run(discover);
  EXPECT_EQ(missing.err.find("reading the configuration " + path + ": No such file or directory"), 0u)
      << missing.err;

  Launch version, help, wrong, unknown;
  version.arguments = {"--version"};
  EXPECT_EQ(run(version).out.find("test-counter "), 0u);
  help.arguments = {"--help"};
  EXPECT_NE(run(help).out.find("discover"), std::string::npos);
  EXPECT_EQ(run(help).status.code, 0);
  wrong.arguments = {"--nonsense"};
  EXPECT_EQ(run(wrong).status.code, 2);
  unknown.arguments = {"discover"};
  EXPECT_EQ(run(unknown).status.code, 2);
}

TEST(ServeMain, SignalsEndASessionGracefully) {
  for (int signal : {SIGTERM, SIGINT}) {
    Launch session = json("{\"open\":{\"capture\":{\"config\":5}}}\n");
    session.hang_up = false;
    session.signals = {{"{\"k\":4}", signal}};
    Result result = run(session);
    EXPECT_TRUE(result.status.ok()) << result.status.code << " " << result.status.signal << " " << result.err;
    EXPECT_NE(result.out.find("last"), std::string::npos);
  }
}

TEST(ServeMain, WhatASignalCutsShortIsAnError) {
  Launch hanging = json("{\"discover\":{\"config\":\"hang\"}}\n");
  hanging.hang_up = false;
  hanging.signals = {{"hanging", SIGTERM}};
  Result result = run(hanging);
  EXPECT_EQ(result.status.code, 1);
  EXPECT_EQ(result.last_line(), "stopped by SIGTERM while handling Discover");
}

TEST(ServeMain, WhatCannotBeCancelledEndsWithTheProcess) {
  Launch blocking = json("{\"discover\":{\"config\":\"block\"}}\n");
  blocking.hang_up = false;
  blocking.signals = {{"hanging", SIGTERM}, {"cancelled", SIGTERM}};
  Result result = run(blocking);
  EXPECT_EQ(result.status.code, 1);
  EXPECT_EQ(result.last_line(), "stopped by a second signal (Terminated)");
}

}  // namespace
}  // namespace sluice::connector
