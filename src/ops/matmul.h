// y = x W^T + b over packed weights: the engine behind Ops::linear.
//
// Two steps, so that several projections share the first: prepare the activations in memory of the
// caller (an arena), then multiply. Each output row depends on its input row alone, to the bit,
// whatever the other rows, the threads and the chunks (decision 5).
//
//   const ActivationKind kind = activation_kind(weight);
//   const PreparedActivations prepared =
//       prepare_activations(kind, x, arena(prepared_bytes(kind, x.rows, x.cols)), pool);
//   matmul(out, prepared, weight, bias, pool);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace jiang {

enum class ActivationKind : uint8_t {
  int8,  // blocks of 32 with a scale: meets every quantised format
  f32,   // as they are, re-tiled: meets f32, f16 and bf16 weights
};
ActivationKind activation_kind(const PackedMatrix& weights);

struct PreparedActivations {
  ActivationKind kind = ActivationKind::f32;
  int64_t rows = 0;
  int64_t cols = 0;
  const std::byte* data = nullptr;
};

size_t prepared_bytes(ActivationKind kind, int64_t rows, int64_t cols);
// `memory`: prepared_bytes() bytes, aligned to 64. It must outlive the result. int8 needs cols % 32
// == 0.
PreparedActivations prepare_activations(ActivationKind kind, TensorView x, std::byte* memory,
                                        ThreadPool& pool);

struct Projection {
  TensorView out;  // (x.rows, weights.rows)
  const PackedMatrix* weights = nullptr;
  std::span<const float> bias;  // (weights.rows), or empty
};
// All projections share x and one pass over the threads; all weights must meet x.kind.
void matmul_many(std::span<const Projection> projections, const PreparedActivations& x,
                 ThreadPool& pool);
void matmul(TensorView out, const PreparedActivations& x, const PackedMatrix& weights,
            std::span<const float> bias, ThreadPool& pool);

}  // namespace jiang
