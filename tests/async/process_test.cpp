#include "sluice/async/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sluice/async/event.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/testing/run.hpp"

namespace sluice {
namespace {

using testing::run;

std::vector<std::string> shell(std::string script) { return {"sh", "-c", std::move(script)}; }

Task<std::string> read_all(ByteReader in) {
  std::string text;
  char bytes[1000];
  for (;;) {
    std::size_t n = co_await in.read_some(bytes, sizeof bytes);
    if (n == 0) break;
    text.append(bytes, n);
  }
  co_return text;
}

TEST(Process, StreamsAndStatus) {
  CpuPool pool(1);
  run([&](Loop& loop) -> Task<> {
    Process process(loop.executor(), shell("read line; echo \"got $line $WHO\"; echo oops >&2; exit 7"),
                    {"WHO=me", "PATH=/usr/bin:/bin"});
    ByteWriter in(loop.executor(), process.take_stdin(), "in");
    ByteReader out(loop.executor(), pool, process.take_stdout(), "out");
    ByteReader err(loop.executor(), pool, process.take_stderr(), "err");
    co_await in.write("hel", "lo\n");
    EXPECT_EQ(co_await read_all(std::move(out)), "got hello me\n");
    EXPECT_EQ(co_await read_all(std::move(err)), "oops\n");
    ExitStatus status = co_await process.wait();
    EXPECT_EQ(status.code, 7);
    EXPECT_EQ(status.signal, 0);
    process.signal(SIGKILL);  // has no effect any more
    EXPECT_EQ((co_await process.wait()).code, 7);
  });
}

TEST(Process, EndsBySignal) {
  run([](Loop& loop) -> Task<> {
    Process process(loop.executor(), shell("kill -TERM $$; sleep 60"), current_environment());
    ExitStatus status = co_await process.wait();
    EXPECT_EQ(status.signal, SIGTERM);
    EXPECT_FALSE(status.ok());
  });
}

TEST(Process, SignalsThatWeIgnoreOrBlockWorkInTheChild) {
  ::signal(SIGPIPE, SIG_IGN);
  run([](Loop& loop) -> Task<> {
    Process process(loop.executor(), shell("kill -PIPE $$; exit 3"), current_environment());
    EXPECT_EQ((co_await process.wait()).signal, SIGPIPE);
  });
}

TEST(Process, AFailureIsNoSuccessWhereSigchldIsIgnored) {
  for (bool before : {true, false}) {
    if (before) ::signal(SIGCHLD, SIG_IGN);
    run([&](Loop& loop) -> Task<> {
      Process process(loop.executor(), shell("read line; exit 7"), current_environment());
      if (!before) ::signal(SIGCHLD, SIG_IGN);  // by a library, say
      process.take_stdin();
      EXPECT_EQ((co_await process.wait()).code, before ? 7 : 255);
    });
    ::signal(SIGCHLD, SIG_DFL);
  }
}

TEST(Process, IsKilledWhenItsOwnerGoes) {
  int pid = 0;
  run([&](Loop& loop) -> Task<> {
    Process process(loop.executor(), {"sleep", "1000"}, current_environment());
    pid = process.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
    co_return;
  });
  EXPECT_EQ(::kill(pid, 0), -1) << "still there";
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1) << "left as a zombie";
}

TEST(Process, DiesWithTheParent) {
  Pipe pipe = make_pipe();
  pid_t parent = ::fork();
  if (parent == 0) {
    {
      Loop loop;
      Process process(loop.executor(), {"sleep", "1000"}, current_environment());
      int pid = process.pid();
      if (::write(pipe.write.get(), &pid, sizeof pid) != sizeof pid) ::_exit(1);
      ::raise(SIGKILL);
    }
    ::_exit(1);
  }
  int child = 0;
  ASSERT_EQ(::read(pipe.read.get(), &child, sizeof child), static_cast<ssize_t>(sizeof child));
  int status = 0;
  ::waitpid(parent, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  // Not our child, so its end is seen through a pidfd.
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (pidfd < 0) {
    EXPECT_EQ(errno, ESRCH);
    return;
  }
  pollfd watch{pidfd, POLLIN, 0};
  EXPECT_EQ(::poll(&watch, 1, 10'000), 1) << "still there";
  ::close(pidfd);
}

TEST(Process, WhatCannotStartSaysWhy) {
  run([](Loop& loop) -> Task<> {
    auto error = [&](std::vector<std::string> argv) -> std::string {
      try {
        Process process(loop.executor(), argv, {"PATH=/usr/bin:/nowhere"});
      } catch (const Error& e) {
        return e.message();
      }
      return "started";
    };
    EXPECT_EQ(error({"no-such-program-here"}),
              "cannot start 'no-such-program-here': no such program in /usr/bin:/nowhere");
    EXPECT_EQ(error({"/no/such/program"}), "cannot start '/no/such/program': No such file or directory");
    EXPECT_EQ(error({"/etc/passwd"}), "cannot start '/etc/passwd': Permission denied");
    EXPECT_EQ(error({}), "the command to start is empty");
    co_return;
  });
}

Task<> read_forever(ByteReader in) {
  char byte = 0;
  co_await in.read_some(&byte, 1);
}
Task<> fail_soon() {
  throw Error(Error::Kind::transient, "failed");
  co_return;
}

TEST(Fd, ReadingIsCancelledAndBlockingModeRestored) {
  CpuPool pool(1);
  Pipe pipe = make_pipe();
  Fd same(::dup(pipe.read.get()));
  std::string what;
  run([&](Loop& loop) -> Task<> {
    ByteReader in(loop.executor(), pool, std::move(pipe.read), "in");
    EXPECT_TRUE(::fcntl(same.get(), F_GETFL) & O_NONBLOCK);
    try {
      co_await all(read_forever(std::move(in)), fail_soon());
    } catch (const Error& e) {
      what = e.message();
    }
  });
  EXPECT_EQ(what, "failed");
  EXPECT_FALSE(::fcntl(same.get(), F_GETFL) & O_NONBLOCK);
}

TEST(Fd, RegularFilesAndTheNullDeviceAreReadToTheirEnd) {
  CpuPool pool(1);
  std::string path = ::testing::TempDir() + "sluice-fd-" + std::to_string(::getpid());
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ::unlink(path.c_str());
  std::string content(700'000, 'x');
  ASSERT_EQ(::write(file, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  ::lseek(file, 0, SEEK_SET);
  run([&](Loop& loop) -> Task<> {
    ByteReader in(loop.executor(), pool, Fd(file), "file");
    EXPECT_EQ(co_await read_all(std::move(in)), content);
    ByteReader null(loop.executor(), pool, Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), "null");
    EXPECT_EQ(co_await read_all(std::move(null)), "");
  });
}

Task<> write_much(ByteWriter out, std::size_t n) {
  std::string a(n, 'a'), b(n, 'b');
  co_await out.write(a, b);
  out.close();
}
Task<> count(ByteReader in, std::size_t& total, bool& ordered) {
  std::string bytes(100'000, 0);
  char last = 'a';
  for (;;) {
    std::size_t n = co_await in.read_some(bytes.data(), bytes.size());
    if (n == 0) break;
    total += n;
    ordered = ordered && bytes.front() >= last && bytes[n - 1] >= bytes.front();
    last = bytes[n - 1];
  }
}

TEST(Fd, WritesAllWhateverThePipeTakes) {
  CpuPool pool(1);
  std::size_t total = 0;
  bool ordered = true;
  run([&](Loop& loop) -> Task<> {
    Pipe pipe = make_pipe();
    ByteReader in(loop.executor(), pool, std::move(pipe.read), "in");
    ByteWriter out(loop.executor(), std::move(pipe.write), "out");
    co_await all(write_much(std::move(out), 5'000'000), count(std::move(in), total, ordered));
  });
  EXPECT_EQ(total, 10'000'000u);
  EXPECT_TRUE(ordered);
}

Task<> write_then_note(ByteWriter out, std::string text, bool& cancelled) {
  try {
    co_await out.write("<", text, ">");
  } catch (...) {
    cancelled = is_cancelled(std::current_exception());
    throw;
  }
}
Task<> read_late(ByteReader in, std::string& text) {
  Event turn(co_await asio::this_coro::executor);
  co_await turn.wait_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  text = co_await read_all(std::move(in));
}
Task<> swallow(Task<> work) {
  try {
    co_await std::move(work);
  } catch (const Error&) {
  }
}

TEST(Fd, AWriterMayLingerToTheEndOfWhatItBegan) {
  CpuPool pool(1);
  std::string whole(3'000'000, 'x');
  for (auto patience : {std::chrono::milliseconds(0), std::chrono::milliseconds(10'000)}) {
    bool cancelled = false;
    std::string text;
    run([&](Loop& loop) -> Task<> {
      Pipe pipe = make_pipe();
      ByteReader in(loop.executor(), pool, std::move(pipe.read), "in");
      ByteWriter out(loop.executor(), std::move(pipe.write), "out");
      out.linger(patience);
      co_await all(swallow(all(write_then_note(std::move(out), whole, cancelled), fail_soon())),
                   read_late(std::move(in), text));
    });
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(text == "<" + whole + ">", patience.count() > 0) << text.size();
  }
}

TEST(Fd, LingeringEndsAtItsTime) {
  CpuPool pool(1);
  bool cancelled = false;
  run([&](Loop& loop) -> Task<> {
    Pipe pipe = make_pipe();
    ByteWriter out(loop.executor(), std::move(pipe.write), "out");
    out.linger(std::chrono::milliseconds(10));
    co_await swallow(
        all(write_then_note(std::move(out), std::string(3'000'000, 'x'), cancelled), fail_soon()));
  });
  EXPECT_TRUE(cancelled);
}

TEST(Fd, AStoppedReaderGetsWhatIsThereAndThenTheEnd) {
  CpuPool pool(1);
  run([&](Loop& loop) -> Task<> {
    Pipe pipe = make_pipe();
    ByteReader in(loop.executor(), pool, std::move(pipe.read), "in");
    ByteWriter out(loop.executor(), std::move(pipe.write), "out");
    co_await out.write("left");
    in.stop();
    EXPECT_EQ(co_await read_all(std::move(in)), "left");
  });
}

}  // namespace
}  // namespace sluice
