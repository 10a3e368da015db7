#include "sluice/base/error.hpp"

#include <gtest/gtest.h>

#include "sluice/base/bytes.hpp"
#include "sluice/base/secret.hpp"

#include <fmt/format.h>

namespace sluice {
namespace {

TEST(Error, ContextIsReadOutsideIn) {
  Error e(Error::Kind::transient, "connection lost");
  e.add("scanning").add("backfilling public.orders");
  EXPECT_STREQ(e.what(), "backfilling public.orders: scanning: connection lost");
  EXPECT_EQ(e.kind(), Error::Kind::transient);
}

TEST(Error, HintFollowsTheMessage) {
  Error e(Error::Kind::config, "slot 'sluice' does not exist", "Create it.");
  e.set_sqlstate("42704");
  EXPECT_STREQ(e.what(), "slot 'sluice' does not exist. Create it.");
  EXPECT_EQ(e.sqlstate(), "42704");
}

TEST(Error, FailedCheckIsABug) {
  try {
    SLUICE_CHECK(1 + 1 == 3);
    FAIL() << "not thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Error::Kind::bug);
    EXPECT_NE(e.message().find("1 + 1 == 3"), std::string::npos);
  }
}

TEST(Secret, PrintsStarsOnly) {
  Secret password("hunter2");
  EXPECT_EQ(fmt::format("{}", password), "***");
  EXPECT_EQ(password.reveal(), "hunter2");
}

TEST(Bytes, LiteralsAreBinaryUnits) { EXPECT_EQ(8_MiB, 8u * 1024 * 1024); }

}  // namespace
}  // namespace sluice
