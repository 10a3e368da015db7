#include "socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "sluice/base/bytes.hpp"

namespace sluice::pg {

Socket::Socket(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
Socket::~Socket() { release(); }

void Socket::borrow(int fd) {
  release();
  state_->descriptor.assign(fd);
}

void Socket::release() {
  if (state_->descriptor.is_open()) state_->descriptor.release();
  state_->armed = {};
  ++state_->generation;
}

void Socket::arm(Direction direction) {
  if (state_->armed[direction]) return;
  state_->armed[direction] = true;
  auto ready = [state = state_, direction, generation = state_->generation](std::error_code) {
    if (state->generation != generation) return;
    state->armed[direction] = false;
    state->changed.resume_first();
  };
  using Base = asio::posix::stream_descriptor;
  state_->descriptor.async_wait(direction == read ? Base::wait_read : Base::wait_write, std::move(ready));
}

Task<bool> Socket::wait(Direction direction, Clock& clock, std::optional<Clock::TimePoint> deadline) {
  arm(direction);
  std::shared_ptr<State> state = state_;  // the connection may be destroyed meanwhile
  while (state->armed[direction] && !(direction == read && state->woken)) {
    if (!deadline) {
      co_await state->changed.wait();
      continue;
    }
    if (clock.now() >= *deadline) {
      co_await yield();  // who asks again and again must not keep the loop from telling
      co_return false;
    }
    co_await clock.wait(state->changed, *deadline);
  }
  if (direction == read) state->woken = false;
  co_return true;
}

void Socket::wake() {
  state_->woken = true;
  state_->changed.notify_all();
}

Socket::Quiet::Quiet(Socket& socket) : state_(socket.state_), generation_(state_->generation) {
  set(SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(64_KiB));
  set(IPPROTO_TCP, TCP_QUICKACK, 1);
}
Socket::Quiet::~Quiet() { set(SOL_SOCKET, SO_RCVLOWAT, 1); }

void Socket::Quiet::set(int level, int option, int value) {
  if (state_->generation == generation_)
    ::setsockopt(state_->descriptor.native_handle(), level, option, &value, sizeof value);
}

}  // namespace sluice::pg
