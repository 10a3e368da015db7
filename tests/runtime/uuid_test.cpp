#include "sluice/runtime/uuid.hpp"

#include <gtest/gtest.h>

#include <cctype>

namespace sluice::runtime {
namespace {

std::string text(const Uuid& uuid) {
  std::string out(uuid_length, '?');
  write_uuid(uuid, out.data());
  return out;
}

TEST(UuidVectors, OfTheSpecification) {
  constexpr std::uint64_t clock = 0x1ee833b04afc0000;
  EXPECT_EQ(clock_of_unix(1'700'000'000'000'000'000), clock);
  Producer producer{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(text({clock, Uuid::outside_txn, producer}), "04afc000-833b-11ee-8000-010203040506");
  EXPECT_EQ(text({clock, Uuid::continue_txn, producer}), "04afc000-833b-11ee-8001-010203040506");
  EXPECT_EQ(text({clock + 1, Uuid::continue_txn, producer}), "04afc000-833b-11ee-8401-010203040506");
  EXPECT_EQ(text({clock, Uuid::ack_txn, producer}), "04afc000-833b-11ee-8002-010203040506");
}

TEST(UuidVectors, PublicationTime) {
  auto published = [](std::string_view uuid) { return published_at(parse_uuid(uuid)->clock); };
  EXPECT_EQ(published("66285dbc-543d-11ef-8001-69ef5bf77016"), "2024-08-06T21:46:55.543442800Z");
  EXPECT_EQ(published("66285dbc-543d-11ef-8801-69ef5bf77016"), "2024-08-06T21:46:55.543442808Z");
  EXPECT_EQ(published("85bad119-15f2-11ee-8401-43f05f562888"), "2023-06-28T20:29:46.494594504Z");
}

TEST(Uuid, ReadsWhatItWrites) {
  for (std::uint64_t clock : {0x1ee833b04afc0000ull, 0x1ee833b04afc000full, 0xfffffffffffffff0ull, 0ull}) {
    Uuid uuid{clock, 0x3ff, {255, 0, 128, 1, 2, 254}};
    EXPECT_EQ(parse_uuid(text(uuid)), uuid) << clock;
  }
}

TEST(Uuid, RejectsWhatIsNone) {
  for (std::string_view bad :
       {"", "66285dbc-543d-11ef-8001-69ef5bf7701", "66285dbc-543d-11ef-8001-69ef5bf7701g",
        "66285dbc543d-11ef-8001-69ef5bf770166", "66285dbc-543d-41ef-8001-69ef5bf77016",
        "DocUUIDPlaceholder-329Bb50aa48EAa9ef"})
    EXPECT_EQ(parse_uuid(bad), std::nullopt) << bad;
}

TEST(Uuid, KnowsEveryByteAtEveryPlace) {
  const std::string good = "66285dbc-543d-11ef-8001-69ef5bf77016";
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string one = good;
      one[at] = static_cast<char>(byte);
      bool valid = good[at] == '-' ? byte == '-' : at == 14 ? byte == '1' : std::isxdigit(byte) != 0;
      auto uuid = parse_uuid(one);
      ASSERT_EQ(uuid.has_value(), valid) << at << ' ' << byte;
      // Two bits of the variant are not kept.
      if (!valid || at == 19) continue;
      one[at] = static_cast<char>(std::tolower(byte));
      EXPECT_EQ(text(*uuid), one);
    }
}

TEST(ProducerClockTest, NeverRepeatsOrGoesBack) {
  ProducerClock clock;
  std::int64_t now = 1'700'000'000'000'000'000;
  std::uint64_t first = clock.next(now);
  EXPECT_EQ(clock.next(now), first + 1);
  EXPECT_EQ(clock.next(now - 5'000'000'000), first + 2);
  std::uint64_t last = first + 2;
  for (int i = 0; i < 40; ++i) last = clock.next(now);  // the counter carries into the ticks
  EXPECT_EQ(last, first + 42);
  EXPECT_EQ(clock.next(now + 1'000'000'000), clock_of_unix(now + 1'000'000'000));
}

TEST(ProducerTest, IsAMulticastAddress) { EXPECT_EQ(random_producer()[0] & 1, 1); }

}  // namespace
}  // namespace sluice::runtime
