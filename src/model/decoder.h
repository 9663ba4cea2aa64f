// The decoder block that most families share, driven by ModelConfig: pre-norm attention and
// feed-forward with residuals, and the variations that config.h names. A family that needs another
// block gets its own file like this one and its own build.
#pragma once

#include <memory>
#include <vector>

#include "model/architecture.h"
#include "model/tensor_loader.h"

namespace jiang {

struct Norm {
  std::vector<float> weight;
  std::vector<float> bias;  // of layer norms
};

struct DecoderLayer {
  Norm attention_norm;
  Linear q, k, v, o;
  std::vector<float> q_norm, k_norm;  // (head_dim)
  Norm post_attention_norm;
  Norm ffn_norm;
  Linear gate, up, down;
  Norm post_ffn_norm;
};

struct DecoderWeights {
  WeightMatrix embedding;  // (vocab_size, hidden_size), in the file's memory
  WeightMatrix positions;  // (max_position_embeddings, hidden_size), GPT-2
  std::vector<DecoderLayer> layers;
  Norm final_norm;
  Linear lm_head;
};

Result<std::shared_ptr<const Model>> build_decoder(const Architecture& architecture,
                                                   const ModelConfig& config, TensorLoader& loader,
                                                   const FinishLoading& finish);

// What a token reads of a layer.
uint64_t norm_bytes(const Norm& norm);
uint64_t layer_bytes(const DecoderLayer& layer);
// Asks `loader` for a norm as the config has it.
void load_norm(TensorLoader& loader, Norm& norm, const ModelConfig& config, std::string_view name);
TensorView apply_norm(Ops& ops, TensorView x, const Norm& norm, const ModelConfig& config);

}  // namespace jiang
