// Quantise a model into a GGUF file that llama.cpp loads: the `save_low_bit` of jiang.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "convert/importance_matrix.h"
#include "quant/weight_format.h"
#include "weights/tensor_source.h"

namespace jiang {

// A named recipe: one format, or a mixture ("q4_k_m"). As in llama.cpp the output matrix (or the
// embeddings that serve as it) gets q6_k in all but the widest, and some tensors of a mixture get
// more bits than others (quantize_recipes.cpp has the table).
struct QuantizeType {
  std::string name;  // "q4_0", also where IPEX-LLM's "sym_int4" was asked for
  Format base = Format::f32;
  double bits = 0;  // > 0: a mixture of this many bits per weight, see mixture_type()
};
// Each matrix in the format that keeps the expected divergence least while all tensors together
// need at most `bits` per weight (mixture.h). Needs an importance matrix with products.
QuantizeType mixture_type(double bits);
// What a model of floats becomes when nobody chose; decision 0031 has the figures.
inline constexpr const char* kDefaultQuantizeType = "q4_k_m";
Result<QuantizeType> find_quantize_type(std::string_view name);  // with did-you-mean
// The recipes, then the other names that people know for them ("sym_int4", "fp16").
std::vector<std::string> quantize_type_names();

struct QuantizeProgress {
  std::string tensor;
  uint64_t bytes_done = 0;  // of the source
  uint64_t bytes_total = 0;
};

struct QuantizeReport {
  struct Row {
    std::string tensor;  // GGUF spelling
    Format from, to;
    int64_t weights = 0;
    uint64_t bytes = 0;  // in the result
    bool is_matrix =
        false;              // one that has a choice of formats: no norm, bias or table of positions
    bool fallback = false;  // the wanted format's blocks do not divide the row
    double relative_mse = 0;  // sum (x - q(x))^2 / sum x^2
    // What the errors of this tensor are expected to add to the divergence, nats a token; 0 if the
    // importance matrix has no products for it.
    double expected_divergence = 0;
  };
  std::vector<Row> rows;
  std::vector<std::string> left_out;  // tensors of the source that GGUF has no place for
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

struct QuantizeOptions {
  // With products (`jiang imatrix --full`), columns make up for each other's errors.
  const ImportanceMatrix* importance = nullptr;
  // Called between pieces of work, from the calling thread. False: stop, leaving nothing behind.
  std::function<bool(const QuantizeProgress&)> progress;
  // Called before the bytes of a tensor are read: they may still be on their way. An error stops.
  std::function<Status(const TensorInfo&)> before_tensor;
  // Keys to add or replace: the tokenizer of an HF folder (text's tokenizer_to_gguf_metadata).
  Metadata extra_metadata;
  // Every matrix in the base format, the output matrix too.
  bool pure = false;
  // Tensors that are quantised already lose twice when they are quantised anew.
  bool allow_requantize = false;
};

Result<QuantizeReport> quantize_model(const TensorSource& source, const std::string& out,
                                      const QuantizeType& type, ThreadPool& pool,
                                      const QuantizeOptions& options = {});

}  // namespace jiang
