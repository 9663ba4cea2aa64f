// What storage stamps its rows with.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/secret.h"

namespace jiang {

inline int64_t now_millis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// 120 random bits, 20 characters that are safe in a URL.
inline std::string new_id() { return random_token(15); }

}  // namespace jiang
