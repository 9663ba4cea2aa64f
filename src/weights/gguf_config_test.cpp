// GGUF <-> Hugging Face: names and configs of every family, from configs as their checkpoints have
// them.
#include "weights/gguf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/json_value.h"
#include "weights/gguf_names.h"

namespace jiang {
namespace {

using testing::HasSubstr;

Json json(const char* text) { return *parse_json(text, "config.json"); }

struct Translated {
  Metadata metadata;
  Json config;
};

// config.json -> GGUF's keys and extra tensors -> config.json again.
Translated there_and_back(const Json& config,
                          std::initializer_list<const char*> other_tensors = {}) {
  auto metadata = gguf_metadata_from_config(config, "config.json");
  EXPECT_TRUE(metadata) << metadata.error().message;
  auto extra = gguf_extra_tensors(config, "config.json");
  EXPECT_TRUE(extra) << extra.error().message;
  std::vector<GgufTensorEntry> tensors;
  for (const GgufExtraTensor& tensor : *extra) {
    tensors.push_back({tensor.name, Format::f32, Shape{static_cast<int64_t>(tensor.values.size())},
                       std::as_bytes(std::span(tensor.values))});
  }
  for (const char* name : other_tensors) tensors.push_back({name, Format::f16, Shape{100, 64}, {}});
  tensors.push_back({"token_embd.weight", Format::f16, Shape{1000, 64}, {}});
  auto back = config_from_gguf(*metadata, tensors, "m.gguf");
  EXPECT_TRUE(back) << back.error().message;
  return {*metadata, *back};
}

// Every member of `part` stands in `whole` with the same value; numbers to float precision.
void expect_has(const Json& whole, const Json& part) {
  for (const auto& [key, value] : part.items()) {
    const Json* found = find_member(whole, key);
    if (!found) {
      EXPECT_TRUE(value.is_null()) << key << " is missing";
    } else if (value.is_number()) {
      EXPECT_NEAR(found->get<double>(), value.get<double>(), 1e-6 * std::abs(value.get<double>()))
          << key;
    } else if (value.is_object()) {
      expect_has(*found, value);
    } else {
      EXPECT_EQ(*found, value) << key;
    }
  }
}

uint64_t uint_of(const Metadata& metadata, const char* key) {
  const MetaValue* value = metadata.find(key);
  EXPECT_TRUE(value && std::holds_alternative<uint64_t>(*value)) << key;
  return value ? std::get<uint64_t>(*value) : 0;
}

TEST(GgufConfig, Llama31) {
  const Json config =
      json(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
    "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "hidden_act": "silu",
    "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false, "vocab_size": 1000})");
  auto [metadata, back] = there_and_back(config, {"output.weight"});
  Json expected = config;
  expected.erase("rope_scaling");  // as a tensor
  expected["head_dim"] = 128;
  expect_has(back, expected);
  EXPECT_TRUE(back["rope_scaling"].is_null());
  EXPECT_EQ(uint_of(metadata, "llama.rope.dimension_count"), 128u);

  // Fast waves are kept, slow ones stretched eightfold, in between it is smooth.
  const auto extra = gguf_extra_tensors(config, "config.json");
  ASSERT_EQ(extra->size(), 1u);
  EXPECT_EQ((*extra)[0].name, "rope_freqs.weight");
  const std::vector<float>& factors = (*extra)[0].values;
  ASSERT_EQ(factors.size(), 64u);
  EXPECT_EQ(factors[0], 1.0f);
  EXPECT_EQ(factors[28], 1.0f);  // 8192 positions hold 4.2 of its waves
  EXPECT_EQ(factors[63], 8.0f);
  // Wave 32: 500000^(-1/2) * 8192 / 2 pi = 1.8438 waves; smooth = 0.8438 / 3 = 0.28128.
  EXPECT_NEAR(factors[32], 1 / ((1 - 0.28128) / 8 + 0.28128), 1e-3);
  EXPECT_TRUE(std::is_sorted(factors.begin(), factors.end()));
}

TEST(GgufConfig, MistralIsALlamaWithAWindow) {
  const Json config = json(
      R"({"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 4096,
    "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
    "tie_word_embeddings": false})");
  auto [metadata, back] = there_and_back(config, {"output.weight"});
  EXPECT_EQ(*metadata.get_string("general.architecture"), "llama");
  expect_has(back, config);
  Json without = config;
  without["sliding_window"] = nullptr;
  EXPECT_EQ(there_and_back(without).config["model_type"], "llama");
}

TEST(GgufConfig, Qwen2AndQwen3) {
  const Json qwen2 =
      json(R"({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 896,
    "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
    "max_position_embeddings": 32768, "max_window_layers": 21, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "sliding_window": 32768, "use_sliding_window": false, "tie_word_embeddings": true, "hidden_act": "silu"})");
  Json expected = qwen2;
  expected.erase("sliding_window");  // not used
  expected.erase("max_window_layers");
  expected["head_dim"] = 64;
  const auto result = there_and_back(qwen2);
  expect_has(result.config, expected);
  EXPECT_FALSE(result.config.contains("sliding_window"));
  EXPECT_FALSE(result.metadata.has("qwen2.attention.sliding_window"));
  Json windowed = qwen2;
  windowed["use_sliding_window"] = true;
  EXPECT_THAT(gguf_metadata_from_config(windowed, "c").error().message,
              HasSubstr("layers from 21 on"));
  windowed["max_window_layers"] = 24;  // no layer is left
  EXPECT_TRUE(gguf_metadata_from_config(windowed, "c"));

