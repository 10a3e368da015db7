#include "socket.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string>

#include "sluice/async/fd.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/testing/run.hpp"

namespace sluice::pg {
namespace {

using namespace std::chrono_literals;

// Two ends of a TCP connection.
struct Ends {
  Ends() {
    Fd listener(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    bool listens = ::bind(listener.get(), any, size) == 0 && ::listen(listener.get(), 1) == 0 &&
                   ::getsockname(listener.get(), any, &size) == 0;
    near = Fd(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_TRUE(listens && ::connect(near.get(), any, size) == 0);
    far = Fd(::accept(listener.get(), nullptr, nullptr));
  }
  void send(std::size_t bytes) const {
    std::string text(bytes, 'x');
    EXPECT_GT(::send(far.get(), text.data(), text.size(), MSG_DONTWAIT), 0);
  }
  Fd near, far;
};

TEST(PgSocket, HoldsLittleBackWhileQuiet) {
  sluice::testing::run([](Loop& loop) -> Task<> {
    Ends ends;
    Socket socket(loop.executor());
    socket.borrow(ends.near.get());
    SteadyClock clock;
    {
      Socket::Quiet quiet(socket);
      ends.send(1);
      EXPECT_FALSE(co_await socket.wait(Socket::read, clock, clock.now() + 20ms));
    }
    EXPECT_TRUE(co_await socket.wait(Socket::read, clock));
    socket.release();
  });
}

void expect_told_while_quiet(void (*happens)(Ends&)) {
  sluice::testing::run([&](Loop& loop) -> Task<> {
    Ends ends;
    Socket socket(loop.executor());
    socket.borrow(ends.near.get());
    Socket::Quiet quiet(socket);
    happens(ends);
    SteadyClock clock;
    EXPECT_TRUE(co_await socket.wait(Socket::read, clock));
    socket.release();
  });
}

TEST(PgSocket, TellsOfMuchWhileQuiet) {
  expect_told_while_quiet([](Ends& ends) { ends.send(128_KiB); });
}

TEST(PgSocket, TellsOfTheEndWhileQuiet) {
  expect_told_while_quiet([](Ends& ends) { ends.far = Fd(); });
}

// As after questions and answers, when the kernel holds acknowledgements back for what is sent next.
TEST(PgSocket, AcknowledgesAtOnceWhileQuiet) {
  sluice::testing::run([](Loop& loop) -> Task<> {
    Ends ends;
    auto at_once = [&] {
      int value = 0;
      socklen_t size = sizeof value;
      EXPECT_EQ(::getsockopt(ends.near.get(), IPPROTO_TCP, TCP_QUICKACK, &value, &size), 0);
      return value != 0;
    };
    Socket socket(loop.executor());
    socket.borrow(ends.near.get());
    char byte = 0;
    for (int i = 0; i < 10; ++i) {
      ends.send(1);
      EXPECT_EQ(::recv(ends.near.get(), &byte, 1, 0), 1);
      EXPECT_EQ(::send(ends.near.get(), &byte, 1, 0), 1);
      EXPECT_EQ(::recv(ends.far.get(), &byte, 1, 0), 1);
    }
    EXPECT_FALSE(at_once());
    Socket::Quiet quiet(socket);
    EXPECT_TRUE(at_once());
    socket.release();
    co_return;
  });
}

// Its socket is another's by then.
TEST(PgSocket, IsNotTouchedOnceReleased) {
  sluice::testing::run([](Loop& loop) -> Task<> {
    Ends ends;
    Socket socket(loop.executor());
    socket.borrow(ends.near.get());
    {
      Socket::Quiet quiet(socket);
      socket.release();
      int bytes = 77;
      EXPECT_EQ(::setsockopt(ends.near.get(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes), 0);
    }
    int bytes = 0;
    socklen_t size = sizeof bytes;
    EXPECT_EQ(::getsockopt(ends.near.get(), SOL_SOCKET, SO_RCVLOWAT, &bytes, &size), 0);
    EXPECT_EQ(bytes, 77);
    co_return;
  });
}

}  // namespace
}  // namespace sluice::pg
