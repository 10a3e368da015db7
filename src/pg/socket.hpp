#pragma once
#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>

#include "sluice/async/clock.hpp"
#include "sluice/async/event.hpp"

namespace sluice::pg {

// Readiness of the socket that libpq owns. One coroutine may wait for each direction at a time.
class Socket {
 public:
  enum Direction { read, write };

  explicit Socket(Executor executor);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Borrows `fd`, releasing what was borrowed before.
  void borrow(int fd);
  void release();
  // Returns when the socket is ready or woken; false at the deadline.
  Task<bool> wait(Direction direction, Clock& clock, std::optional<Clock::TimePoint> deadline = std::nullopt);
  // Lets who waits for reading look again.
  void wake();

  // While this lives, arriving bytes do not wake the loop until they are many: a wait for reading is told
  // late. They are acknowledged at once nevertheless: the sender may be waiting for that. What the socket does
  // not know of this (SO_RCVLOWAT, TCP_QUICKACK) changes nothing.
  class Quiet;

 private:
  struct State {
    explicit State(Executor executor) : descriptor(executor), changed(executor) {}
    asio::posix::stream_descriptor descriptor;
    Event changed;
    std::array<bool, 2> armed{};
    unsigned generation = 0;  // of the borrowed socket: handlers of an earlier one are void
    bool woken = false;
  };
  void arm(Direction direction);

  std::shared_ptr<State> state_;  // shared with asio's handlers, which may run after this is gone
};

class Socket::Quiet {
 public:
  explicit Quiet(Socket& socket);
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  void set(int level, int option, int value);
  std::shared_ptr<State> state_;
  unsigned generation_;
};

}  // namespace sluice::pg
