// Text -> a vector: an encoder's own pooling, or the mean of a decoder's hidden states.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "text/tokenizer.h"

namespace jiang {

enum class Pooling : uint8_t { model, mean, cls, last };  // model: as it says; decoders: mean
enum class Normalize : uint8_t { model, yes, no };        // model: encoders yes, decoders no

struct EmbeddingOptions {
  Pooling pooling = Pooling::model;
  Normalize normalize = Normalize::model;
};

struct EmbeddingInput {
  std::string text = {};
  std::vector<TokenId> ids = {};  // win over text
};

struct Embedding {
  std::vector<float> vector;  // (hidden_size)
  int32_t n_tokens = 0;
};

std::vector<TokenId> embedding_ids(const Tokenizer& tokenizer, const EmbeddingInput& input);
// Waits for its turn in the engine.
Result<Embedding> embed(Engine& engine, const Tokenizer& tokenizer, const EmbeddingInput& input,
                        const EmbeddingOptions& options);

}  // namespace jiang
