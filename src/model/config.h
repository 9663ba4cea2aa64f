// ModelConfig: everything that shapes a decoder or encoder, in the spelling of HF's config.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace jiang {

struct ModelConfig {
  std::string architecture;  // HF class name: "Qwen2ForCausalLM"
  std::string model_type;    // "qwen2"

  int32_t vocab_size = 0;
  int32_t hidden_size = 0;
  int32_t intermediate_size = 0;
  int32_t num_hidden_layers = 0;
  int32_t num_attention_heads = 0;
  int32_t num_key_value_heads = 0;
  int32_t head_dim = 0;
  int32_t max_position_embeddings = 0;  // the context it was trained for

  float rms_norm_eps = 1e-6f;
  Activation hidden_act = Activation::silu;
  bool tie_word_embeddings = false;

  RopeTable rope;               // of most layers
  RopeTable rope_local;         // Gemma 3: of the sliding layers; empty otherwise
  float attention_scale = 0;    // 0: 1 / sqrt(head_dim)
  float attention_softcap = 0;  // Gemma 2
  float final_logit_softcap = 0;
  float embedding_scale = 1;            // Gemma: sqrt(hidden_size)
  std::vector<int32_t> sliding_window;  // per layer, 0: full; empty: all full

  bool is_sliding(int layer) const {
    return !sliding_window.empty() && sliding_window[static_cast<size_t>(layer)] > 0;
  }

  bool is_encoder = false;       // BERT: no cache, no logits, hidden states out
  std::string pooling = "mean";  // of an encoder: mean or cls
};

}  // namespace jiang