  const Json qwen3 =
      json(R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 128,
    "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
    "num_key_value_heads": 8, "max_position_embeddings": 40960, "rms_norm_eps": 1e-06, "rope_theta": 1000000,
    "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
    "use_sliding_window": false, "tie_word_embeddings": true})");
  expect_has(there_and_back(qwen3).config, qwen3);
}

TEST(GgufConfig, LinearRopeScaling) {
  const Json config = json(
      R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 11008,
    "num_hidden_layers": 32, "num_attention_heads": 32, "max_position_embeddings": 16384, "rms_norm_eps": 1e-06,
    "rope_theta": 100000, "rope_scaling": {"factor": 4.0, "type": "linear"}})");
  expect_has(there_and_back(config).config, config);
  Json dynamic = config;
  dynamic["rope_scaling"]["type"] = "dynamic";
  EXPECT_THAT(gguf_metadata_from_config(dynamic, "c").error().message,
              HasSubstr("\"dynamic\" has no form in GGUF"));
}

TEST(GgufConfig, Phi3WithLongRope) {
  const Json config =
      json(R"({"architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "hidden_size": 3072,
    "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "max_position_embeddings": 131072, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0, "rope_scaling": {"long_factor": [1.0, 1.5, 8.25], "short_factor": [1.0, 1.0, 1.125],
    "type": "longrope"}, "sliding_window": 262144, "tie_word_embeddings": false})");
  auto [metadata, back] = there_and_back(config, {"output.weight"});
  expect_has(back, config);
  // sqrt(1 + ln(32) / ln(4096))
  EXPECT_NEAR(back["rope_scaling"]["attention_factor"].get<double>(), 1.190238, 1e-6);

  Json phi4 = config;
  phi4["sliding_window"] = nullptr;
  phi4["partial_rotary_factor"] = 0.75;
  auto [phi4_metadata, phi4_back] = there_and_back(phi4);
  EXPECT_EQ(uint_of(phi4_metadata, "phi3.attention.sliding_window"), 0u);
  EXPECT_EQ(uint_of(phi4_metadata, "phi3.rope.dimension_count"), 72u);
  EXPECT_EQ(phi4_back["partial_rotary_factor"], 0.75);
  EXPECT_FALSE(phi4_back.contains("sliding_window"));
}

TEST(GgufConfig, Gemma2) {
  const Json config =
      json(R"({"architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "head_dim": 256,
    "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 2304, "intermediate_size": 9216, "max_position_embeddings": 8192, "num_attention_heads": 8,
    "num_hidden_layers": 26, "num_key_value_heads": 4, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": true})");
  auto [metadata, back] = there_and_back(config);
  expect_has(back, config);
  EXPECT_FALSE(metadata.has("gemma2.attention.scale"));
  EXPECT_EQ(back["layer_types"][0], "sliding_attention");
  EXPECT_EQ(back["layer_types"][1], "full_attention");
  EXPECT_EQ(back["layer_types"].size(), 26u);

  Json large = config;  // 27B: what llama.cpp knows by the number of layers
  large["num_hidden_layers"] = 46, large["hidden_size"] = 4608, large["num_attention_heads"] = 32;
  large["num_key_value_heads"] = 16, large["head_dim"] = 128, large["query_pre_attn_scalar"] = 144;
  auto [large_metadata, large_back] = there_and_back(large);
  EXPECT_FALSE(large_metadata.has("gemma2.attention.scale"));
  EXPECT_NEAR(large_back["query_pre_attn_scalar"].get<double>(), 144, 1e-9);

  Json odd = config;  // one that llama.cpp does not know
  odd["query_pre_attn_scalar"] = 224;
  EXPECT_NEAR(there_and_back(odd).config["query_pre_attn_scalar"].get<double>(), 224, 1e-3);
}

