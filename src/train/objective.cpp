#include "train/objective.h"

#include <cstring>

namespace jiang {

int32_t TrainingBatch::add(std::span<const TokenId> ids) {
  const auto first = static_cast<int32_t>(tokens.size());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  sequences.push_back({kNoState, first, static_cast<int32_t>(ids.size()), 0});
  return first;
}

TensorView run_model(Workspace& work, const Model& model, const TrainingBatch& batch) {
  return model.hidden_states({.tokens = batch.tokens, .sequences = batch.sequences, .wanted = {}},
                             work);
}

// Eight bytes at a time.
uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t start) {
  constexpr uint64_t kPrime = 0x100000001b3ull;
  uint64_t hash = start;
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    hash = (hash ^ word) * kPrime;
    hash ^= hash >> 29;
  }
  for (; at < bytes.size(); ++at) hash = (hash ^ static_cast<uint64_t>(bytes[at])) * kPrime;
  return hash;
}

}  // namespace jiang
