// What this process may use of the machine: cores (cgroup quota, cpuset, SMT) and memory.
#pragma once

#include <cstdint>
#include <string>

namespace jiang {

struct Machine {
  std::string cpu_name;
  int logical_cpus = 1;          // that the affinity mask allows
  int physical_cores = 1;        // distinct cores among those
  double cpu_quota = 0;          // CPUs that the cgroup grants, 0: no limit
  uint64_t memory_bytes = 0;     // of the machine, or the cgroup's limit if that is lower
  uint64_t available_bytes = 0;  // of that, free or reclaimable now
};

// Reads /proc, /sys and the cgroup (v1 and v2) once per call. Never fails: what cannot be read
// keeps its default.
Machine inspect_machine();

// Seconds since this process was started, to the system's tick (1/100 s); 0 where it is unknown.
double process_age_seconds();

// One thread per physical core, but not more than the cgroup's quota.
int default_thread_count(const Machine& machine);

}  // namespace jiang
