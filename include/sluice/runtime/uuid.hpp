#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::runtime {

// One writer of documents: 6 random bytes, the first of them odd.
using Producer = std::array<unsigned char, 6>;
Producer random_producer();

// The identity of a document (runtime.md §7.1).
struct Uuid {
  static constexpr std::uint16_t outside_txn = 0, continue_txn = 1, ack_txn = 2;

  std::uint64_t clock = 0;  // ticks of 100 ns since 1582-10-15T00:00:00Z, << 4, | a counter of 4 bits
  std::uint16_t flags = 0;  // 10 bits
  Producer producer{};
  friend bool operator==(const Uuid&, const Uuid&) = default;
};

inline constexpr std::size_t uuid_length = 36;  // characters
// Stands at /_meta/uuid of captured documents until they are written; overwritten in place.
inline constexpr std::string_view uuid_placeholder = "DocUUIDPlaceholder-329Bb50aa48EAa9ef";
static_assert(uuid_placeholder.size() == uuid_length);

// Writes exactly uuid_length characters.
void write_uuid(const Uuid& uuid, char* out);
// Nothing unless `text` is a version 1 UUID.
std::optional<Uuid> parse_uuid(std::string_view text);

std::uint64_t clock_of_unix(std::int64_t unix_nanoseconds);
std::int64_t unix_of_clock(std::uint64_t clock);
// When a document was published: "2024-08-06T21:46:55.543442808Z", always nine digits.
std::string published_at(std::uint64_t clock);

// The clock of one producer: follows the wall clock where it can and never repeats or goes back.
class ProducerClock {
 public:
  std::uint64_t next(std::int64_t unix_nanoseconds) {
    std::uint64_t wall = clock_of_unix(unix_nanoseconds);
    last_ = wall > last_ ? wall : last_ + 1;
    return last_;
  }

 private:
  std::uint64_t last_ = 0;
};

}  // namespace sluice::runtime
