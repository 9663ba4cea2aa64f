// The tables of data.db, as the steps that made them. A step is never changed once it shipped: a
// new one is added at the end.
#pragma once

#include <cstdint>
#include <span>

namespace jiang {

inline constexpr int64_t kApplicationId = 0x4A49414E;  // "JIAN": in the file's header

// Step i leads from version i to i + 1. Version 0 is an empty file.
std::span<const char* const> migrations();

}  // namespace jiang
