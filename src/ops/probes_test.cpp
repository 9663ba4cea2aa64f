#include "ops/probes.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

TEST(Probes, MeasureSomething) {
  ThreadPool pool(2);
  EXPECT_GT(measure_read_gb_per_s(pool), 0.01);
  EXPECT_GT(measure_dot_gop_per_s(pool), 0.1);
}

}  // namespace
}  // namespace jiang
