#include "sluice/runtime/uuid.hpp"

#include <algorithm>
#include <limits>
#include <random>

#include "sluice/base/text.hpp"

namespace sluice::runtime {
namespace {

// 100 ns ticks between 1582-10-15 and 1970-01-01.
constexpr std::uint64_t unix_epoch_ticks = 122'192'928'000'000'000;
constexpr std::int64_t nanoseconds_per_count = 4;

char* write_hex(char* out, std::uint64_t value, int digits) {
  constexpr char digit[] = "0123456789abcdef";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) *out++ = digit[(value >> shift) & 15];
  return out;
}

struct HexTable {
  constexpr HexTable() {
    values.fill(-1);
    for (int i = 0; i < 10; ++i) values[static_cast<std::size_t>('0' + i)] = static_cast<signed char>(i);
    for (int i = 0; i < 6; ++i) {
      values[static_cast<std::size_t>('a' + i)] = static_cast<signed char>(10 + i);
      values[static_cast<std::size_t>('A' + i)] = static_cast<signed char>(10 + i);
    }
  }
  std::array<signed char, 256> values{};
};
constexpr HexTable hex_table;

// Negative if one of the digits is none.
template <int digits>
std::int64_t read_hex(const char* text) {
  std::int64_t value = 0;
  int all = 0;
#pragma GCC unroll 12
  for (int i = 0; i < digits; ++i) {
    int digit = hex_table.values[static_cast<unsigned char>(text[i])];
    all |= digit;
    value = value << 4 | (digit & 15);
  }
  return all < 0 ? -1 : value;
}

}  // namespace

Producer random_producer() {
  std::random_device random;
  Producer producer;
  for (unsigned char& byte : producer) byte = static_cast<unsigned char>(random());
  producer[0] |= 1;  // the multicast bit: never the address of a network card
  return producer;
}

void write_uuid(const Uuid& uuid, char* out) {
  out = write_hex(out, uuid.clock >> 4 & 0xffffffff, 8);
  *out++ = '-';
  out = write_hex(out, uuid.clock >> 36 & 0xffff, 4);
  *out++ = '-';
  out = write_hex(out, uuid.clock >> 52 | 0x1000, 4);
  *out++ = '-';
  out = write_hex(out, 0x8000u | (uuid.clock & 15) << 10 | (uuid.flags & 0x3ffu), 4);
  *out++ = '-';
  for (unsigned char byte : uuid.producer) out = write_hex(out, byte, 2);
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != uuid_length) return std::nullopt;
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return std::nullopt;
  std::int64_t low = read_hex<8>(text.data()), middle = read_hex<4>(text.data() + 9);
  std::int64_t high = read_hex<4>(text.data() + 14), sequence = read_hex<4>(text.data() + 19);
  std::int64_t node = read_hex<12>(text.data() + 24);
  if ((low | middle | high | sequence | node) < 0 || high >> 12 != 1) return std::nullopt;
  Uuid uuid;
  uuid.clock = static_cast<std::uint64_t>(high & 0xfff) << 52 | static_cast<std::uint64_t>(middle) << 36 |
               static_cast<std::uint64_t>(low) << 4 | static_cast<std::uint64_t>(sequence >> 10 & 15);
  uuid.flags = static_cast<std::uint16_t>(sequence & 0x3ff);
  for (std::size_t i = uuid.producer.size(); i-- > 0; node >>= 8)
    uuid.producer[i] = static_cast<unsigned char>(node & 0xff);
  return uuid;
}

std::uint64_t clock_of_unix(std::int64_t unix_nanoseconds) {
  return (static_cast<std::uint64_t>(unix_nanoseconds / 100) + unix_epoch_ticks) << 4;
}

std::int64_t unix_of_clock(std::uint64_t clock) {
  // Nanoseconds in 64 bits reach from 1677 to 2262, clocks from 1582 to 5236. A day less, so that it can be
  // taken off again.
  constexpr std::int64_t ticks_a_day = 864'000'000'000;
  constexpr std::int64_t most_ticks = std::numeric_limits<std::int64_t>::max() / 100 - ticks_a_day;
  std::int64_t ticks = static_cast<std::int64_t>((clock >> 4) - unix_epoch_ticks);
  ticks = std::clamp(ticks, -most_ticks, most_ticks);
  return ticks * 100 + static_cast<std::int64_t>(clock & 15) * nanoseconds_per_count;
}

std::string published_at(std::uint64_t clock) { return text::rfc3339(unix_of_clock(clock), 9); }

}  // namespace sluice::runtime
