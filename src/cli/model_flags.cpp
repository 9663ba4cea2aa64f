#include "cli/model_flags.h"

#include "base/machine.h"

namespace jiang {

void ModelFlags::add_threads_to(Options& options) {
  options.number(threads, "-t,--threads", Range<int32_t>{1, 1024},
                 "compute threads (default: physical cores within the cgroup's quota)");
}

void ModelFlags::add_to(Options& options) {
  options.number(context, "-c,--ctx", Range<int32_t>{1, 1 << 30},
                 "context in tokens (default: the trained one, at most 8192)");
  add_threads_to(options);
}

int thread_count(int32_t wanted) {
  return wanted > 0 ? wanted : default_thread_count(inspect_machine());
}

}  // namespace jiang
