#pragma once
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "sluice/async/context.hpp"
#include "sluice/async/event.hpp"
#include "sluice/pg/pgoutput.hpp"

namespace sluice::source_postgres {

// The copy-both stream of a walsender. One coroutine reads it; keep_alive() runs beside it and is the only
// one that writes, so that the server hears from us however long the reader is held up (wal_sender_timeout).
class Stream {
 public:
  using Frame = std::variant<pg::XLogData, pg::Keepalive>;

  // `context` and `replication` outlive the stream. `confirmed`: what was acknowledged so far;
  // `server_patience`: its wal_sender_timeout, 0 for none.
  Stream(Context& context, pg::Connection& replication, pg::Lsn confirmed, Clock::Duration server_patience);

  // START_REPLICATION; the first status follows from keep_alive().
  Task<> start(std::string slot, std::string publication, pg::Lsn from);

  // A frame that has arrived, without waiting. Its views live until the next call of poll() or next().
  std::optional<Frame> poll();
  // Waits for one until `deadline`: nothing if none came. Under load it rests first, so that many come with one
  // read. Throws Error{transient} if the server ends the stream, or is silent for two minutes although
  // asked for an answer every ten seconds.
  Task<std::optional<Frame>> next(Clock::TimePoint deadline);
  // The reader was busy with something else since it last waited for a frame: that was no silence.
  void resume_listening();

  // Sends status updates until cancelled: at once, every ten seconds or as the server's patience demands,
  // when the server asks, and on ask().
  Task<> keep_alive();
  // Wants a keepalive with the server's position soon.
  void ask();
  // The position that may be confirmed to the slot. Never goes back.
  void confirm(pg::Lsn acknowledged);
  pg::Lsn confirmed() const { return confirmed_; }

 private:
  std::optional<Frame> take(std::string_view bytes);
  std::string status(bool ask) const;

  Context& context_;
  pg::Connection& replication_;
  Event wake_;
  pg::Lsn confirmed_;
  Clock::Duration interval_;  // of status updates
  bool ask_ = true, answer_ = false;
  Clock::TimePoint heard_, last_read_, last_idle_;
  Clock::TimePoint listened_;  // when the reader last waited, or was excused
  std::size_t burst_ = 0;      // frames since the reader last had to wait
};

}  // namespace sluice::source_postgres
