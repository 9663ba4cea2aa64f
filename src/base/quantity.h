// Sizes and counts as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace jiang {

std::string human_bytes(uint64_t bytes);  // "1.5 GB", powers of 1000
std::string human_count(uint64_t count);  // "494.0 M"

}  // namespace jiang
