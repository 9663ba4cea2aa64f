// fast_hash: 64 bits that tell whether bytes changed, at the speed of memory. Against accidents and
// stale files, not against attackers. The same on every machine of one byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace jiang {

uint64_t fast_hash(std::span<const std::byte> bytes, uint64_t seed = 0);

}  // namespace jiang
