#include "base/quantity.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

TEST(Quantity, ReadsWell) {
  EXPECT_EQ(human_bytes(0), "0.0 kB");
  EXPECT_EQ(human_bytes(1536), "1.5 kB");
  EXPECT_EQ(human_bytes(999600), "1.0 MB");
  EXPECT_EQ(human_bytes(500000000), "500 MB");
  EXPECT_EQ(human_bytes(5400000000), "5.4 GB");
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(494032768), "494.0 M");
  EXPECT_EQ(human_count(7615616512), "7.6 B");
}

}  // namespace
}  // namespace jiang
