#include <charconv>
#include <limits>

#include "sluice/runtime/catalog.hpp"

namespace sluice::runtime {
namespace {

using std::chrono::nanoseconds;

struct Unit {
  std::string_view names;  // separated by spaces, the short one first
  std::int64_t nanoseconds;
};
constexpr std::int64_t second = 1'000'000'000;
constexpr Unit units[] = {
    {"y yr yrs year years", 31'557'600 * second},
    {"M month months", 2'630'016 * second},
    {"w wk week weeks", 604'800 * second},
    {"d day days", 86'400 * second},
    {"h hr hrs hour hours", 3'600 * second},
    {"m min mins minute minutes", 60 * second},
    {"s sec secs second seconds", second},
    {"ms msec millis", 1'000'000},
    {"us usec micros", 1'000},
    {"ns nsec nanos", 1},
};

const Unit* find_unit(std::string_view name) {
  for (const Unit& unit : units)
    for (std::size_t at = 0; at < unit.names.size();) {
      std::size_t end = std::min(unit.names.find(' ', at), unit.names.size());
      if (unit.names.substr(at, end - at) == name) return &unit;
      at = end + 1;
    }
  return nullptr;
}

}  // namespace

std::optional<nanoseconds> parse_duration(std::string_view text) {
  std::int64_t total = 0;
  bool any = false;
  while (!text.empty()) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || n < 0) return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    std::size_t letters = 0;
    while (letters < text.size() && std::isalpha(static_cast<unsigned char>(text[letters]))) ++letters;
    const Unit* unit = find_unit(text.substr(0, letters));
    if (!unit || letters == 0) return {};
    text.remove_prefix(letters);
    if (__builtin_mul_overflow(n, unit->nanoseconds, &n) || __builtin_add_overflow(total, n, &total))
      return {};
    any = true;
  }
  if (!any) return {};
  return nanoseconds(total);
}

std::string duration_text(nanoseconds duration) {
  std::string out;
  std::int64_t left = duration.count();
  for (const Unit& unit : units) {
    // Years and months have no exact length, so they are not written.
    if (unit.nanoseconds > 604'800 * second || left < unit.nanoseconds) continue;
    out.append(out.empty() ? "" : " ").append(std::to_string(left / unit.nanoseconds));
    out.append(unit.names.substr(0, unit.names.find(' ')));
    left %= unit.nanoseconds;
  }
  return out.empty() ? "0s" : out;
}

std::optional<protocol::Timestamp> parse_timestamp(std::string_view text) {
  std::size_t at = 0;
  auto number = [&](std::size_t digits) -> int {
    if (text.size() - at < digits) return -1;
    int value = 0;
    for (std::size_t end = at + digits; at < end; ++at) {
      if (text[at] < '0' || text[at] > '9') return -1;
      value = value * 10 + (text[at] - '0');
    }
    return value;
  };
  auto take = [&](std::string_view set) {
    bool ok = at < text.size() && set.find(text[at]) != set.npos;
    at += ok;
    return ok;
  };
  int year = number(4);
  if (year < 0 || !take("-")) return {};
  int month = number(2);
  if (month < 0 || !take("-")) return {};
  int day = number(2);
  if (day < 0 || !take("Tt ")) return {};
  std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day)));
  int hour = number(2);
  if (hour < 0 || hour > 23 || !take(":")) return {};
  int minute = number(2);
  if (minute < 0 || minute > 59 || !take(":")) return {};
  int seconds = number(2);
  if (seconds < 0 || seconds > 59 || !date.ok()) return {};
  std::int32_t nanos = 0;
  if (take(".")) {
    std::int32_t scale = 100'000'000;
    std::size_t first = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
      nanos += (text[at] - '0') * scale;
    if (at == first) return {};
  }
  int offset = 0;
  if (!take("Zz")) {
    bool west = at < text.size() && text[at] == '-';
    if (!take("+-")) return {};
    int hours = number(2);
    if (hours < 0 || hours > 23 || !take(":")) return {};
    int minutes = number(2);
    if (minutes < 0 || minutes > 59) return {};
    offset = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
  }
  if (at != text.size()) return {};
  std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return protocol::Timestamp{days * 86'400 + hour * 3600 + minute * 60 + seconds - offset, nanos};
}

}  // namespace sluice::runtime
