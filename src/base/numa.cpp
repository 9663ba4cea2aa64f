#include "base/numa.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <fstream>

namespace jiang {
namespace {

// "0-3,8": whether one of these CPUs is in `allowed`.
bool has_allowed_cpu(const std::string& list, const cpu_set_t& allowed) {
  const char* at = list.c_str();
  while (*at >= '0' && *at <= '9') {
    char* end = nullptr;
    const unsigned long first = std::strtoul(at, &end, 10);
    unsigned long last = first;
    if (*end == '-') last = std::strtoul(end + 1, &end, 10);
    for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) return true;
    }
    at = *end == ',' ? end + 1 : end;
  }
  return false;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

uint64_t numa_nodes(const std::string& root) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  // Nodes of memory alone (CXL, HBM in flat mode) have an empty list of CPUs and are left out:
  // theirs is slower, or scarce.
  uint64_t nodes = 0;
  for (int node = 0; node < 64; ++node) {
    const std::string cpus = first_line(root + "/node" + std::to_string(node) + "/cpulist");
    if (has_allowed_cpu(cpus, allowed)) nodes |= uint64_t{1} << node;
  }
  return nodes == 0 ? 1 : nodes;
}

bool interleave_over(uint64_t nodes, void* memory, size_t bytes) {
#if defined(SYS_mbind)
  constexpr int kInterleave = 3;           // MPOL_INTERLEAVE of linux/mempolicy.h
  constexpr unsigned long kBits = 64 + 1;  // the kernel takes one off
  return ::syscall(SYS_mbind, memory, bytes, kInterleave, &nodes, kBits, 0) == 0;
#else
  return false;
#endif
}

void spread_over_nodes(void* memory, size_t bytes) {
  static const uint64_t nodes = numa_nodes();
  if (std::popcount(nodes) > 1) interleave_over(nodes, memory, bytes);
}

}  // namespace jiang
