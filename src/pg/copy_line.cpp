#include <bit>
#include <cstring>

#include "sluice/pg/types.hpp"

namespace sluice::pg {
namespace {

constexpr std::uint64_t every = 0x0101010101010101, high = every * 0x80;

// The lowest bit set belongs to the first byte that is `c`; those above may be wrong.
std::uint64_t equal(std::uint64_t word, unsigned char c) {
  std::uint64_t difference = word ^ (every * c);
  return (difference - every) & ~difference & high;
}

// The next tab or backslash, eight bytes at a time.
char* find_mark(char* at, char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    for (; end - at >= 8; at += 8) {
      std::uint64_t word;
      std::memcpy(&word, at, 8);
      if (std::uint64_t found = equal(word, '\t') | equal(word, '\\'))
        return at + std::countr_zero(found) / 8;
    }
  }
  while (at != end && *at != '\t' && *at != '\\') ++at;
  return at;
}

int digit(char c, int base) {
  int value = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
  return value < base ? value : -1;
}

// Up to `most` digits; `at` moves past them.
char number(char*& at, char* end, int base, int most) {
  int value = 0;
  for (; most > 0 && at != end; --most, ++at) {
    int next = digit(*at, base);
    if (next < 0) break;
    value = value * base + next;
  }
  return static_cast<char>(value);
}

// The character that the escape after a backslash stands for. `at` moves past it.
char unescape(char*& at, char* end) {
  char c = *at;
  if (digit(c, 8) >= 0) return number(at, end, 8, 3);
  ++at;
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case 'x':
      return at != end && digit(*at, 16) >= 0 ? number(at, end, 16, 2) : c;
    default:
      return c;
  }
}

// Undoes escapes from the backslash at `at` to the end of the field, moving text left. Returns the new end of
// the text; `at` moves to the tab or the end of the line.
char* undo_escapes(char*& at, char* end) {
  char* to = at;
  while (at != end && *at != '\t') {
    if (*at == '\\') {
      if (++at == end) {
        *to++ = '\\';
        break;
      }
      char c = unescape(at, end);
      *to++ = c;
      continue;
    }
    char* mark = find_mark(at, end);
    auto length = mark - at;
    std::memmove(to, at, static_cast<std::size_t>(length));
    to += length;
    at = mark;
  }
  return to;
}

}  // namespace

std::size_t split_copy_line(char* line, std::size_t length, Field* fields, std::size_t capacity) {
  char* end = line + length;
  if (length > 0 && end[-1] == '\n') --end;
  std::size_t count = 0;
  for (char* at = line;; ++at) {
    char* start = at;
    Field field;
    field.state = Field::State::text;
    at = find_mark(at, end);
    char* stop = at;
    if (at != end && *at == '\\') {
      bool null = at == start && end - at >= 2 && at[1] == 'N' && (end - at == 2 || at[2] == '\t');
      if (null) {
        field.state = Field::State::null;
        at += 2;
        stop = start;
      } else {
        stop = undo_escapes(at, end);
      }
    }
    field.text = {start, static_cast<std::size_t>(stop - start)};
    if (count < capacity) fields[count] = field;
    ++count;
    if (at == end) return count;
  }
}

}  // namespace sluice::pg
