#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <source_location>

#include "sluice/async/loop.hpp"
#include "sluice/async/task.hpp"
#include "sluice/base/error.hpp"

namespace sluice::testing {

// Drives a loop until `body(loop)` has ended and fails the test on what is still running or has thrown.
template <class Body>
void run(Body body) {
  Loop loop;
  try {
    loop.run(body(loop));
  } catch (const std::exception& e) {
    ADD_FAILURE() << "escaped: " << e.what();
  }
  EXPECT_EQ(loop.drain(), 0u) << "handlers were still waiting when the test had ended";
}

// What ASSERT_* would be, for coroutines: throws.
inline void require(bool holds, std::source_location where = std::source_location::current()) {
  if (!holds)
    throw Error(Error::Kind::bug, "requirement failed at line " + std::to_string(where.line()), {}, where);
}

}  // namespace sluice::testing
