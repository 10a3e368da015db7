#include "sluice/async/program.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "sluice/async/fd.hpp"
#include "sluice/base/error.hpp"

namespace sluice {
namespace {

using Arguments = std::vector<std::string>;

Task<> succeed(Context&, Arguments arguments) {
  if (arguments.size() != 1 || arguments[0] != "one") throw Error(Error::Kind::bug, "other arguments");
  co_return;
}
Task<> fail(Context&, Arguments) {
  throw Error(Error::Kind::config, "no such host", "Check its name.");
  co_return;
}
Task<> write_to_nobody(Context& context, Arguments) {
  Pipe pipe = make_pipe();
  pipe.read = Fd();
  ByteWriter out(context.executor, std::move(pipe.write), "nobody");
  co_await out.write("x");
}
Task<> be_interrupted(Context&, Arguments) {
  std::raise(SIGTERM);
  Event never(co_await asio::this_coro::executor);
  co_await never.wait();
}

// Ends the process, so that it is the statement of a death test.
[[noreturn]] void run(Task<> (*body)(Context&, Arguments), const char* level, const char* format) {
  ::setenv("LOG_LEVEL", level, 1);
  ::setenv("LOG_FORMAT", format, 1);
  std::signal(SIGPIPE, SIG_DFL);
  char name[] = "program", argument[] = "one";
  char* argv[] = {name, argument, nullptr};
  std::_Exit(run_program(2, argv, body));
}

using ::testing::ExitedWithCode;

TEST(Program, ItsStatusIsThatOfTheBody) {
  EXPECT_EXIT(run(succeed, "", ""), ExitedWithCode(0), "^$");
  EXPECT_EXIT(run(be_interrupted, "", ""), ExitedWithCode(128 + SIGTERM), "^$");
}

TEST(Program, ErrorsAreShownWhateverTheLevel) {
  EXPECT_EXIT(run(fail, "", ""), ExitedWithCode(1), "fatal.* no such host. Check its name.");
  EXPECT_EXIT(run(fail, "fatal", "json"), ExitedWithCode(1), "\"msg\":\"no such host. Check its name.\"");
}

TEST(Program, ABadEnvironmentIsShown) {
  EXPECT_EXIT(run(succeed, "loud", "json"), ExitedWithCode(1), "\"msg\":\"unknown log level 'loud'");
  EXPECT_EXIT(run(succeed, "", "xml"), ExitedWithCode(1), "unknown log format 'xml'");
}

TEST(Program, OfAnotherNumberOfArgumentsItSaysItsUsage) {
  char name[] = "program", argument[] = "one";
  char* argv[] = {name, argument, nullptr};
  EXPECT_EXIT(std::_Exit(run_program(1, argv, succeed, "FILE")), ExitedWithCode(2),
              "^usage: program FILE\n$");
  EXPECT_EXIT(std::_Exit(run_program(2, argv, succeed, "FILE")), ExitedWithCode(0), "^$");
  EXPECT_EXIT(std::_Exit(run_program(2, argv, succeed, "FROM TO")), ExitedWithCode(2),
              "usage: program FROM TO");
}

TEST(Program, AClosedPipeIsAnError) {
  EXPECT_EXIT(run(write_to_nobody, "", "text"), ExitedWithCode(1), "writing to nobody: Broken pipe");
}

}  // namespace
}  // namespace sluice
