#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace jiang {
namespace {

Result<int> half(int n) {
  if (n % 2) return fail(ErrorKind::invalid_argument, "{} is odd", n);
  return n / 2;
}

Result<int> quarter(int n) {
  TRY(const int h, half(n));
  return half(h);
}

Status check_even(int n) {
  TRY_STATUS(half(n));
  return ok();
}

TEST(Result, TryPassesTheValueOn) { EXPECT_EQ(quarter(12).value(), 3); }

TEST(Result, TryReturnsTheFirstError) {
  EXPECT_EQ(quarter(6).error().message, "3 is odd");
  EXPECT_EQ(quarter(6).error().kind, ErrorKind::invalid_argument);
  EXPECT_FALSE(check_even(1));
  EXPECT_TRUE(check_even(2));
}

TEST(Result, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 5);
}

TEST(Result, ReadingTheValueOfAnErrorIsABug) { EXPECT_THROW((void)half(1).value(), BugError); }

}  // namespace
}  // namespace jiang
