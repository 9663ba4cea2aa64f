#include "base/machine.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace jiang {
namespace {

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// A number in a file of /sys or a cgroup; "max", an absurd value or no file: 0.
uint64_t read_number(const std::string& path) {
  const std::string line = read_line(path);
  char* end = nullptr;
  const unsigned long long value = std::strtoull(line.c_str(), &end, 10);
  return end == line.c_str() || value >= (1ULL << 62) ? 0 : value;
}

void read_cpus(Machine& machine) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  machine.logical_cpus = std::max(1, CPU_COUNT(&allowed));
  std::set<std::pair<uint64_t, std::string>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::string siblings = read_line(topology + "thread_siblings_list");
    if (siblings.empty()) siblings = std::to_string(cpu);
    cores.insert({read_number(topology + "physical_package_id"), siblings});
  }
  machine.physical_cores = std::max<int>(1, static_cast<int>(cores.size()));
}

void read_cpu_name(Machine& machine) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) machine.cpu_name = line.substr(colon + 2);
    return;
  }
}

// The folders of this process's cgroup, from its own up to the root: a limit may sit anywhere
// above.
std::vector<std::string> cgroup_folders(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  std::vector<std::string> folders;
  while (std::getline(file, line)) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool v2 = controllers == ",,";
    if (!v2 && controllers.find("," + controller + ",") == std::string::npos) continue;
    const std::string root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller;
    std::string path = line.substr(second + 1);
    while (true) {
      folders.push_back(root + (path == "/" ? "" : path));
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/'));
    }
  }
  return folders;
}

void read_cgroup_cpu(Machine& machine) {
  for (const std::string& folder : cgroup_folders("cpu")) {
    double quota = 0;
    double period = 0;
    std::istringstream max(read_line(folder + "/cpu.max"));  // v2: "200000 100000" or "max 100000"
    if (!(max >> quota >> period)) {
      quota = static_cast<double>(read_number(folder + "/cpu.cfs_quota_us"));  // v1: -1 is no limit
      period = static_cast<double>(read_number(folder + "/cpu.cfs_period_us"));
      if (read_line(folder + "/cpu.cfs_quota_us").rfind('-', 0) == 0) quota = 0;
    }
    if (quota > 0 && period > 0 && (machine.cpu_quota == 0 || quota / period < machine.cpu_quota)) {
      machine.cpu_quota = quota / period;
    }
  }
}

void read_memory(Machine& machine) {
  std::ifstream file("/proc/meminfo");
  std::string key;
  uint64_t kib = 0;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    fields >> key >> kib;
    if (key == "MemTotal:") machine.memory_bytes = kib * 1024;
    if (key == "MemAvailable:") machine.available_bytes = kib * 1024;
  }
  for (const std::string& folder : cgroup_folders("memory")) {
    uint64_t limit = read_number(folder + "/memory.max");
    uint64_t used = read_number(folder + "/memory.current");
    if (limit == 0) {
      limit = read_number(folder + "/memory.limit_in_bytes");
      used = read_number(folder + "/memory.usage_in_bytes");
    }
    if (limit == 0 || limit >= machine.memory_bytes) continue;
    machine.memory_bytes = limit;
    machine.available_bytes = std::min(machine.available_bytes, limit > used ? limit - used : 0);
  }
}

}  // namespace

Machine inspect_machine() {
  Machine machine;
  read_cpu_name(machine);
  read_cpus(machine);
  read_cgroup_cpu(machine);
  read_memory(machine);
  return machine;
}

double process_age_seconds() {
  // Field 22 of proc(5)'s stat; the name, field 2, may hold spaces and ends at the last bracket.
  const std::string line = read_line("/proc/self/stat");
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  uint64_t started = 0;  // ticks since the machine's start
  const long ticks = ::sysconf(_SC_CLK_TCK);
  timespec now{};
  if (!(fields >> started) || ticks <= 0 || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0;
  const double seconds = static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  return std::max(0.0, seconds - static_cast<double>(started) / static_cast<double>(ticks));
}

int default_thread_count(const Machine& machine) {
  int threads = machine.physical_cores;
  if (machine.cpu_quota > 0)
    threads = std::min(threads, static_cast<int>(std::ceil(machine.cpu_quota - 0.05)));
  return std::max(1, threads);
}

}  // namespace jiang
