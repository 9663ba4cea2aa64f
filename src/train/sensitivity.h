// What an error of each weight would cost, measured over a text: the mean square of the activation
// that each column meets, and with a backward pass the products that quantisers need to let columns
// make up for each other (convert/importance_matrix.h says what they are).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "base/token.h"
#include "convert/importance_matrix.h"
#include "model/model.h"

namespace jiang {

struct SensitivityOptions {
  std::string gguf_architecture;      // "qwen2"
  std::vector<std::string> datasets;  // names of the texts
  // Called after each chunk; false stops, with an error of kind cancelled.
  std::function<bool(size_t done)> progress;
};

// `chunks` of equal length. The same bits for any number of threads. An error for models that
// cannot train (encoders).
Result<ImportanceMatrix> measure_sensitivity(const Model& model,
                                             const std::vector<std::vector<TokenId>>& chunks,
                                             ThreadPool& pool, const SensitivityOptions& options);

}  // namespace jiang