TEST(GgufConfig, Gemma3) {
  const Json config =
      json(R"({"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2560, "intermediate_size": 10240,
    "max_position_embeddings": 131072, "num_attention_heads": 8, "num_hidden_layers": 34, "num_key_value_heads": 4,
    "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000, "rope_theta": 1000000,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024, "sliding_window_pattern": 6,
    "tie_word_embeddings": true})");
  auto [metadata, back] = there_and_back(config);
  expect_has(back, config);
  EXPECT_EQ(back["layer_types"][4], "sliding_attention");
  EXPECT_EQ(back["layer_types"][5], "full_attention");
  EXPECT_FALSE(metadata.has("gemma3.attention.sliding_window_pattern"));

  Json listed = config;
  listed.erase("sliding_window_pattern");
  listed["num_hidden_layers"] = 4;
  listed["layer_types"] =
      json(R"(["sliding_attention", "full_attention", "sliding_attention", "full_attention"])");
  EXPECT_EQ(there_and_back(listed).config["layer_types"], listed["layer_types"]);
  listed["layer_types"] =
      json(R"(["full_attention", "sliding_attention", "full_attention", "sliding_attention"])");
  EXPECT_THAT(gguf_metadata_from_config(listed, "c").error().message, HasSubstr("layer_types"));
}

TEST(GgufConfig, ChatGlm) {
  const Json config =
      json(R"({"architectures": ["ChatGLMModel"], "model_type": "chatglm", "add_bias_linear": false,
    "add_qkv_bias": true, "ffn_hidden_size": 13696, "hidden_size": 4096, "kv_channels": 128, "layernorm_epsilon": 1e-05,
    "multi_query_attention": true, "multi_query_group_num": 2, "num_attention_heads": 32, "num_layers": 40,
    "rope_ratio": 500, "seq_length": 131072, "rmsnorm": true, "tie_word_embeddings": false})");
  auto [metadata, back] = there_and_back(config, {"output.weight", "blk.0.attn_qkv.bias"});
  expect_has(back, config);
  EXPECT_EQ(uint_of(metadata, "chatglm.rope.dimension_count"), 64u);
  EXPECT_EQ(uint_of(metadata, "chatglm.attention.head_count_kv"), 2u);
  EXPECT_EQ(*metadata.get_number("chatglm.rope.freq_base"), 5e6);
  EXPECT_EQ(back["padded_vocab_size"], 1000);
}

TEST(GgufConfig, Glm4) {
  const Json config =
      json(R"({"architectures": ["Glm4ForCausalLM"], "model_type": "glm4", "attention_bias": true,
    "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 13696,
    "max_position_embeddings": 32768, "num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 2,
    "partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": false})");
  expect_has(there_and_back(config, {"output.weight", "blk.0.attn_q.bias"}).config, config);
}

TEST(GgufConfig, Gpt2) {
  const Json config = json(
      R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 768, "n_head": 12,
    "n_layer": 12, "n_positions": 1024, "n_ctx": 1024, "layer_norm_epsilon": 1e-05, "activation_function": "gelu_new"})");
  auto [metadata, back] = there_and_back(config);
  expect_has(back, config);
  EXPECT_EQ(uint_of(metadata, "gpt2.feed_forward_length"), 3072u);
}

TEST(GgufConfig, Bert) {
  const Json config =
      json(R"({"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu",
    "hidden_size": 384, "intermediate_size": 1536, "layer_norm_eps": 1e-12, "max_position_embeddings": 512,
    "num_attention_heads": 12, "num_hidden_layers": 12, "pooling_type": "cls", "type_vocab_size": 100})");
  auto [metadata, back] = there_and_back(config, {"token_types.weight"});
  expect_has(back, config);
  EXPECT_EQ(*metadata.get_bool("bert.attention.causal"), false);
  EXPECT_EQ(uint_of(metadata, "tokenizer.ggml.token_type_count"), 100u);
}

TEST(GgufConfig, WhatCannotBeTranslatedIsNamed) {
  EXPECT_THAT(gguf_metadata_from_config(json(R"({"architectures": ["FooForCausalLM"]})"), "c")
                  .error()
                  .message,
              HasSubstr("no name that jiang knows"));
  EXPECT_THAT(
      gguf_metadata_from_config(json(R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 0,
              "max_position_embeddings": 5})"),
                                "c")
          .error()
          .message,
      HasSubstr("\"hidden_size\" is 0"));
}

TEST(GgufConfig, GenerationConfigCollectsEveryEnd) {
  Metadata metadata;
  metadata.values["tokenizer.ggml.bos_token_id"] = uint64_t{1};
  metadata.values["tokenizer.ggml.eos_token_id"] = uint64_t{2};
  metadata.values["tokenizer.ggml.eot_token_id"] = uint64_t{5};
  metadata.values["general.sampling.temp"] = 0.6;
  const auto config = generation_config_from_gguf(metadata);
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, json(R"({"bos_token_id": 1, "eos_token_id": [2, 5], "temperature": 0.6})"));
}

// ---- names

