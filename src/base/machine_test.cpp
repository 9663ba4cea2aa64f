#include "base/machine.h"

#include <gtest/gtest.h>
#include <time.h>

namespace jiang {
namespace {

TEST(Machine, TheAgeOfTheProcessGrowsAndIsNotThatOfTheMachine) {
  const double age = process_age_seconds();
  timespec boot{};
  ASSERT_EQ(::clock_gettime(CLOCK_BOOTTIME, &boot), 0);
  EXPECT_GE(age, 0);
  EXPECT_LT(age, static_cast<double>(boot.tv_sec));
  EXPECT_GE(process_age_seconds(), age);
}

}  // namespace
}  // namespace jiang
