#include "source-postgres/stream.hpp"

#include <algorithm>

#include "sluice/base/error.hpp"

namespace sluice::source_postgres {
namespace {

using namespace std::chrono_literals;

constexpr Clock::Duration status_interval = 10s;
constexpr auto longest_silence = 2min;
constexpr std::int64_t unix_seconds_of_2000 = 946'684'800;
// The walsender writes message by message, and waking for each costs more than decoding it. A reader that found
// no idle moment for `busy` therefore lets `rest` go by between two reads. Otherwise it takes each at once: those
// of a single transaction come one by one, too, and nobody should wait for them.
constexpr auto rest = 300us;
constexpr auto busy = 300us;
constexpr auto idle = 120us;  // the shortest wait that counts as such a moment

}  // namespace

Stream::Stream(Context& context, pg::Connection& replication, pg::Lsn confirmed,
               Clock::Duration server_patience)
    : context_(context),
      replication_(replication),
      wake_(context.executor),
      confirmed_(confirmed),
      interval_(server_patience == 0s ? status_interval : std::min(status_interval, server_patience / 4)) {}

Task<> Stream::start(std::string slot, std::string publication, pg::Lsn from) {
  // The option is a string that holds a list of identifiers.
  std::string command = "START_REPLICATION SLOT " + pg::quote_identifier(slot) + " LOGICAL " + from.text() +
                        " (\"proto_version\" '1', \"publication_names\" ";
  std::string names = "'";
  for (char c : pg::quote_identifier(publication)) names += c == '\'' ? "''" : std::string(1, c);
  command += names + "')";
  co_await replication_.start_replication(std::move(command));
  heard_ = last_read_ = last_idle_ = listened_ = context_.clock.now();
}

std::optional<Stream::Frame> Stream::take(std::string_view bytes) {
  ++burst_;
  Frame frame = pg::decode_frame(bytes);
  if (const auto* keepalive = std::get_if<pg::Keepalive>(&frame);
      keepalive != nullptr && keepalive->reply_requested) {
    answer_ = true;
    wake_.notify_all();
  }
  return frame;
}

std::optional<Stream::Frame> Stream::poll() {
  auto bytes = replication_.poll_copy();
  if (!bytes) return std::nullopt;
  return take(*bytes);
}

Task<std::optional<Stream::Frame>> Stream::next(Clock::TimePoint deadline) {
  Clock::TimePoint now = context_.clock.now();
  if (burst_ > 0 && last_read_ - last_idle_ >= busy && now - last_read_ < rest)
    co_await replication_.rest_until(std::min(deadline, last_read_ + rest));
  if (burst_ > 0) heard_ = context_.clock.now();
  burst_ = 0;
  deadline = std::min(deadline, heard_ + longest_silence);
  std::optional<Frame> frame = poll();
  for (bool more = true; more && !frame;) {
    now = context_.clock.now();
    more = co_await replication_.more_until(deadline);
    frame = poll();
    if (context_.clock.now() - now >= idle) last_idle_ = context_.clock.now();
  }
  now = last_read_ = listened_ = context_.clock.now();
  if (frame) {
    heard_ = now;
  } else if (now - heard_ >= longest_silence) {
    throw Error(
        Error::Kind::transient, "no message came on the replication connection for two minutes",
        "The network or the server has dropped the connection without saying so; check that idle connections "
        "are kept.");
  }
  co_return frame;
}

void Stream::resume_listening() {
  Clock::TimePoint now = context_.clock.now();
  heard_ = std::min(now, heard_ + (now - listened_));
  listened_ = now;
}

std::string Stream::status(bool ask) const {
  std::int64_t now_us = context_.clock.unix_nanoseconds() / 1000 - unix_seconds_of_2000 * 1'000'000;
  return pg::encode_status(confirmed_, now_us, ask);
}

Task<> Stream::keep_alive() {
  Clock::TimePoint due = context_.clock.now();
  for (;;) {
    while (!ask_ && !answer_ && context_.clock.now() < due) co_await context_.clock.wait(wake_, due);
    bool ask = ask_ || context_.clock.now() >= due;
    if (ask) due = context_.clock.now() + interval_;
    ask_ = answer_ = false;
    co_await replication_.send_copy(status(ask));
  }
}

void Stream::ask() {
  ask_ = true;
  wake_.notify_all();
}

void Stream::confirm(pg::Lsn acknowledged) { confirmed_ = std::max(confirmed_, acknowledged); }

}  // namespace sluice::source_postgres
