// How much each format loses, so that quantisers can be compared: ours on the reference model, and
// what a file holds that was made from the same model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "weights/tensor_source.h"

namespace jiang {

struct QuantizationError {
  Format format;
  double bits_per_weight = 0;
  int64_t weights = 0;              // that the errors are of
  double ours = 0;                  // sum (x - q(x))^2 / sum x^2 of our writer
  std::optional<double> candidate;  // the same of the candidate's tensors in this format
};

// Quantises every matrix of `reference` whose rows the format's blocks divide, in memory.
Result<std::vector<QuantizationError>> quantization_error_table(const TensorSource& reference,
                                                                std::span<const Format> formats,
                                                                ThreadPool& pool);
// One row for each block format among the candidate's matrices. Both must have the same tensors in
// the same conventions (two GGUF files of one model).
Result<std::vector<QuantizationError>> quantization_error_table(const TensorSource& reference,
                                                                const TensorSource& candidate,
                                                                ThreadPool& pool);

}  // namespace jiang
