// ImportanceMatrix: the mean square of each input column of each linear layer, over a text. A
// quantiser spends its error where it meets small activations. Kept as llama.cpp keeps it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

struct ImportanceMatrix {
  // By the GGUF name of the weight, "blk.0.attn_q.weight". (cols), or (experts * cols).
  std::map<std::string, std::vector<float>, std::less<>> columns;
  std::map<std::string, int64_t, std::less<>> rows_seen;  // activations behind each mean
  // What `jiang imatrix --full` adds: by the same names, E g x x^T in blocks as ColumnProducts
  // (quant/column_products.h) wants them, where x is the activation and g the mean square of the
  // gradients of the matrix's outputs. Half of r products r^T, summed over the rows, is what an
  // error r of the weights adds to the divergence, in nats a token. Empty where not measured.
  std::map<std::string, std::vector<float>, std::less<>> products;
  std::vector<std::string> datasets;  // names of the texts
  int64_t chunks = 0;
  int64_t chunk_tokens = 0;
};

// llama.cpp's imatrix.gguf, or its older .dat.
Result<ImportanceMatrix> read_importance_matrix(const std::string& path);
Result<ImportanceMatrix> parse_importance_matrix(std::span<const std::byte> bytes,
                                                 std::string_view where);
// As GGUF.
Status write_importance_matrix(const std::string& path, const ImportanceMatrix& matrix);

// Gathers an ImportanceMatrix. A LinearObserver (ops/ops.h) feeds it:
//
//   void observe(const Linear& linear, TensorView x) override {
//     for (int64_t i = 0; i < x.rows; ++i)
//       collector.accumulate(linear.name + ".weight", {x.row(i), size_t(x.cols)}, x.cols);
//   }
//
// Not thread-safe. Sums are doubles in a fixed order, so the result does not depend on batching.
class ImportanceCollector {
 public:
  // `gguf_architecture`: "qwen2". Layers without a GGUF name there are left out.
  explicit ImportanceCollector(std::string gguf_architecture);
  // `rows`: activations (rows.size() / cols, cols), row-major; `hf_name` as in
  // "model.layers.0.mlp.up_proj.weight".
  void accumulate(std::string_view hf_name, std::span<const float> rows, int64_t cols);
  // "" if GGUF has none.
  std::string gguf_name(std::string_view hf_name) const;
  // Fails if an activation was not finite, naming the layer.
  Result<ImportanceMatrix> finish(int64_t chunks, int64_t chunk_tokens,
                                  std::vector<std::string> datasets) const;

 private:
  struct Sums {
    std::vector<double> squares;
    int64_t rows = 0;
  };
  std::string architecture_;
  std::map<std::string, Sums, std::less<>> sums_;  // by HF name
};

}  // namespace jiang
