#include "base/numa.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

int some_allowed_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  EXPECT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) return cpu;
  }
  return 0;
}

TEST(Numa, NodesAreThoseWhoseCoresMayBeUsed) {
  const TempFolder folder;
  const auto add = [&](int node, const std::string& cpus) {
    const std::string path = folder.path() + "/node" + std::to_string(node);
    std::filesystem::create_directory(path);
    ASSERT_TRUE(write_file(path + "/cpulist", cpus + "\n"));
  };
  EXPECT_EQ(numa_nodes(folder.path()), 1u) << "a machine that does not say";
  const std::string own = std::to_string(some_allowed_cpu());
  add(0, own);
  add(1, "");             // memory alone
  add(3, "1000," + own);  // numbers may be missing
  add(4, "1000-1023");    // not of this process
  add(5, "0-1023");
  add(6, "nonsense");
  add(7, "7-");
  EXPECT_EQ(numa_nodes(folder.path()), 1u | 1u << 3 | 1u << 5);
}

TEST(Numa, MemoryIsInterleavedOverTheNodesThatWereNamed) {
  const uint64_t nodes = numa_nodes();
  constexpr size_t kBytes = 1 << 20;
  void* const memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  int mode = -1;
  uint64_t found = 0;
  constexpr unsigned long kOfAddress = 2;  // MPOL_F_ADDR
  if (interleave_over(nodes, memory, kBytes)) {
    ASSERT_EQ(::syscall(SYS_get_mempolicy, &mode, &found, 64 + 1, memory, kOfAddress), 0);
    EXPECT_EQ(mode, 3) << "MPOL_INTERLEAVE";
    EXPECT_EQ(found, nodes);
  } else {
    // Kernels without NUMA and the filters of some containers.
    EXPECT_TRUE(errno == ENOSYS || errno == EPERM) << errno;
  }
  ::munmap(memory, kBytes);
  EXPECT_FALSE(interleave_over(0, memory, kBytes));
}

}  // namespace
}  // namespace jiang
