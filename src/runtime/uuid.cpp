#include "sluice/runtime/uuid.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <random>

#include "sluice/base/text.hpp"

namespace sluice::runtime {
namespace {

// 100 ns ticks between 1582-10-15 and 1970-01-01.
constexpr std::uint64_t unix_epoch_ticks = 122'192'928'000'000'000;
constexpr std::int64_t nanoseconds_per_count = 4;

constexpr std::uint64_t each(unsigned char byte) { return byte * std::uint64_t{0x0101'0101'0101'0101}; }

// Text in registers: its first character in the lowest byte.
std::uint64_t load(const char* text, std::size_t n) {
  std::uint64_t word = 0;
  std::memcpy(&word, text, n);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}
void store(char* text, std::uint64_t word, std::size_t n) {
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  std::memcpy(text, &word, n);
}

// Eight hexadecimal digits at once. Sets bits of `bad` if one of them is none.
std::uint32_t read_hex(std::uint64_t digits, std::uint64_t& bad) {
  // Added to a byte below 0x80 its highest bit says whether that was at least `least`.
  auto at_least = [](std::uint64_t bytes, unsigned char least) {
    return bytes + each(static_cast<unsigned char>(0x80 - least));
  };
  std::uint64_t lower = digits | each(0x20);
  std::uint64_t decimal = at_least(digits, '0') & ~at_least(digits, '9' + 1);
  std::uint64_t letter = at_least(lower, 'a') & ~at_least(lower, 'f' + 1);
  bad |= (digits | ~(decimal | letter)) & each(0x80);
  std::uint64_t v = (digits & each(0x0f)) + 9 * (digits >> 6 & each(1));
  v = (v << 4 | v >> 8) & 0x00ff'00ff'00ff'00ff;
  v = (v << 8 | v >> 16) & 0x0000'ffff'0000'ffff;
  return static_cast<std::uint32_t>(v << 16 | v >> 32);
}
std::uint64_t write_hex(std::uint32_t value) {
  std::uint64_t v = value;
  v = (v >> 16 | v << 32) & 0x0000'ffff'0000'ffff;
  v = (v >> 8 | v << 16) & 0x00ff'00ff'00ff'00ff;
  v = (v >> 4 | v << 8) & each(0x0f);
  return v + each('0') + ('a' - '0' - 10) * ((v + each(6)) >> 4 & each(1));
}

unsigned char byte(std::uint32_t word, int shift) { return static_cast<unsigned char>(word >> shift); }

}  // namespace

Producer random_producer() {
  std::random_device random;
  Producer producer;
  for (unsigned char& byte : producer) byte = static_cast<unsigned char>(random());
  producer[0] |= 1;  // the multicast bit: never the address of a network card
  return producer;
}

void write_uuid(const Uuid& uuid, char* out) {
  const Producer& node = uuid.producer;
  auto low = static_cast<std::uint32_t>(uuid.clock >> 4);
  auto middle = static_cast<std::uint32_t>(uuid.clock >> 36 & 0xffff);
  auto high = static_cast<std::uint32_t>(uuid.clock >> 52 | 0x1000);
  auto sequence = static_cast<std::uint32_t>(0x8000u | (uuid.clock & 15) << 10 | (uuid.flags & 0x3ffu));
  std::uint64_t times = write_hex(middle << 16 | high),
                nodes = write_hex(sequence << 16 | node[0] << 8u | node[1]);
  store(out, write_hex(low), 8);
  store(out + 9, times, 4);
  store(out + 14, times >> 32, 4);
  store(out + 19, nodes, 4);
  store(out + 24, nodes >> 32, 4);
  store(out + 28, write_hex(std::uint32_t{node[2]} << 24 | node[3] << 16u | node[4] << 8u | node[5]), 8);
  for (std::size_t at : {8, 13, 18, 23}) out[at] = '-';
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != uuid_length) return std::nullopt;
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return std::nullopt;
  const char* p = text.data();
  std::uint64_t bad = 0;
  std::uint32_t low = read_hex(load(p, 8), bad);
  std::uint32_t times = read_hex(load(p + 9, 4) | load(p + 14, 4) << 32, bad);
  std::uint32_t nodes = read_hex(load(p + 19, 4) | load(p + 24, 4) << 32, bad);
  std::uint32_t rest = read_hex(load(p + 28, 8), bad);
  if (bad != 0 || (times >> 12 & 15) != 1) return std::nullopt;
  Uuid uuid;
  uuid.clock = std::uint64_t{times & 0xfff} << 52 | std::uint64_t{times >> 16} << 36 |
               std::uint64_t{low} << 4 | (nodes >> 26 & 15);
  uuid.flags = static_cast<std::uint16_t>(nodes >> 16 & 0x3ff);
  uuid.producer = {byte(nodes, 8), byte(nodes, 0), byte(rest, 24),
                   byte(rest, 16), byte(rest, 8),  byte(rest, 0)};
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
