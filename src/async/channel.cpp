#include "sluice/async/channel.hpp"

namespace sluice::detail {

ChannelCore::ChannelCore(Executor executor, std::size_t budget_bytes)
    : readable_(executor), writable_(executor), budget_(budget_bytes) {}

// A place in the queue of waiting senders, given up however the wait ends.
struct ChannelCore::Turn {
  explicit Turn(ChannelCore& c) : core(c) { core.waiting_.push_back(this); }
  ~Turn() {
    std::erase(core.waiting_, this);
    core.writable_.notify_all();
  }
  bool is_first() const { return core.waiting_.front() == this; }
  ChannelCore& core;
};

bool ChannelCore::has_room(std::size_t bytes) const {
  if (reader_gone_) throw Broken("the reader went away");
  SLUICE_CHECK(!closed_);  // what is sent after the said end would be lost
  return waiting_.empty() && fits(bytes);
}

Task<> ChannelCore::room_for(std::size_t bytes) {
  Turn turn(*this);
  while (!reader_gone_ && !closed_ && !(turn.is_first() && fits(bytes))) co_await writable_.wait();
  if (reader_gone_) throw Broken("the reader went away");
  SLUICE_CHECK(!closed_);
}

bool ChannelCore::ended() const {
  if (closed_) return true;
  if (writers_ == 0) throw Broken("the writer went away without saying that all was sent");
  return false;
}

Task<int> ChannelCore::item_until(Clock& clock, Clock::TimePoint deadline) {
  while (count_ == 0) {
    if (ended()) co_return 0;
    if (clock.now() >= deadline) co_return -1;
    co_await clock.wait(readable_, deadline);
  }
  co_return 1;
}

Task<bool> ChannelCore::empty_until(Clock& clock, Clock::TimePoint deadline) {
  while (count_ != 0 && !reader_gone_) {
    if (clock.now() >= deadline) co_return false;
    co_await clock.wait(writable_, deadline);
  }
  co_return true;
}

void ChannelCore::added(std::size_t bytes) {
  used_ += bytes;
  ++count_;
}

void ChannelCore::removed(std::size_t bytes) {
  used_ -= bytes;
  --count_;
  writable_.notify_all();
}

void ChannelCore::drop_writer() {
  if (--writers_ == 0) readable_.notify_all();
}

void ChannelCore::close() {
  closed_ = true;
  readable_.notify_all();
  writable_.notify_all();
}

void ChannelCore::drop_reader() {
  reader_gone_ = true;
  used_ = count_ = 0;
  writable_.notify_all();
}

}  // namespace sluice::detail
