#include "base/fast_hash.h"

#include <algorithm>
#include <cstring>

namespace jiang {
namespace {

// Large odd constants: multiplying by them is a bijection that spreads low bits upwards.
constexpr uint64_t kMultiply = 0x9e3779b97f4a7c15u;
constexpr uint64_t kFinish = 0xd6e8feb86659fd93u;
constexpr size_t kLanes = 8, kStride = kLanes * sizeof(uint64_t);
constexpr size_t kPrefetch = 2048;

uint64_t load_u64(const std::byte* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// A bijection of the lane for a given word and of the word for a given lane, so that one changed
// word always changes the lane. Folding the high half down before the multiplication spreads every
// bit: without, a changed bit could be undone by one bit of the next word.
uint64_t step(uint64_t lane, uint64_t word) {
  const uint64_t x = lane ^ word;
  return (x ^ x >> 32) * kMultiply;
}

uint64_t spread(uint64_t x) {
  x = (x ^ x >> 32) * kFinish;
  x = (x ^ x >> 29) * kFinish;
  return x ^ x >> 32;
}

}  // namespace

uint64_t fast_hash(std::span<const std::byte> bytes, uint64_t seed) {
  uint64_t lanes[kLanes];  // independent, so that multiplications overlap
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = spread(seed + (i + 1) * kMultiply);
  size_t at = 0;
  for (; at + kStride <= bytes.size(); at += kStride) {
    // Past what the hardware fetches ahead: a quarter less time from memory, on a Zen 3.
    __builtin_prefetch(bytes.data() + at + kPrefetch);
    for (size_t i = 0; i < kLanes; ++i)
      lanes[i] = step(lanes[i], load_u64(bytes.data() + at + i * sizeof(uint64_t)));
  }
  if (at < bytes.size()) {
    std::byte rest[kStride] = {};
    std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), rest);
    for (size_t i = 0; i < kLanes; ++i)
      lanes[i] = step(lanes[i], load_u64(rest + i * sizeof(uint64_t)));
  }
  uint64_t hash = spread(seed ^ bytes.size());  // tells zeros at the end from their absence
  for (const uint64_t lane : lanes) hash = step(hash, spread(lane));
  return spread(hash);
}

}  // namespace jiang
