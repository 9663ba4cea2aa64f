// TensorNames: what a family calls its tensors in Hugging Face checkpoints. The defaults are
// Llama's; an empty name is a tensor that the family does not have.
#pragma once

#include <span>
#include <string_view>

namespace jiang {

struct TensorNames {
  std::string_view embedding = "model.embed_tokens";
  std::string_view positions = "";           // GPT-2, BERT
  std::string_view types = "";               // BERT
  std::string_view embedding_norm = "";      // BERT
  std::string_view layer = "model.layers.";  // followed by the number, a dot, and the names below
  std::string_view attention_norm = "input_layernorm";
  std::string_view q = "self_attn.q_proj";
  std::string_view k = "self_attn.k_proj";
  std::string_view v = "self_attn.v_proj";
  std::string_view qkv = "";  // q, k and v as one matrix, one below the other
  std::string_view q_norm = "self_attn.q_norm";
  std::string_view k_norm = "self_attn.k_norm";
  std::string_view o = "self_attn.o_proj";
  std::string_view post_attention_norm = "";
  std::string_view ffn_norm = "post_attention_layernorm";
  std::string_view gate = "mlp.gate_proj";
  std::string_view up = "mlp.up_proj";
  std::string_view gate_up = "";  // both as one matrix, gate above up
  std::string_view down = "mlp.down_proj";
  std::string_view post_ffn_norm = "";
  std::string_view final_norm = "model.norm";
  std::string_view lm_head = "lm_head";
  // What some checkpoints leave away from the front of every name: "transformer." of GPT-2.
  std::string_view optional_prefix = "model.";
  // Tensors that are no weights of the forward pass, by how their names end or begin.
  std::span<const std::string_view> ignored_suffixes = {};
  std::span<const std::string_view> ignored_prefixes = {};
};

}  // namespace jiang
