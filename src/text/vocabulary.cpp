#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace jiang {
namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

// Multiply-and-fold over 8-byte words (the idea of wyhash). Not for hostile keys: a file can make
// its own lookups slow, but only its own, and probes are bounded by the table.
uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kA = 0x9E3779B97F4A7C15ull;
  constexpr uint64_t kB = 0xD6E8FEB86659FD93ull;
  uint64_t state = kA ^ bytes.size();
  const char* p = bytes.data();
  size_t left = bytes.size();
  while (left > 8) {
    uint64_t word = 0;
    std::memcpy(&word, p, 8);
    state = mix(state ^ word, kB);
    p += 8;
    left -= 8;
  }
  uint64_t word = 0;
  if (left > 0) std::memcpy(&word, p, left);
  return mix(state ^ word, kB);
}

Vocabulary::Vocabulary(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {
  slots_.resize(std::bit_ceil(std::max<size_t>(16, pieces_.size() + pieces_.size() / 2)));
}

TokenId Vocabulary::index(TokenId id) {
  const std::string& bytes = piece(id);
  const uint64_t hash = hash_bytes(bytes);
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  size_t at = hash & mask;
  while (slots_[at].id != kNoToken) {
    if (slots_[at].hash == tag && piece(slots_[at].id) == bytes) return slots_[at].id;
    at = (at + 1) & mask;
  }
  slots_[at] = {tag, id};
  longest_ = std::max(longest_, bytes.size());
  return kNoToken;
}

void Vocabulary::prefetch(std::string_view bytes) const {
  if (!slots_.empty()) __builtin_prefetch(&slots_[hash_bytes(bytes) & (slots_.size() - 1)]);
}

TokenId Vocabulary::find(std::string_view bytes) const {
  if (bytes.size() > longest_ || slots_.empty()) return kNoToken;
  const uint64_t hash = hash_bytes(bytes);
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask; slots_[at].id != kNoToken; at = (at + 1) & mask) {
    if (slots_[at].hash == tag && piece(slots_[at].id) == bytes) return slots_[at].id;
  }
  return kNoToken;
}

}  // namespace jiang
