#include "cli/command.h"

#include <cstdio>

namespace jiang {

int run_jiang(int, char**) {
  std::fputs("jiang: no commands yet\n", stderr);
  return 2;
}

}  // namespace jiang
