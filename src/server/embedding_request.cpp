#include "server/embedding_request.h"

namespace jiang {

std::optional<ApiError> embed_inputs(LoadedModelEntry& model,
                                     const std::vector<EmbeddingInput>& inputs,
                                     std::optional<int64_t> dimensions,
                                     std::vector<Embedding>& out) {
  if (model.engine() == nullptr || model.chat_model() == nullptr) {
    return bad_request("'" + model.name() + "' is a remote model without embeddings here", "model",
                       "unsupported");
  }
  const Tokenizer& tokenizer = model.chat_model()->tokenizer();
  for (const EmbeddingInput& input : inputs) {
    auto embedding = embed(*model.engine(), tokenizer, input, {});
    if (!embedding) {
      ApiError error = api_error(embedding.error());
      const auto n = static_cast<int64_t>(embedding_ids(tokenizer, input).size());
      const int32_t context = model.engine()->context();
      if (embedding.error().kind == ErrorKind::too_large && n > context)
        error = context_overflow(embedding.error(), n, context);
      error.param = "input";
      return error;
    }
    if (dimensions && static_cast<size_t>(*dimensions) != embedding->vector.size()) {
      return bad_request(
          fmt::format("this model's vectors have {} dimensions", embedding->vector.size()),
          "dimensions", "unsupported");
    }
    out.push_back(*std::move(embedding));
  }
  return std::nullopt;
}

}  // namespace jiang
