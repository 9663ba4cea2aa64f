// Times as programs write them to each other.
#pragma once

#include <cstdint>
#include <string>

namespace jiang {

// "2026-11-24T09:00:00Z"
std::string utc_text(int64_t unix_seconds);

}  // namespace jiang
