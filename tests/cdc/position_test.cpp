#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "sluice/base/error.hpp"
#include "sluice/base/text.hpp"
#include "sluice/cdc/position.hpp"

namespace {

using namespace sluice;
namespace position = sluice::cdc::position;

template <class T>
std::string packed(T value) {
  std::string out;
  position::put(out, value);
  return out;
}

TEST(Position, MatchesPublishedVectors) {
  std::string out;
  position::put_string(out, "B");
  position::put(out, std::int64_t(4));
  EXPECT_EQ(text::hex(out), "0242001504");
  EXPECT_EQ(text::base64(out), "AkIAFQQ=");
  EXPECT_EQ(text::hex(packed(std::int64_t(1000))), "1603e8");
  EXPECT_EQ(text::hex(packed(std::int64_t(0))), "14");
  EXPECT_EQ(text::hex(packed(std::int64_t(-1))), "13fe");
  EXPECT_EQ(text::hex(packed(std::int64_t(-256))), "12feff");
  EXPECT_EQ(text::hex(packed(std::numeric_limits<std::int64_t>::max())), "1c7fffffffffffffff");
  EXPECT_EQ(text::hex(packed(std::numeric_limits<std::int64_t>::min())), "0c7fffffffffffffff");
  EXPECT_EQ(text::hex(packed(-1.5)), "214007ffffffffffff");
  EXPECT_EQ(text::hex(packed(1.3)), "21bff4cccccccccccd");
  EXPECT_EQ(packed(-0.0), packed(0.0));
  EXPECT_EQ(text::hex(packed(true)) + text::hex(packed(false)), "2726");
}

TEST(Position, ElementsRoundTrip) {
  std::string inner, out;
  position::put(inner, std::int64_t(20001));
  position::put_string(inner, "314");
  position::put_null(out);
  position::put(out, std::int64_t(-300));
  position::put(out, -2.5f);
  position::put(out, 1e300);
  position::put_string(out, std::string_view("a\0b", 3));
  position::put_bytes(out, std::string_view("\0\xFF", 2));
  position::put_tuple(out, inner);
  position::put(out, true);
  auto elements = position::read(out);
  ASSERT_EQ(elements.size(), 8u);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(elements[0].value));
  EXPECT_EQ(std::get<std::int64_t>(elements[1].value), -300);
  EXPECT_EQ(std::get<float>(elements[2].value), -2.5f);
  EXPECT_EQ(std::get<double>(elements[3].value), 1e300);
  EXPECT_EQ(std::get<std::string>(elements[4].value), std::string("a\0b", 3));
  EXPECT_EQ(std::get<position::Bytes>(elements[5].value).bytes, std::string("\0\xFF", 2));
  const auto& tuple = std::get<position::Tuple>(elements[6].value);
  ASSERT_EQ(tuple.elements.size(), 2u);
  EXPECT_EQ(std::get<std::int64_t>(tuple.elements[0].value), 20001);
  EXPECT_EQ(std::get<std::string>(tuple.elements[1].value), "314");
  EXPECT_TRUE(std::get<bool>(elements[7].value));
}

TEST(Position, BytewiseOrderIsValueOrder) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    auto a = static_cast<std::int64_t>(random()) >> (random() % 63);
    auto b = static_cast<std::int64_t>(random()) >> (random() % 63);
    ASSERT_EQ(a < b, packed(a) < packed(b)) << a << " " << b;
    ASSERT_EQ(std::get<std::int64_t>(position::read(packed(a))[0].value), a);
    double x = std::ldexp(static_cast<double>(a), static_cast<int>(random() % 600) - 300);
    double y = std::ldexp(static_cast<double>(b), static_cast<int>(random() % 600) - 300);
    ASSERT_EQ(x < y, packed(x) < packed(y)) << x << " " << y;
  }
  double inf = std::numeric_limits<double>::infinity();
  EXPECT_LT(packed(-inf), packed(-1e308));
  EXPECT_LT(packed(1e308), packed(inf));
  EXPECT_LT(packed(inf), packed(std::numeric_limits<double>::quiet_NaN()));
}

TEST(Position, DamagedOnesAreRefused) {
  for (const char* hex :
       {"15", "02", "0261", "05", "0515", "ff", "21ffff", "03", "1cffffffffffffffff", "2022"})
    EXPECT_THROW(position::read(*text::unhex(hex)), Error) << hex;
}

}  // namespace
