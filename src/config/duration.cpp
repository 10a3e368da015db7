#include "sluice/config/duration.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"

namespace sluice::config {
namespace {

__extension__ typedef __int128 Wide;
constexpr Wide limit = INT64_MAX;

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
// Longer names before their prefixes.
constexpr std::array<Unit, 8> units{{{"ns", 1},
                                     {"us", 1'000},
                                     {"µs", 1'000},
                                     {"μs", 1'000},
                                     {"ms", 1'000'000},
                                     {"s", 1'000'000'000},
                                     {"m", 60'000'000'000},
                                     {"h", 3'600'000'000'000}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes "12.5" off the front and scales it by `unit` once that is known; digits beyond the ninth decimal of
// the fraction are below a nanosecond for every unit but hours and minutes, so 15 are kept.
struct Decimal {
  Wide whole = 0, fraction = 0, scale = 1;
};

std::optional<Decimal> take_decimal(std::string_view& text) {
  Decimal d;
  std::size_t digits = 0;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), ++digits)
    if ((d.whole = d.whole * 10 + (text.front() - '0')) > limit) return std::nullopt;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), ++digits) {
      if (d.scale >= 1'000'000'000'000'000) continue;
      d.fraction = d.fraction * 10 + (text.front() - '0');
      d.scale *= 10;
    }
  }
  if (digits == 0) return std::nullopt;
  return d;
}

std::optional<std::int64_t> take_unit(std::string_view& text) {
  for (const Unit& unit : units)
    if (text.substr(0, unit.name.size()) == unit.name) {
      text.remove_prefix(unit.name.size());
      return unit.nanoseconds;
    }
  return std::nullopt;
}

std::optional<std::int64_t> parse(std::string_view text) {
  bool negative = !text.empty() && text.front() == '-';
  if (negative || (!text.empty() && text.front() == '+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  Wide total = 0;
  while (!text.empty()) {
    auto number = take_decimal(text);
    if (!number) return std::nullopt;
    auto unit = take_unit(text);
    if (!unit) return std::nullopt;
    total += number->whole * *unit + number->fraction * *unit / number->scale;
    if (total > limit) return std::nullopt;
  }
  return static_cast<std::int64_t>(negative ? -total : total);
}

}  // namespace

std::chrono::nanoseconds parse_duration(std::string_view text, std::chrono::nanoseconds unit) {
  auto value = parse(text);
  if (!value)
    throw Error(Error::Kind::config,
                fmt::format("\"{}\" is not a duration such as \"1h30m\", \"15s\" or \"500ms\"",
                            text::cut_utf8(text, 80)));
  if (*value % unit.count() != 0)
    throw Error(Error::Kind::config,
                fmt::format("\"{}\" is not a multiple of {}", text, write_duration(unit)));
  return std::chrono::nanoseconds(*value);
}

std::string write_duration(std::chrono::nanoseconds value) {
  if (value.count() == 0) return "0s";
  std::string out = value.count() < 0 ? "-" : "";
  Wide rest = value.count() < 0 ? -Wide(value.count()) : Wide(value.count());
  for (const Unit& unit : {units[7], units[6], units[5], units[4], units[1], units[0]}) {
    auto count = static_cast<std::uint64_t>(rest / unit.nanoseconds);
    if (count > 0) out += fmt::format("{}{}", count, unit.name);
    rest %= unit.nanoseconds;
  }
  return out;
}

}  // namespace sluice::config
