#include "runtime/embedding.h"

#include <cmath>

namespace jiang {
namespace {

// (n_tokens, dim) -> (dim)
std::vector<double> pooled(TensorView hidden, Pooling pooling) {
  std::vector<double> out(static_cast<size_t>(hidden.cols));
  const int64_t first = pooling == Pooling::last ? hidden.rows - 1 : 0;
  const int64_t last = pooling == Pooling::cls ? 1 : hidden.rows;
  for (int64_t i = first; i < last; ++i) {
    for (int64_t d = 0; d < hidden.cols; ++d) out[static_cast<size_t>(d)] += hidden.row(i)[d];
  }
  for (double& x : out) x /= static_cast<double>(last - first);
  return out;
}

}  // namespace

std::vector<TokenId> embedding_ids(const Tokenizer& tokenizer, const EmbeddingInput& input) {
  if (!input.ids.empty()) return input.ids;
  return tokenizer.encode(input.text, EncodeOptions{.add_specials = true});
}

Result<Embedding> embed(Engine& engine, const Tokenizer& tokenizer, const EmbeddingInput& input,
                        const EmbeddingOptions& options) {
  const ModelConfig& config = engine.model().config();
  Pooling pooling = options.pooling;
  if (pooling == Pooling::model)
    pooling = config.is_encoder && config.pooling == "cls" ? Pooling::cls : Pooling::mean;
  const bool is_normalized = options.normalize == Normalize::model
                                 ? config.is_encoder
                                 : options.normalize == Normalize::yes;
  const std::vector<TokenId> ids = embedding_ids(tokenizer, input);
  TRY(const Tensor hidden, engine.evaluate(ids, OutputKind::hidden_states));
  std::vector<double> vector = pooled(hidden.view(), pooling);
  double squares = 0;
  for (const double x : vector) squares += x * x;
  if (!std::isfinite(squares)) {
    return fail(ErrorKind::bad_numbers,
                "the model gives no numbers for this text; its weights are damaged");
  }
  const double scale = is_normalized && squares > 0 ? 1 / std::sqrt(squares) : 1;
  Embedding out{.vector = {}, .n_tokens = static_cast<int32_t>(ids.size())};
  out.vector.reserve(vector.size());
  for (const double x : vector) out.vector.push_back(static_cast<float>(x * scale));
  return out;
}

}  // namespace jiang
