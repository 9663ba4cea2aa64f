// The data that attention works on: paged K/V storage and which rows of the batch belong to which
// sequence. Memory is owned by model/kv_cache.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace jiang {

inline constexpr int kKvBlockTokens = 32;
inline constexpr int kKvScaleDims = 32;
inline constexpr int kWidestHead = 512;  // head_dim; attention's buffers live on the stack

enum class KvType : uint8_t { f32, f16, int8 };

// One layer's blocks: for each (block, kv_head) its K by dimension, (head_dim, kKvBlockTokens),
// then its V by token, (kKvBlockTokens, head_dim), so that neither product of attention sums across
// vector lanes. In int8 each of the two is followed by its f16 scales: one for every token and
// kKvScaleDims dimensions, (scales, kKvBlockTokens).
struct KvLayer {
  std::byte* data = nullptr;
  KvType type = KvType::f16;
  int32_t n_kv_heads = 0;
  int32_t head_dim = 0;
};

constexpr const char* name_of(KvType type) {
  return type == KvType::f32 ? "f32" : type == KvType::f16 ? "f16" : "int8";
}

// Bytes of the K, or of the V, of one block and K/V head.
constexpr size_t kv_part_bytes(KvType type, int32_t head_dim) {
  const auto dims = static_cast<size_t>(head_dim);
  const size_t n_scales = (dims + kKvScaleDims - 1) / kKvScaleDims;
  switch (type) {
    case KvType::f32:
      return kKvBlockTokens * dims * 4;
    case KvType::f16:
      return kKvBlockTokens * dims * 2;
    case KvType::int8:
      return kKvBlockTokens * (dims + 2 * n_scales);
  }
  return 0;
}

// Consecutive rows of the batch that belong to one sequence: row first_row + i is its position
// start_position + i. `blocks` covers positions [0, start_position + n_rows).
struct SequenceRows {
  int32_t first_row = 0;
  int32_t n_rows = 0;
  int32_t start_position = 0;
  std::span<const int32_t> blocks;
};

struct AttentionParams {
  int32_t n_heads = 0;
  int32_t n_kv_heads = 0;
  int32_t head_dim = 0;
  float scale = 0;     // usually 1 / sqrt(head_dim)
  float softcap = 0;   // Gemma 2: s = softcap * tanh(s / softcap); 0: none
  int32_t window = 0;  // a token sees itself and window - 1 before it; 0: all
  bool causal = true;  // false: encoders
};

}  // namespace jiang
