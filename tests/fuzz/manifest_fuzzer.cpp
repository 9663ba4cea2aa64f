// Manifests of the store: whatever is in the file is a manifest or an error with words.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "hub/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manifest = jiang::parse_manifest(text, "f");
  if (!manifest && manifest.error().message.empty()) std::abort();
  return 0;
}
