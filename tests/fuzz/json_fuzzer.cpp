// JSON of any kind: what parses must survive being written and parsed again, unchanged.
#include <cstdint>
#include <cstdlib>

#include "base/json_value.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = jiang::parse_json(text, "fuzz", {.max_bytes = 1 << 20, .max_depth = 64});
  if (!value) return 0;
  for (const int indent : {-1, 2}) {
    const std::string written = jiang::to_string(*value, indent);
    const auto again = jiang::parse_json(written, "fuzz");
    if (!again || jiang::to_string(*again, indent) != written) std::abort();
  }
  return 0;
}
