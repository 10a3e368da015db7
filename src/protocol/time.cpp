#include "time.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace sluice::protocol {
namespace {

// ".250", or nothing.
std::string fraction(std::int32_t nanos) {
  if (nanos == 0) return {};
  if (nanos % 1'000'000 == 0) return fmt::format(".{:03}", nanos / 1'000'000);
  if (nanos % 1'000 == 0) return fmt::format(".{:06}", nanos / 1'000);
  return fmt::format(".{:09}", nanos);
}

// Consumes text from the front; each step says whether it matched.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  bool literal(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly `digits` of them, or one and more if 0.
  template <class T>
  bool number(T& value, std::size_t digits) {
    std::size_t n = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') ++n;
    if (n == 0 || (digits != 0 && n < digits)) return false;
    if (digits != 0) n = digits;
    auto [end, error] = std::from_chars(rest_.data(), rest_.data() + n, value);
    if (error != std::errc() || end != rest_.data() + n) return false;
    rest_.remove_prefix(n);
    return true;
  }
  // After a '.', up to nine digits; without one, zero.
  bool nanos(std::int32_t& value) {
    value = 0;
    if (!literal('.')) return true;
    int digits = 0;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; rest_.remove_prefix(1)) {
      if (++digits > 9) return false;
      value = value * 10 + (rest_.front() - '0');
    }
    for (int i = digits; i < 9; ++i) value *= 10;
    return digits > 0;
  }

 private:
  std::string_view rest_;
};

// Seconds that local time is ahead of UTC.
bool offset(Cursor& in, std::int64_t& seconds) {
  seconds = 0;
  if (in.literal('Z') || in.literal('z')) return true;
  bool minus = in.literal('-');
  if (!minus && !in.literal('+')) return false;
  int hours = 0, minutes = 0;
  if (!in.number(hours, 2) || !in.literal(':') || !in.number(minutes, 2) || hours > 23 || minutes > 59)
    return false;
  seconds = (hours * 60 + minutes) * 60;
  if (minus) seconds = -seconds;
  return true;
}

}  // namespace

std::string write_timestamp(const Timestamp& time) {
  using namespace std::chrono;
  sys_seconds at{seconds(time.seconds)};
  auto day = floor<days>(at);
  year_month_day date(day);
  hh_mm_ss clock(at - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}+00:00", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count(), fraction(time.nanos));
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  using namespace std::chrono;
  Cursor in(text);
  int y = 0;
  unsigned mo = 0, d = 0, h = 0, mi = 0, s = 0;
  Timestamp time;
  std::int64_t ahead = 0;
  bool shape = in.number(y, 4) && in.literal('-') && in.number(mo, 2) && in.literal('-') && in.number(d, 2) &&
               (in.literal('T') || in.literal('t') || in.literal(' ')) && in.number(h, 2) &&
               in.literal(':') && in.number(mi, 2) && in.literal(':') && in.number(s, 2) &&
               in.nanos(time.nanos) && offset(in, ahead);
  year_month_day date{year(y), month(mo), day(d)};
  if (!shape || !in.done() || !date.ok() || h > 23 || mi > 59 || s > 60) return std::nullopt;
  auto midnight = duration_cast<seconds>(sys_days(date).time_since_epoch()).count();
  time.seconds = midnight + h * 3600 + mi * 60 + s - ahead;
  return time;
}

std::string write_duration(const Duration& duration) {
  bool negative = duration.seconds < 0 || duration.nanos < 0;
  return fmt::format("{}{}{}s", negative ? "-" : "", negative ? -duration.seconds : duration.seconds,
                     fraction(negative ? -duration.nanos : duration.nanos));
}

std::optional<Duration> parse_duration(std::string_view text) {
  Cursor in(text);
  bool negative = in.literal('-');
  Duration duration;
  if (!in.number(duration.seconds, 0) || !in.nanos(duration.nanos) || !in.literal('s') || !in.done())
    return std::nullopt;
  if (negative) {
    duration.seconds = -duration.seconds;
    duration.nanos = -duration.nanos;
  }
  return duration;
}

}  // namespace sluice::protocol