TEST(GgufNames, EveryFamilysNamesGoBothWays) {
  struct Case {
    const char* architecture;
    const char* gguf;
    const char* hf;
  };
  const Case cases[] = {
      {"llama", "token_embd.weight", "model.embed_tokens.weight"},
      {"llama", "output.weight", "lm_head.weight"},
      {"llama", "output_norm.weight", "model.norm.weight"},
      {"llama", "rope_freqs.weight", "rope_freqs.weight"},
      {"llama", "blk.127.attn_output.weight", "model.layers.127.self_attn.o_proj.weight"},
      {"llama", "blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight"},
      {"qwen2", "blk.3.attn_k.bias", "model.layers.3.self_attn.k_proj.bias"},
      {"qwen3", "blk.3.attn_q_norm.weight", "model.layers.3.self_attn.q_norm.weight"},
      {"phi3", "blk.1.attn_qkv.weight", "model.layers.1.self_attn.qkv_proj.weight"},
      {"phi3", "blk.1.ffn_up.weight", "model.layers.1.mlp.gate_up_proj.weight"},
      {"phi3", "rope_factors_long.weight", "rope_factors_long.weight"},
      {"gemma2", "blk.1.ffn_norm.weight", "model.layers.1.pre_feedforward_layernorm.weight"},
      {"gemma2", "blk.1.post_attention_norm.weight",
       "model.layers.1.post_attention_layernorm.weight"},
      {"gemma3", "blk.1.post_ffw_norm.weight", "model.layers.1.post_feedforward_layernorm.weight"},
      {"gemma3", "blk.1.attn_k_norm.weight", "model.layers.1.self_attn.k_norm.weight"},
      {"glm4", "blk.1.post_attention_norm.weight",
       "model.layers.1.post_self_attn_layernorm.weight"},
      {"glm4", "blk.1.post_ffw_norm.weight", "model.layers.1.post_mlp_layernorm.weight"},
      {"glm4", "blk.1.ffn_norm.weight", "model.layers.1.post_attention_layernorm.weight"},
      {"chatglm", "token_embd.weight", "transformer.embedding.word_embeddings.weight"},
      {"chatglm", "output.weight", "transformer.output_layer.weight"},
      {"chatglm", "blk.9.attn_qkv.bias",
       "transformer.encoder.layers.9.self_attention.query_key_value.bias"},
      {"chatglm", "blk.9.ffn_down.weight", "transformer.encoder.layers.9.mlp.dense_4h_to_h.weight"},
      {"gpt2", "position_embd.weight", "transformer.wpe.weight"},
      {"gpt2", "blk.9.attn_qkv.bias", "transformer.h.9.attn.c_attn.bias"},
      {"gpt2", "output_norm.bias", "transformer.ln_f.bias"},
      {"bert", "token_types.weight", "bert.embeddings.token_type_embeddings.weight"},
      {"bert", "token_embd_norm.bias", "bert.embeddings.LayerNorm.bias"},
      {"bert", "blk.9.attn_output_norm.weight",
       "bert.encoder.layer.9.attention.output.LayerNorm.weight"},
      {"bert", "blk.9.layer_output_norm.bias", "bert.encoder.layer.9.output.LayerNorm.bias"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(hf_tensor_name(find_gguf_architecture(c.architecture), c.gguf), c.hf);
    EXPECT_EQ(gguf_tensor_name(c.architecture, c.hf), c.gguf);
  }
}

TEST(GgufNames, NoTwoRowsOfAnArchitectureMeet) {
  for (const GgufArchitecture& architecture : gguf_architectures()) {
    std::set<std::string> gguf, hf;
    for (const auto& rows : architecture.names) {
      for (const TensorNameRow& row : rows) {
        EXPECT_TRUE(gguf.insert(row.gguf).second) << architecture.name << " " << row.gguf;
        EXPECT_TRUE(hf.insert(row.hf).second) << architecture.name << " " << row.hf;
      }
    }
  }
}

TEST(GgufNames, UnknownNamesStayAndHaveNoGgufName) {
  const GgufArchitecture* llama = find_gguf_architecture("llama");
  for (const char* name :
       {"blk.x.attn_q.weight", "blk..attn_q.weight", "blk.1.attn_q", "attn_q.weight", "", ".weight",
        "blk.1.attn_q.weight.weight", "blk.1.ffn_gate_exps.weight"}) {
    EXPECT_EQ(hf_tensor_name(llama, name), name);
  }
  EXPECT_EQ(hf_tensor_name(nullptr, "output.weight"), "output.weight");
  EXPECT_EQ(gguf_tensor_name("llama", "model.layers.0.block_sparse_moe.gate.weight"), "");
  EXPECT_EQ(gguf_tensor_name("nothing", "lm_head.weight"), "");
  EXPECT_EQ(find_gguf_architecture("nothing"), nullptr);
}

}  // namespace
}  // namespace jiang
