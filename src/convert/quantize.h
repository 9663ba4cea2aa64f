// Quantise a model into a GGUF file: the `save_low_bit` of jiang.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "quant/weight_format.h"
#include "weights/tensor_source.h"

namespace jiang {

// Mean square of each input column of each linear layer, keyed by the weight's HF name; collected
// by `jiang imatrix`. Kept in a GGUF file as llama.cpp writes and reads it (and its older .dat).
struct ImportanceMatrix {
  std::map<std::string, std::vector<float>, std::less<>> columns;
  int64_t chunks = 0;
};
Result<ImportanceMatrix> read_importance_matrix(const std::string& path);
Status write_importance_matrix(const std::string& path, const ImportanceMatrix& matrix);

// A named recipe: one format, or a mixture ("q4_k_m"), or IPEX-LLM's name for one ("sym_int4").
struct QuantizeType {
  std::string name;
  Format base;
};
Result<QuantizeType> find_quantize_type(std::string_view name);  // with did-you-mean
std::vector<std::string> quantize_type_names();

struct QuantizeProgress {
  std::string tensor;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
};

struct QuantizeReport {
  struct Row {
    std::string tensor;
    Format from, to;
    bool fallback = false;    // the wanted format's blocks do not divide the row
    double relative_mse = 0;  // sum (x - q(x))^2 / sum x^2
  };
  std::vector<Row> rows;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

struct QuantizeOptions {
  const ImportanceMatrix* importance = nullptr;
  std::function<bool(const QuantizeProgress&)> progress;  // false: stop, leaving nothing behind
};

Result<QuantizeReport> quantize_model(const TensorSource& source, const std::string& out,
                                      const QuantizeType& type, ThreadPool& pool,
                                      const QuantizeOptions& options = {});

}  // namespace jiang
