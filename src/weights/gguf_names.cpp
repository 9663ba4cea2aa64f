#include "weights/gguf_names.h"

#include <algorithm>

#include "base/json_value.h"

namespace jiang {
namespace {

using Row = TensorNameRow;
using Rows = std::span<const Row>;

// ---- tensor names, in groups that architectures share

constexpr Row kDecoder[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.*.attn_norm", "model.layers.*.input_layernorm"},
    {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"},
    {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"},
    // Tables of divisors of the rope frequencies: not in any HF checkpoint, but in config.json.
    {"rope_freqs", "rope_freqs"},
    {"rope_factors_long", "rope_factors_long"},
    {"rope_factors_short", "rope_factors_short"},
};
constexpr Row kSeparateQkv[] = {
    {"blk.*.attn_q", "model.layers.*.self_attn.q_proj"},
    {"blk.*.attn_k", "model.layers.*.self_attn.k_proj"},
    {"blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
};
constexpr Row kFusedQkv[] = {{"blk.*.attn_qkv", "model.layers.*.self_attn.qkv_proj"}};
constexpr Row kQkNorm[] = {
    {"blk.*.attn_q_norm", "model.layers.*.self_attn.q_norm"},
    {"blk.*.attn_k_norm", "model.layers.*.self_attn.k_norm"},
};
constexpr Row kGateUp[] = {
    {"blk.*.ffn_gate", "model.layers.*.mlp.gate_proj"},
    {"blk.*.ffn_up", "model.layers.*.mlp.up_proj"},
};
constexpr Row kFusedGateUp[] = {{"blk.*.ffn_up", "model.layers.*.mlp.gate_up_proj"}};
constexpr Row kPreNorm[] = {{"blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"}};
constexpr Row kGemmaNorms[] = {
    {"blk.*.post_attention_norm", "model.layers.*.post_attention_layernorm"},
    {"blk.*.ffn_norm", "model.layers.*.pre_feedforward_layernorm"},
    {"blk.*.post_ffw_norm", "model.layers.*.post_feedforward_layernorm"},
};
constexpr Row kGlm4Norms[] = {
    {"blk.*.post_attention_norm", "model.layers.*.post_self_attn_layernorm"},
    {"blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"},
    {"blk.*.post_ffw_norm", "model.layers.*.post_mlp_layernorm"},
};
constexpr Row kChatGlm[] = {
    {"token_embd", "transformer.embedding.word_embeddings"},
    {"output_norm", "transformer.encoder.final_layernorm"},
    {"output", "transformer.output_layer"},
    {"rope_freqs", "rope_freqs"},
    {"blk.*.attn_norm", "transformer.encoder.layers.*.input_layernorm"},
    {"blk.*.attn_qkv", "transformer.encoder.layers.*.self_attention.query_key_value"},
    {"blk.*.attn_output", "transformer.encoder.layers.*.self_attention.dense"},
    {"blk.*.ffn_norm", "transformer.encoder.layers.*.post_attention_layernorm"},
    {"blk.*.ffn_up", "transformer.encoder.layers.*.mlp.dense_h_to_4h"},
    {"blk.*.ffn_down", "transformer.encoder.layers.*.mlp.dense_4h_to_h"},
};
constexpr Row kGpt2[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
    {"blk.*.attn_norm", "transformer.h.*.ln_1"},
    {"blk.*.attn_qkv", "transformer.h.*.attn.c_attn"},
    {"blk.*.attn_output", "transformer.h.*.attn.c_proj"},
    {"blk.*.ffn_norm", "transformer.h.*.ln_2"},
    {"blk.*.ffn_up", "transformer.h.*.mlp.c_fc"},
    {"blk.*.ffn_down", "transformer.h.*.mlp.c_proj"},
};
constexpr Row kBert[] = {
    {"token_embd", "bert.embeddings.word_embeddings"},
    {"token_types", "bert.embeddings.token_type_embeddings"},
    {"position_embd", "bert.embeddings.position_embeddings"},
    {"token_embd_norm", "bert.embeddings.LayerNorm"},
    {"blk.*.attn_q", "bert.encoder.layer.*.attention.self.query"},
    {"blk.*.attn_k", "bert.encoder.layer.*.attention.self.key"},
    {"blk.*.attn_v", "bert.encoder.layer.*.attention.self.value"},
    {"blk.*.attn_output", "bert.encoder.layer.*.attention.output.dense"},
    {"blk.*.attn_output_norm", "bert.encoder.layer.*.attention.output.LayerNorm"},
    {"blk.*.ffn_up", "bert.encoder.layer.*.intermediate.dense"},
    {"blk.*.ffn_down", "bert.encoder.layer.*.output.dense"},
    {"blk.*.layer_output_norm", "bert.encoder.layer.*.output.LayerNorm"},
};

// ---- architectures

constexpr Rows kLlamaNames[] = {kDecoder, kSeparateQkv, kGateUp, kPreNorm};
constexpr Rows kQwen3Names[] = {kDecoder, kSeparateQkv, kQkNorm, kGateUp, kPreNorm};
constexpr Rows kPhi3Names[] = {kDecoder, kFusedQkv, kFusedGateUp, kPreNorm};
constexpr Rows kGemma2Names[] = {kDecoder, kSeparateQkv, kGateUp, kGemmaNorms};
constexpr Rows kGemma3Names[] = {kDecoder, kSeparateQkv, kQkNorm, kGateUp, kGemmaNorms};
constexpr Rows kGlm4Names[] = {kDecoder, kSeparateQkv, kFusedGateUp, kGlm4Norms};
constexpr Rows kChatGlmNames[] = {kChatGlm};
constexpr Rows kGpt2Names[] = {kGpt2};
constexpr Rows kBertNames[] = {kBert};

constexpr SourceConventions kPlain{};
constexpr SourceConventions kPermutedQk{.rope_interleaved = true};
constexpr SourceConventions kNormPlusOne{.norm_has_one_added = true};

// Where several classes share an architecture of GGUF, the first is what its files are taken for.
constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", "llama", kLlamaNames, kPermutedQk, ""},
    {"llama", "MistralForCausalLM", "mistral", kLlamaNames, kPermutedQk, ""},
    {"qwen2", "Qwen2ForCausalLM", "qwen2", kLlamaNames, kPlain, ""},
    {"qwen3", "Qwen3ForCausalLM", "qwen3", kQwen3Names, kPlain, ""},
    {"phi3", "Phi3ForCausalLM", "phi3", kPhi3Names, kPlain, ""},
    {"gemma2", "Gemma2ForCausalLM", "gemma2", kGemma2Names, kNormPlusOne, ""},
    {"gemma3", "Gemma3ForCausalLM", "gemma3_text", kGemma3Names, kNormPlusOne, ""},
    {"chatglm", "ChatGLMModel", "chatglm", kChatGlmNames, kPlain, ""},
    {"chatglm", "ChatGLMForConditionalGeneration", "chatglm", kChatGlmNames, kPlain, ""},
    {"glm4", "Glm4ForCausalLM", "glm4", kGlm4Names, kPlain, ""},
    {"gpt2", "GPT2LMHeadModel", "gpt2", kGpt2Names, kPlain, "transformer."},
    {"bert", "BertModel", "bert", kBertNames, kPlain, "bert."},
    {"bert", "BertForMaskedLM", "bert", kBertNames, kPlain, "bert."},
};

// ---- matching

// `name` with its ".weight" or ".bias" cut off; `word` is what was cut.
std::string_view without_last_word(std::string_view name, std::string_view* word) {
  const size_t dot = name.rfind('.');
  *word = dot == std::string_view::npos ? "" : name.substr(dot);
  if (*word == ".weight" || *word == ".bias") return name.substr(0, dot);
  *word = "";
  return name;
}

// The number that "*" of the pattern stands for in `stem`; "" without a "*"; nullopt: no match.
std::optional<std::string_view> match(std::string_view pattern, std::string_view stem) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos)
    return pattern == stem ? std::optional<std::string_view>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  if (stem.size() <= before.size() + after.size() || !stem.starts_with(before) ||
      !stem.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view number =
      stem.substr(before.size(), stem.size() - before.size() - after.size());
  const bool digits =
      std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::optional(number) : std::nullopt;
}

std::string fill(std::string_view pattern, std::string_view number, std::string_view word) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return std::string(pattern).append(word);
  return std::string(pattern.substr(0, star))
      .append(number)
      .append(pattern.substr(star + 1))
      .append(word);
}

// Translates from one member of the rows to the other; "" if no row matches.
std::string translate(const GgufArchitecture& architecture, std::string_view name,
                      const char* Row::*from, const char* Row::*to) {
  std::string_view word;
  const std::string_view stem = without_last_word(name, &word);
  if (word.empty()) return "";
  for (const Rows& rows : architecture.names) {
    for (const Row& row : rows) {
      if (const auto number = match(row.*from, stem)) return fill(row.*to, *number, word);
    }
  }
  return "";
}

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() { return kArchitectures; }

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  for (const auto& architecture : kArchitectures) {
    if (architecture.name == name) return &architecture;
  }
  return nullptr;
}

const GgufArchitecture* gguf_architecture_of(const Json& hf_config) {
  const Json* classes = find_member(hf_config, "architectures");
  if (classes && classes->is_array() && !classes->empty() && (*classes)[0].is_string()) {
    for (const auto& architecture : kArchitectures) {
      if ((*classes)[0].get_ref<const std::string&>() == architecture.hf_class)
        return &architecture;
    }
  }
  const Json* type = find_member(hf_config, "model_type");
  if (!type || !type->is_string()) return nullptr;
  for (const auto& architecture : kArchitectures) {
    if (type->get_ref<const std::string&>() == architecture.model_type) return &architecture;
  }
  return nullptr;
}

std::string hf_tensor_name(const GgufArchitecture* architecture, std::string_view gguf_name) {
  std::string name = architecture ? translate(*architecture, gguf_name, &Row::gguf, &Row::hf) : "";
  return name.empty() ? std::string(gguf_name) : name;
}

std::string gguf_tensor_name(std::string_view architecture, std::string_view hf_name) {
  const GgufArchitecture* row = find_gguf_architecture(architecture);
  return row ? translate(*row, hf_name, &Row::hf, &Row::gguf) : "";
}

}  // namespace jiang
