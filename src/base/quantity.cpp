#include "base/quantity.h"

#include <fmt/core.h>

#include <iterator>

namespace jiang {

std::string human_bytes(uint64_t bytes) {
  const char* const units[] = {"kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, units[unit]);
}

std::string human_count(uint64_t count) {
  const char* const units[] = {"", " k", " M", " B"};
  auto value = static_cast<double>(count);
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f}{}", value, unit > 0 ? 1 : 0, units[unit]);
}

}  // namespace jiang
