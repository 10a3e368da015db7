#include "temporal.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "malformed.hpp"

namespace sluice::pg {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads the parts of a value from left to right; what does not fit is malformed.
class Scanner {
 public:
  Scanner(std::string_view what, std::string_view text) : what_(what), text_(text), rest_(text) {}
  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool at(std::string_view word) const { return rest_.starts_with(word); }
  bool accept(char c) {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool accept(std::string_view word) {
    if (!at(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail();
  }
  int two() {
    if (rest_.size() < 2 || !is_digit(rest_[0]) || !is_digit(rest_[1])) fail();
    int value = (rest_[0] - '0') * 10 + (rest_[1] - '0');
    rest_.remove_prefix(2);
    return value;
  }
  std::string_view digits() {
    std::size_t n = 0;
    while (n < rest_.size() && is_digit(rest_[n])) ++n;
    if (n == 0) fail();
    std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  std::int64_t number() {
    std::string_view taken = digits();
    if (taken.size() > 15) fail();
    std::int64_t value = 0;
    std::from_chars(taken.data(), taken.data() + taken.size(), value);
    return value;
  }
  [[noreturn]] void fail() const { malformed(what_, text_); }

 private:
  std::string_view what_, text_, rest_;
};

struct TimeOfDay {
  int hour = 0, minute = 0, second = 0;
  std::string_view fraction;  // digits after the point, without trailing zeros
};

struct Stamp {
  enum class Span { minus_infinity, before, year, after, infinity } span = Span::year;
  std::int64_t year = 0;  // astronomical: 0 is 1 BC. Within `year` 0 to 9999
  int month = 1, day = 1;
  TimeOfDay clock;
  std::optional<int> offset_s;  // east of UTC
};

std::string_view strip_zeros(std::string_view fraction) {
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  return fraction;
}

TimeOfDay scan_clock(Scanner& in) {
  TimeOfDay clock;
  clock.hour = in.two();
  in.expect(':');
  clock.minute = in.two();
  in.expect(':');
  clock.second = in.two();
  if (in.accept('.')) clock.fraction = strip_zeros(in.digits());
  if (clock.hour > 24 || clock.minute > 59 || clock.second > 60 || clock.fraction.size() > 9) in.fail();
  return clock;
}

// ±HH[:MM[:SS]]
std::optional<int> scan_offset(Scanner& in) {
  bool west = in.peek() == '-';
  if (!in.accept('-') && !in.accept('+')) return std::nullopt;
  int seconds = in.two() * 3600;
  if (in.accept(':')) seconds += in.two() * 60;
  if (in.accept(':')) seconds += in.two();
  return west ? -seconds : seconds;
}

void scan_date(Scanner& in, Stamp& stamp) {
  stamp.year = in.number();
  in.expect('-');
  stamp.month = in.two();
  in.expect('-');
  stamp.day = in.two();
  if (stamp.month < 1 || stamp.month > 12 || stamp.day < 1 || stamp.day > 31) in.fail();
}

void scan_era(Scanner& in, Stamp& stamp) {
  if (in.accept(" BC")) stamp.year = 1 - stamp.year;
  if (!in.done()) in.fail();
  if (stamp.year < 0) stamp.span = Stamp::Span::before;
  if (stamp.year > 9999) stamp.span = Stamp::Span::after;
}

Stamp infinite(Stamp::Span span) {
  Stamp stamp;
  stamp.span = span;
  return stamp;
}

// A date, or a date with a time, or also with an offset.
Stamp scan_stamp(std::string_view what, std::string_view text) {
  if (text == "infinity") return infinite(Stamp::Span::infinity);
  if (text == "-infinity") return infinite(Stamp::Span::minus_infinity);
  Scanner in(what, text);
  Stamp stamp;
  scan_date(in, stamp);
  if (!in.at(" BC") && in.accept(' ')) {
    stamp.clock = scan_clock(in);
    stamp.offset_s = scan_offset(in);
  }
  scan_era(in, stamp);
  return stamp;
}

using Days = std::chrono::sys_days;

// The same instant with offset 0.
Stamp to_utc(Stamp stamp) {
  if (stamp.span != Stamp::Span::year || !stamp.offset_s || *stamp.offset_s == 0) return stamp;
  using namespace std::chrono;
  const TimeOfDay& clock = stamp.clock;
  auto date = year(static_cast<int>(stamp.year)) / month(static_cast<unsigned>(stamp.month)) /
              day(static_cast<unsigned>(stamp.day));
  auto local = Days(date) + hours(clock.hour) + minutes(clock.minute) + seconds(clock.second);
  auto instant = local - seconds(*stamp.offset_s);
  auto midnight = floor<days>(instant);
  year_month_day utc(midnight);
  hh_mm_ss time(instant - midnight);
  stamp.year = static_cast<int>(utc.year());
  stamp.month = static_cast<int>(static_cast<unsigned>(utc.month()));
  stamp.day = static_cast<int>(static_cast<unsigned>(utc.day()));
  stamp.clock.hour = static_cast<int>(time.hours().count());
  stamp.clock.minute = static_cast<int>(time.minutes().count());
  stamp.clock.second = static_cast<int>(time.seconds().count());
  if (stamp.year < 0) stamp.span = Stamp::Span::before;
  if (stamp.year > 9999) stamp.span = Stamp::Span::after;
  stamp.offset_s = 0;
  return stamp;
}

// Writes into a buffer of its own, so that a value costs one append.
class Text {
 public:
  void put(char c) { buffer_[size_++] = c; }
  void put(std::string_view text) {
    for (char c : text) put(c);
  }
  void two(int value) {
    put(static_cast<char>('0' + value / 10));
    put(static_cast<char>('0' + value % 10));
  }
  void year(std::int64_t value) {
    two(static_cast<int>(value / 100));
    two(static_cast<int>(value % 100));
  }
  void date(const Stamp& stamp) {
    year(stamp.year);
    put('-');
    two(stamp.month);
    put('-');
    two(stamp.day);
  }
  void clock(const TimeOfDay& clock) {
    two(clock.hour);
    put(':');
    two(clock.minute);
    put(':');
    two(clock.second);
  }
  void fraction(std::string_view digits) {
    if (digits.empty()) return;
    put('.');
    put(digits);
  }
  // Whole minutes.
  void offset(int seconds) {
    if (seconds == 0) return put('Z');
    put(seconds < 0 ? '-' : '+');
    int minutes = std::abs(seconds) / 60;
    two(minutes / 60);
    put(':');
    two(minutes % 60);
  }
  void append_to(std::string& out) const { out.append(buffer_, size_); }

 private:
  char buffer_[64];
  std::size_t size_ = 0;
};

// What stands for dates that RFC 3339 cannot write: too late a year counts as a typing error (§4.3).
std::string_view sentinel_date(Stamp::Span span) {
  return span == Stamp::Span::infinity ? "9999-12-31" : "0000-01-01";
}
std::string_view sentinel_stamp(Stamp::Span span) {
  return span == Stamp::Span::infinity ? "9999-12-31T23:59:59Z" : "0000-01-01T00:00:00Z";
}

// RFC 3339 has no hour 24; the server prints one for times only.
void wrap_midnight(TimeOfDay& clock) {
  if (clock.hour == 24) clock.hour = 0;
}

std::int64_t micros(std::string_view fraction) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 6; ++i) value = value * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  return value;
}

// The two digits at `at`, or -1.
int two_at(const char* at) {
  return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + (at[1] - '0') : -1;
}

// What nearly every timestamp is: `YYYY-MM-DD HH:MM:SS[.ffffff][+00]`. False: read it the long way.
bool append_usual_timestamp(std::string& out, std::string_view text) {
  constexpr std::size_t seconds_end = 19;
  if (text.ends_with("+00")) text.remove_suffix(3);
  if (text.size() < seconds_end || text.size() > seconds_end + 7) return false;
  const char* c = text.data();
  if (c[4] != '-' || c[7] != '-' || c[10] != ' ' || c[13] != ':' || c[16] != ':') return false;
  int month = two_at(c + 5), day = two_at(c + 8), hour = two_at(c + 11), minute = two_at(c + 14),
      second = two_at(c + 17);
  bool fits = two_at(c) >= 0 && two_at(c + 2) >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
              hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 59;
  if (!fits) return false;
  std::string_view fraction = text.substr(seconds_end);
  if (!fraction.empty()) {
    if (fraction[0] != '.' || fraction.back() == '0' || fraction.size() == 1) return false;
    for (char digit : fraction.substr(1))
      if (!is_digit(digit)) return false;
  }
  char buffer[seconds_end + 7 + 1];
  std::memcpy(buffer, c, text.size());
  buffer[10] = 'T';
  buffer[text.size()] = 'Z';
  out.append(buffer, text.size() + 1);
  return true;
}

}  // namespace

void append_date(std::string& out, std::string_view text) {
  Stamp stamp = scan_stamp("date", text);
  if (stamp.span != Stamp::Span::year) {
    out += sentinel_date(stamp.span);
    return;
  }
  Text value;
  value.date(stamp);
  value.append_to(out);
}

void append_timestamp(std::string& out, std::string_view text) {
  if (append_usual_timestamp(out, text)) return;
  Stamp stamp = scan_stamp("timestamp", text);
  // Old local mean times have offsets that RFC 3339 cannot write.
  if (stamp.offset_s && *stamp.offset_s % 60 != 0) stamp = to_utc(stamp);
  if (stamp.span != Stamp::Span::year) {
    out += sentinel_stamp(stamp.span);
    return;
  }
  wrap_midnight(stamp.clock);
  Text value;
  value.date(stamp);
  value.put('T');
  value.clock(stamp.clock);
  value.fraction(stamp.clock.fraction);
  value.offset(stamp.offset_s.value_or(0));
  value.append_to(out);
}

void append_date_as_timestamp(std::string& out, std::string_view text) { append_timestamp(out, text); }

void append_time(std::string& out, std::string_view text) {
  Scanner in("time", text);
  TimeOfDay clock = scan_clock(in);
  int offset = scan_offset(in).value_or(0);
  if (!in.done()) in.fail();
  if (offset % 60 != 0) {
    int second = (clock.hour * 3600 + clock.minute * 60 + clock.second - offset) % 86400;
    if (second < 0) second += 86400;
    clock.hour = second / 3600;
    clock.minute = second / 60 % 60;
    clock.second = second % 60;
    offset = 0;
  }
  wrap_midnight(clock);
  Text value;
  value.clock(clock);
  value.fraction(clock.fraction);
  value.offset(offset);
  value.append_to(out);
}

void append_time_as_integer(std::string& out, std::string_view text) {
  Scanner in("time", text);
  TimeOfDay clock = scan_clock(in);
  if (!in.done()) in.fail();
  std::int64_t seconds = clock.hour * 3600 + clock.minute * 60 + clock.second;
  fmt::format_to(std::back_inserter(out), "{}", seconds * 1'000'000 + micros(clock.fraction));
}

// `[±N years] [±N mons] [±N days] [±HH:MM:SS[.ffffff]]`, as `1 year 2 mons -3 days +04:05:06.7`.
void append_interval(std::string& out, std::string_view text) {
  if (text == "infinity" || text == "-infinity") {
    out += text;
    return;
  }
  Scanner in("interval", text);
  std::int64_t months = 0, days = 0, hours = 0;
  TimeOfDay clock;
  bool negative = false;
  for (bool more = true; more; more = in.accept(' ')) {
    negative = in.peek() == '-';
    if (!in.accept('-')) in.accept('+');
    std::int64_t count = in.number();
    if (in.accept(':')) {
      hours = count;
      clock.minute = in.two();
      in.expect(':');
      clock.second = in.two();
      if (in.accept('.')) clock.fraction = strip_zeros(in.digits());
      break;
    }
    in.expect(' ');
    if (negative) count = -count;
    if (in.accept("year"))
      months += 12 * count;
    else if (in.accept("mon"))
      months += count;
    else if (in.accept("day"))
      days += count;
    else
      in.fail();
    in.accept('s');
  }
  if (!in.done() || clock.fraction.size() > 6) in.fail();
  auto end = std::back_inserter(out);
  bool time = hours != 0 || clock.minute != 0 || clock.second != 0 || !clock.fraction.empty();
  if (months != 0) fmt::format_to(end, "{} mon{}", months, days != 0 || time ? " " : "");
  if (days != 0) fmt::format_to(end, "{} day{}", days, time ? " " : "");
  if (!time) {
    if (months == 0 && days == 0) out += "00:00:00";
    return;
  }
  fmt::format_to(end, "{}{:02}:{:02}:{:02}", negative ? "-" : "", hours, clock.minute, clock.second);
  if (!clock.fraction.empty()) fmt::format_to(end, ".{:06}", micros(clock.fraction));
}

}  // namespace sluice::pg
