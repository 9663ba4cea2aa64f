// The flags of every command that loads a model, and what they mean on this machine.
#pragma once

#include <cstdint>
#include <string>

#include "cli/options.h"

namespace jiang {

struct ModelFlags {
  std::string model;
  int32_t threads = 0;  // 0: one per physical core within the cgroup's quota
  int32_t context = 0;  // 0: min(trained, 8192)

  void add_to(Options& options);          // -t, -c
  void add_threads_to(Options& options);  // -t alone
};

// `wanted`, or the machine's default for 0.
int thread_count(int32_t wanted);

}  // namespace jiang
