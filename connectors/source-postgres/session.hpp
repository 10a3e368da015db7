#pragma once
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "sluice/async/context.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/cdc/state.hpp"
#include "sluice/protocol/session.hpp"
#include "source-postgres/backfill.hpp"
#include "source-postgres/changes.hpp"
#include "source-postgres/config.hpp"
#include "source-postgres/inventory.hpp"
#include "source-postgres/output.hpp"
#include "source-postgres/slot.hpp"
#include "source-postgres/stream.hpp"

namespace sluice::source_postgres {

// One capture session, from Open to its end (capture-postgres §5–§7). work() does one thing after the other:
// a chunk of a table, then the changes up to its fence, and when nothing is left to read only changes. Beside
// it acknowledgements are read and, while there is a stream, its status updates are sent.
class Session {
 public:
  Session(Context& context, protocol::capture::Open open, protocol::CaptureIo io);
  Task<> run();

 private:
  struct Goal;

  Task<> work(Scope& scope);
  Task<> read_acknowledgements(Scope& scope);
  Task<> prepare();
  Task<> check(pg::Connection& db);
  Task<> replicate();
  Task<> drive(Scope& scope);
  Task<> await_last_acknowledgements();

  Task<> open_stream();
  Task<pg::Lsn> start_position();
  void adopt_system(const System& system, bool has_cursor);
  std::optional<pg::Lsn> stored_cursor() const;

  // The stream. A Goal says until when it is read.
  Task<> relay(Goal goal);
  Task<> stream_until(Clock::TimePoint end);
  Task<pg::Lsn> fence();
  bool reached(const Goal& goal, Clock::TimePoint now) const;
  bool take(const Stream::Frame& frame, const Goal& goal);
  Task<> attend(const Goal& goal);
  Task<std::optional<Stream::Frame>> wait(Goal& goal, Clock::TimePoint now);
  Task<> press(Goal& goal, Clock::TimePoint now);
  bool report_due() const;
  Task<> checkpoint();
  Task<> on_relation();
  Task<> write_watermark();

  Task<Snapshot> snapshot();
  Task<bool> settle();
  Task<> backfill(BoundTable& table);
  Task<> activate_pending();
  void follow_recreated(BoundTable& table);
  void lose(BoundTable& table);
  Task<> rediscover();
  Task<> send_schemas();
  Task<> periodic_checks();
  void schedule_rediscovery();
  void status(std::string text);
  void log_progress();

  Context& context_;
  protocol::capture::Open open_;
  protocol::CaptureIo io_;
  pg::RepairCount repaired_ = 0;  // values that were no text
  Settings settings_;
  cdc::CaptureState state_;
  Output output_;
  Database database_;
  Inventory inventory_;
  Backfill backfill_;
  Changes changes_;
  std::unique_ptr<pg::Connection> replication_;
  std::unique_ptr<Stream> stream_;

  pg::Lsn safe_;             // between transactions; everything before it was taken
  pg::Lsn acknowledged_;     // what may be confirmed to the slot
  bool resumable_ = false;   // a stream was running, and safe_ is where another can go on
  std::size_t commits_ = 0;  // since the last checkpoint
  Clock::TimePoint first_commit_;
  Changes::Event event_ = Changes::Event::none;  // of the frame taken last
  std::size_t frames_since_yield_ = 0;

  bool asynchronous_commits_ = false;
  bool read_again_ = false;     // a table is to be read, although the stream was to be followed
  bool hurried_ = false;        // the server asks how far we are, as one that shuts down does
  bool stop_ = false;           // the runtime asked for the end
  bool interruptible_ = false;  // and may have it at this moment
  bool closed_ = false;
  bool repair_said_ = false;
  std::optional<Clock::TimePoint> warn_unsettled_at_;  // while transactions keep tables from being read
  Clock::TimePoint rediscovery_due_, checks_due_, progress_due_;
  std::uint64_t progress_documents_ = 0, progress_bytes_ = 0;
  std::mt19937_64 random_;
  std::string last_status_;
};

}  // namespace sluice::source_postgres
