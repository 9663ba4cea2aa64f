// ModelConfig: everything that shapes a decoder or encoder, in the spelling of HF's config.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace jiang {

enum class NormKind : uint8_t { rms, layer };

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

  NormKind norm = NormKind::rms;
  float rms_norm_eps = 1e-6f;  // of layer norms too
  Activation hidden_act = Activation::silu;
  bool tie_word_embeddings = false;

  bool qkv_bias = false;           // q, k and v must have biases; other biases may be there or not
  bool qk_norm = false;            // Qwen3, Gemma 3: q and k heads are RMS-normed before rope
  bool post_norms = false;         // Gemma, GLM-4-0414: what attention and ffn add is normed too
  bool norm_adds_one = false;      // Gemma: norms multiply by 1 + weight (added while loading)
  bool gated_ffn = true;           // false: GPT-2, BERT: down(act(up(x))) without a gate
  bool learned_positions = false;  // GPT-2, BERT: a table instead of rope
  int32_t type_vocab_size = 0;     // BERT: segment embeddings, of which the first is used

  RopeTable rope;               // of most layers
  RopeTable rope_local;         // Gemma 3: of the sliding layers; empty otherwise
  float attention_scale = 0;    // 0: 1 / sqrt(head_dim)
  float attention_softcap = 0;  // Gemma 2
  float final_logit_softcap = 0;
  float embedding_scale = 1;            // Gemma: sqrt(hidden_size)
  std::vector<int32_t> sliding_window;  // per layer, 0: full; empty: all full

  int32_t window(int layer) const {
    return sliding_window.empty() ? 0 : sliding_window[static_cast<size_t>(layer)];
  }
  bool is_sliding(int layer) const { return window(layer) > 0; }
  const RopeTable& rope_of(int layer) const {
    return is_sliding(layer) && rope_local.rotary_dim > 0 ? rope_local : rope;
  }

  bool is_encoder = false;       // BERT: no cache, no logits, hidden states out
  std::string pooling = "mean";  // of an encoder: mean or cls
};

}  // namespace jiang
