// NUMA: machines whose memory belongs to nodes of cores, each reading its own fastest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace jiang {

// Bit i: node i has cores that this process may use. 1 where the machine does not say. Nodes
// from 64 on are left out.
uint64_t numa_nodes(const std::string& root = "/sys/devices/system/node");

// Pages in [memory, memory + bytes), which begins at a page, that nobody has touched yet come from
// these nodes in turn: a matrix that all cores read is then read over all of them, not over the one
// whose core was the first. False where the system refuses.
bool interleave_over(uint64_t nodes, void* memory, size_t bytes);

// The same over numa_nodes(), where there is more than one.
void spread_over_nodes(void* memory, size_t bytes);

}  // namespace jiang
