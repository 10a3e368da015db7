#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sluice/async/clock.hpp"
#include "sluice/async/event.hpp"
#include "sluice/async/task.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

// The other end of a channel went away without saying so. Usually a consequence: the cause is the failure of
// the coroutine that held the end, which all() and scoped() report instead.
class Broken : public Error {
 public:
  explicit Broken(std::string what) : Error(Kind::transient, std::move(what)) {}
};

// What may travel: the size that counts against the budget.
template <class T>
concept Sized = requires(const T& item) {
  { item.bytes() } -> std::convertible_to<std::size_t>;
};

namespace detail {

// The part of a channel that does not depend on the item. Whoever waits here keeps the channel alive.
class ChannelCore {
 public:
  ChannelCore(Executor executor, std::size_t budget_bytes);
  // Whether `bytes` may be queued now, with nobody waiting before. Throws Broken when the reader is gone.
  bool has_room(std::size_t bytes) const;
  Task<> room_for(std::size_t bytes);  // senders are served in the order in which they came
  bool ended() const;                  // as was said; throws Broken when all writers died
  Event& readable() { return readable_; }
  // False if something is still queued at the deadline; true also when the reader is gone.
  Task<bool> empty_until(Clock& clock, Clock::TimePoint deadline);
  // 1 an item, 0 the end, -1 the deadline passed.
  Task<int> item_until(Clock& clock, Clock::TimePoint deadline);
  void added(std::size_t bytes);  // readable() is not told
  void removed(std::size_t bytes);
  void add_writer() { ++writers_; }
  void drop_writer();
  void close();
  void drop_reader();
  std::size_t used() const { return used_; }

 private:
  struct Turn;
  bool fits(std::size_t bytes) const { return count_ == 0 || used_ + bytes <= budget_; }

  Event readable_, writable_;
  std::deque<const Turn*> waiting_;
  std::size_t budget_, used_ = 0, count_ = 0;
  int writers_ = 0;
  bool closed_ = false, reader_gone_ = false;
};

template <class T>
struct ChannelState {
  ChannelState(Executor executor, std::size_t budget_bytes) : core(std::move(executor), budget_bytes) {}
  ChannelCore core;
  std::deque<std::pair<T, std::size_t>> items;  // with the size each was counted at
};

}  // namespace detail

// The sending end. Several may exist (share()); the stream ends when one says close(), after which none may
// send. If the last one dies with that unsaid the reader throws Broken.
template <class T>
class Writer {
 public:
  using Item = T;
  explicit Writer(std::shared_ptr<detail::ChannelState<T>> state) : state_(std::move(state)) {
    state_->core.add_writer();
  }
  Writer(Writer&& other) noexcept : state_(std::move(other.state_)) {}
  Writer& operator=(Writer&&) = delete;
  ~Writer() {
    if (state_) state_->core.drop_writer();
  }
  Writer share() const { return Writer(state_); }

  // Returns when the item is queued: at once while the budget has room or the channel is empty. Throws Broken
  // when the reader is gone. If cancelled while waiting the item is not queued.
  Task<> send(T item) {
    std::size_t cost = std::max(item.bytes(), sizeof(T));  // so that empty items are bounded too
    if (!state_->core.has_room(cost)) {
      auto alive = state_;
      co_await alive->core.room_for(cost);
    }
    put(std::move(item), cost);
    state_->core.readable().notify_all();
  }
  // As send(), and a reader that waits has had the item before this returns: it runs on the caller's stack,
  // so this is not for stages that feed each other without end. A cancellation that arrives then is thrown
  // although the item was sent.
  Task<> hand_over(T item) {
    std::size_t cost = std::max(item.bytes(), sizeof(T));
    auto alive = state_;
    if (!alive->core.has_room(cost)) co_await alive->core.room_for(cost);
    put(std::move(item), cost);
    co_await alive->core.readable().give_way();
  }
  // Returns when the reader has taken all that was sent (or is gone): true; false at the deadline.
  Task<bool> taken_until(Clock& clock, Clock::TimePoint deadline) {
    auto alive = state_;
    co_return co_await alive->core.empty_until(clock, deadline);
  }
  // Says that all was sent. Items still queued are delivered first.
  void close() { state_->core.close(); }
  // Bytes queued and not yet taken.
  std::size_t queued_bytes() const { return state_->core.used(); }

 private:
  void put(T&& item, std::size_t cost) {
    state_->items.emplace_back(std::move(item), cost);
    state_->core.added(cost);
  }
  std::shared_ptr<detail::ChannelState<T>> state_;  // shared by the two ends
};

// The receiving end; one coroutine reads it. Destroying it makes senders throw Broken and drops what is
// queued.
template <class T>
class Reader {
 public:
  using Item = T;
  explicit Reader(std::shared_ptr<detail::ChannelState<T>> state) : state_(std::move(state)) {}
  Reader(Reader&& other) noexcept : state_(std::move(other.state_)) {}
  Reader& operator=(Reader&&) = delete;
  ~Reader() {
    if (!state_) return;
    state_->core.drop_reader();
    state_->items.clear();
  }

  // The next item, or nothing at the end that a writer said.
  Task<std::optional<T>> next() {
    auto alive = state_;
    while (alive->items.empty()) {
      if (alive->core.ended()) co_return std::nullopt;
      co_await alive->core.readable().wait();
    }
    co_return take();
  }
  // An item that is there already.
  std::optional<T> poll() {
    if (state_->items.empty()) return std::nullopt;
    return take();
  }
  struct Timed {
    std::optional<T> item;
    bool ended = false;
  };
  // As next(), but gives up at `deadline` without losing an item: then neither item nor ended is set.
  Task<Timed> next_until(Clock& clock, Clock::TimePoint deadline) {
    auto alive = state_;
    int outcome = co_await alive->core.item_until(clock, deadline);
    Timed timed;
    timed.ended = outcome == 0;
    if (outcome > 0) timed.item = take();
    co_return timed;
  }

 private:
  std::optional<T> take() {
    std::optional<T> item(std::move(state_->items.front().first));
    std::size_t cost = state_->items.front().second;
    state_->items.pop_front();
    state_->core.removed(cost);
    return item;
  }
  std::shared_ptr<detail::ChannelState<T>> state_;  // shared by the two ends
};

// A queue bounded by bytes (invariant X-10). An item larger than the budget passes alone.
template <Sized T>
std::pair<Writer<T>, Reader<T>> channel(Executor executor, std::size_t budget_bytes) {
  auto state = std::make_shared<detail::ChannelState<T>>(std::move(executor), budget_bytes);
  return {Writer<T>(state), Reader<T>(state)};
}

}  // namespace sluice
