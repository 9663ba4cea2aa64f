// A safetensors file from anywhere.
#include <cstdint>
#include <span>

#include "weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jiang;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto entries = parse_safetensors(bytes, "fuzz.safetensors");
  if (!entries) {
    JIANG_CHECK(!entries.error().message.empty(), "an error says something");
    return 0;
  }
  // The tensors fill the end of the file exactly.
  size_t total = 0;
  uint64_t sum = 0;
  for (const SafetensorsEntry& entry : *entries) {
    total += entry.bytes.size();
    for (const std::byte byte : entry.bytes) sum += static_cast<uint64_t>(byte);
    JIANG_CHECK(entry.bytes.empty() || entry.bytes.data() >= bytes.data() + 8,
                "data begins behind the header");
  }
  JIANG_CHECK(total + 8 <= size && sum <= 255 * total, "no byte is counted twice");
  return 0;
}
