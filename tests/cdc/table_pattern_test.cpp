#include <gtest/gtest.h>

#include "sluice/base/error.hpp"
#include "sluice/cdc/table_pattern.hpp"

namespace {

using namespace sluice;
using cdc::TablePattern;

struct Case {
  const char* pattern;
  const char* schema;
  const char* table;
  bool matches;
};

class Matching : public testing::TestWithParam<Case> {};

TEST_P(Matching, IsAnchoredAndByCase) {
  const Case& c = GetParam();
  EXPECT_EQ(TablePattern(c.pattern).matches({c.schema, c.table}), c.matches)
      << c.pattern << " on " << c.schema << "." << c.table;
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, Matching,
    testing::Values(
        Case{"orders", "public", "orders", true}, Case{"orders", "other", "orders", true},
        Case{"orders", "public", "orders2", false}, Case{"orders", "public", "xorders", false},
        Case{"orders", "public", "Orders", false}, Case{"order*", "public", "orders", true},
        Case{"order*", "public", "order", true}, Case{"*", "public", "", true},
        Case{"*", "s", "anything", true}, Case{"*s", "public", "orders", true},
        Case{"*d*", "public", "orders", true}, Case{"*x*", "public", "orders", false},
        Case{"o*r*s", "public", "orders", true}, Case{"o*z*s", "public", "orders", false},
        Case{"order?", "public", "orders", true}, Case{"order?", "public", "order", false},
        Case{"order?", "public", "orderss", false}, Case{"gr?sse", "public", "grösse", true},
        Case{"gr??sse", "public", "grösse", false}, Case{"?", "public", "ö", true},
        Case{"**", "public", "a", true}, Case{"a**b", "public", "ab", true},
        Case{"*aab", "public", "aaaab", true}, Case{"*aab", "public", "aaaaba", false},
        Case{"public.orders", "public", "orders", true}, Case{"public.orders", "other", "orders", false},
        Case{"public.*", "public", "orders", true}, Case{"public.*", "publicx", "orders", false},
        Case{"*.orders", "any", "orders", true}, Case{"*.orders", "any", "other", false},
        Case{"p?blic.o*", "public", "orders", true}, Case{"tenant_*.events", "tenant_7", "events", true},
        Case{"tenant_*.events", "tenant_", "events", true},
        Case{"tenant_*.events", "tenant", "events", false}, Case{"a\\*b", "s", "a*b", true},
        Case{"a\\*b", "s", "axb", false}, Case{"a\\?b", "s", "a?b", true}, Case{"a\\?b", "s", "axb", false},
        Case{"a\\.b", "s", "a.b", true}, Case{"a\\.b", "a", "b", false}, Case{"s\\.x.t", "s.x", "t", true},
        Case{"s\\.x.t", "s", "x.t", false}, Case{"\\\\", "s", "\\", true}, Case{"\\a", "s", "a", true},
        Case{"*.*", "s", "t", true}));

TEST(TablePattern, RefusesMalformedOnesByName) {
  for (auto [pattern, cause] :
       {std::pair{"", "it is empty"}, std::pair{".t", "schema part is empty"},
        std::pair{"s.", "table part is empty"}, std::pair{"a.b.c", "more than one"},
        std::pair{"a\\", "ends in a backslash"}, std::pair{".", "schema part is empty"}}) {
    try {
      TablePattern parsed(pattern);
      FAIL() << pattern << " was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::config);
      EXPECT_NE(e.message().find(cause), std::string::npos) << e.message();
      EXPECT_NE(e.message().find('"' + std::string(pattern) + '"'), std::string::npos) << e.message();
    }
  }
}

}  // namespace
