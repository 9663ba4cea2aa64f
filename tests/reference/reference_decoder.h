// The oracle: every family's forward pass as Hugging Face defines it, in f64, the whole sequence at
// once, no cache, no SIMD, no batch. Shares no arithmetic and no config code with src/model: read
// it as the specification.
#pragma once

#include <span>
#include <vector>

#include "base/token.h"
#include "ops/attention.h"
#include "weights/tensor_source.h"

namespace jiang {

struct ReferenceOptions {
  KvType kv_type = KvType::f32;  // what a cache of this type does to keys and values
  int context_length =
      0;  // decides between Phi-3's two sets of rope factors; 0: min(trained, 8192)
};

struct ReferenceOutput {
  size_t rows = 0, cols = 0;
  std::vector<double> values;  // (rows, cols): logits of a decoder, hidden states of an encoder
};

// Throws std::runtime_error where the source lacks something.
ReferenceOutput run_reference(const TensorSource& source, std::span<const TokenId> tokens,
                              const ReferenceOptions& options = {});

}  // namespace jiang
