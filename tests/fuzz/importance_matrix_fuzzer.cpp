// An importance matrix from anywhere: GGUF or the older .dat.
#include <cstddef>
#include <cstdint>
#include <span>

#include "convert/importance_matrix.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto matrix = jiang::parse_importance_matrix(bytes, "fuzz")) {
    // What was accepted is usable: finite numbers that are not negative.
    for (const auto& [name, columns] : matrix->columns) {
      for (const float value : columns) {
        if (!(value >= 0)) __builtin_trap();
      }
    }
  }
  return 0;
}
