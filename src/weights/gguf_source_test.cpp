#include "weights/gguf_source.h"

#include <gtest/gtest.h>

#include "base/json_value.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

TEST(GgufSource, ReadsEveryTypeOfTinyQwen2) {
  for (const char* type :
       {"BF16", "IQ4_NL", "Q4_0", "Q4_1", "Q4_K_S", "Q5_0", "Q5_1", "Q6_K", "Q8_0", "f16"}) {
    JIANG_NEED_DATA(path, fmt::format("weights/tiny-qwen2/tiny-qwen2-{}.gguf", type));
    const auto source = open_tensor_source(path);
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ((*source)->tensors().size(), 26u);
    const TensorInfo* k = (*source)->find("model.layers.1.self_attn.k_proj.weight");
    ASSERT_TRUE(k);
    EXPECT_EQ(k->source_name, "blk.1.attn_k.weight");
    EXPECT_EQ(k->shape, (Shape{128, 256}));
    EXPECT_EQ((*source)->find("model.embed_tokens.weight")->shape, (Shape{1500, 256}));
    EXPECT_EQ((*source)->find("lm_head.weight"), nullptr);
    EXPECT_FALSE((*source)->conventions().rope_interleaved);
    const Json& config = (*source)->config();
    EXPECT_EQ(config["architectures"][0], "Qwen2ForCausalLM");
    EXPECT_EQ(config["num_hidden_layers"], 2);
    EXPECT_EQ(config["num_key_value_heads"], 2);
    EXPECT_EQ(config["head_dim"], 64);
    EXPECT_EQ(config["rope_theta"], 1e6);
    EXPECT_EQ(config["tie_word_embeddings"], true);
    EXPECT_EQ(config["vocab_size"], 1500);
    EXPECT_EQ((*source)->generation_config()["eos_token_id"][0], 1499);
    EXPECT_TRUE((*source)->still_whole());
  }
}

TEST(GgufSource, ReadsLlama) {
  JIANG_NEED_DATA(path, "weights/stories260K/stories260K-f32.gguf");
  const auto source = open_tensor_source(path);
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ((*source)->tensors().size(), 47u);
  EXPECT_TRUE((*source)->conventions().rope_interleaved);
  const Json& config = (*source)->config();
  EXPECT_EQ(config["model_type"], "llama");
  EXPECT_EQ(config["hidden_size"], 64);
  EXPECT_EQ(config["intermediate_size"], 172);
  EXPECT_EQ(config["rope_theta"], 10000.0);
  EXPECT_EQ(static_cast<float>(config["rms_norm_eps"].get<double>()), 1e-5f);
}

TEST(GgufSource, ReadsVocabulariesWithoutTensors) {
  for (const char* name : {"bert-bge", "deepseek-coder", "gpt-2", "llama-spm", "phi-3"}) {
    JIANG_NEED_DATA(path, fmt::format("tokenizers/ggml-vocab/ggml-vocab-{}.gguf", name));
    const auto source = open_tensor_source(path);
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_TRUE((*source)->tensors().empty());
  }
}

}  // namespace
}  // namespace jiang
