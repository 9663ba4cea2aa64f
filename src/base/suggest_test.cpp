#include "base/suggest.h"

#include <gtest/gtest.h>

#include <vector>

namespace jiang {
namespace {

TEST(Suggest, FindsASlipButNotAnotherWord) {
  const std::vector<std::string> names = {"temperature", "top_p", "run", "show"};
  EXPECT_EQ(suggest("temprature", names), "temperature");
  EXPECT_EQ(suggest("rnu", names), "run");
  EXPECT_EQ(suggest("shwo", names), "show");
  EXPECT_EQ(suggest("banana", names), std::nullopt);
  EXPECT_EQ(suggest("", names), std::nullopt);
}

}  // namespace
}  // namespace jiang
