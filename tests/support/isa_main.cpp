// main of the test programs that ctest runs at several levels of JIANG_ISA: a level that this CPU
// lacks is skipped.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "kernels/table.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const char* error = jiang::kernels::isa_error()) {
    constexpr int kSkipped = 77;  // jiang_test_entry in cmake/JiangLibrary.cmake
    const bool is_missing = std::strstr(error, "this CPU") != nullptr;
    std::fprintf(stderr, "%s%s\n", is_missing ? "skipped: " : "", error);
    return is_missing ? kSkipped : 1;
  }
  return RUN_ALL_TESTS();
}
