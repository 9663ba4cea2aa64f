#include "convert/quantize_recipes.h"

#include <gtest/gtest.h>

#include <string>

#include "convert/quantize.h"

namespace jiang {
namespace {

Format format_of(const char* recipe, const std::string& tensor, int layer, TensorPlace place = {}) {
  const std::string name = layer < 0 ? tensor : "blk." + std::to_string(layer) + "." + tensor;
  place.name = name;
  place.layer = layer;
  if (place.cols == 0) place.cols = 4096;
  if (place.n_layers == 0) place.n_layers = 32;
  return choose_format(*find_recipe(recipe), place, false).format;
}

// "6" for each layer of 32 with q6_k and so on: the picture that people know from llama-quantize.
std::string layers(const char* recipe, const char* tensor, TensorPlace place = {}) {
  std::string picture;
  for (int layer = 0; layer < 32; ++layer) {
    picture += weight_format(format_of(recipe, tensor, layer, place)).name[1];
  }
  return picture;
}

TEST(Recipes, MixturesAreThoseOfLlamaQuantize) {
  EXPECT_EQ(layers("q4_k_m", "ffn_down.weight"), "66664464464464464464464464466666");
  EXPECT_EQ(layers("q4_k_m", "attn_v.weight"), "66664464464464464464464464466666");
  EXPECT_EQ(layers("q4_k_m", "attn_k.weight"), std::string(32, '4'));
  EXPECT_EQ(layers("q4_k_m", "attn_qkv.weight"), std::string(32, '5'));
  EXPECT_EQ(layers("q4_k_m", "ffn_up.weight"), std::string(32, '4'));
  EXPECT_EQ(layers("q4_k_s", "attn_v.weight"), "5555" + std::string(28, '4'));
  EXPECT_EQ(layers("q4_k_s", "ffn_down.weight"), "5555" + std::string(28, '4'));
  EXPECT_EQ(layers("q5_k_m", "ffn_down.weight"), "66665565565565565565565565566666");
  EXPECT_EQ(layers("q5_k_s", "ffn_down.weight"), std::string(32, '5'));
  EXPECT_EQ(layers("q3_k_m", "attn_v.weight"), "55" + std::string(30, '4'));
  EXPECT_EQ(layers("q3_k_m", "ffn_down.weight"), "55" + std::string(30, '4'));
  EXPECT_EQ(layers("q3_k_m", "attn_output.weight"), std::string(32, '4'));
  EXPECT_EQ(layers("q3_k_m", "attn_q.weight"), std::string(32, '3'));
  EXPECT_EQ(layers("q3_k_l", "attn_output.weight"), std::string(32, '5'));
  EXPECT_EQ(layers("q3_k_s", "attn_v.weight"), std::string(32, '3'));
  EXPECT_EQ(layers("q2_k", "ffn_down.weight"), std::string(32, '3'));
  EXPECT_EQ(layers("q2_k", "attn_v.weight"), std::string(32, '3'));
  EXPECT_EQ(layers("q2_k", "attn_v.weight", {.heads_per_kv = 4}), std::string(32, '4'));
  EXPECT_EQ(format_of("iq4_xs", "attn_v.weight", 9, {.heads_per_kv = 8}), Format::q5_k);
  EXPECT_EQ(format_of("iq4_xs", "ffn_down.weight", 3), Format::q5_k);
  EXPECT_EQ(format_of("iq4_xs", "ffn_down.weight", 3, {.has_importance = true}), Format::iq4_xs);
  EXPECT_EQ(format_of("q4_0", "ffn_down.weight", 3), Format::q4_0);
  EXPECT_EQ(format_of("q4_0", "ffn_down.weight", 3, {.has_importance = true}), Format::q4_1);
  EXPECT_EQ(format_of("q4_k_s", "attn_v.weight", 40, {.n_layers = 80, .heads_per_kv = 8}),
            Format::q5_k);
}

TEST(Recipes, TheOutputMatrixGetsMoreBits) {
  const TensorPlace output{.serves_as_output = true};
  for (const char* recipe : {"q4_0", "q4_k_m", "q2_k", "iq4_nl", "q5_1"}) {
    EXPECT_EQ(format_of(recipe, "output.weight", -1, output), Format::q6_k) << recipe;
  }
  EXPECT_EQ(format_of("q8_0", "output.weight", -1, output), Format::q8_0);
  EXPECT_EQ(format_of("f16", "output.weight", -1, output), Format::f16);
  TensorPlace place = output;
  place.name = "output.weight";
  place.cols = 256;
  EXPECT_EQ(choose_format(*find_recipe("q4_0"), place, true).format, Format::q4_0);
}

TEST(Recipes, RowsThatBlocksDoNotDivideFallBack) {
  const struct {
    const char* recipe;
    int64_t cols;
    Format expected;
  } kCases[] = {{"q4_k_s", 896, Format::q5_0},   {"q5_k_s", 896, Format::q5_1},
                {"q6_k", 896, Format::q8_0},     {"q2_k_s", 896, Format::iq4_nl},
                {"q3_k_s", 896, Format::iq4_nl}, {"iq4_xs", 896, Format::iq4_nl},
                {"q4_0", 100, Format::f16},      {"q4_k_s", 100, Format::f16}};
  for (const auto& [recipe, cols, expected] : kCases) {
    const TensorPlace place{
        .name = "blk.9.attn_q.weight", .cols = cols, .layer = 9, .n_layers = 32};
    const FormatChoice choice = choose_format(*find_recipe(recipe), place, false);
    EXPECT_EQ(choice.format, expected) << recipe;
    EXPECT_TRUE(choice.fallback);
  }
  // 896 columns of an output matrix: q6_k's stand-in, as in llama.cpp's files of Qwen2-0.5B.
  const TensorPlace place{.name = "output.weight", .cols = 896, .serves_as_output = true};
  EXPECT_EQ(choose_format(*find_recipe("q4_0"), place, false).format, Format::q8_0);
}

TEST(Recipes, AreFoundByEveryNamePeopleKnow) {
  const std::pair<const char*, const char*> kNames[] = {
      {"sym_int4", "q4_0"}, {"asym_int4", "q4_1"}, {"sym_int5", "q5_0"}, {"asym_int5", "q5_1"},
      {"sym_int8", "q8_0"}, {"fp16", "f16"},       {"BF16", "bf16"},     {"Q4_K_M", "q4_k_m"},
      {"q4_k", "q4_k_m"},   {"q6_k", "q6_k"}};
  for (const auto& [name, recipe] : kNames) {
    const auto type = find_quantize_type(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(type->name, recipe);
  }
  const auto slip = find_quantize_type("q4_k_n");
  ASSERT_FALSE(slip);
  EXPECT_NE(slip.error().message.find("did you mean"), std::string::npos) << slip.error().message;
  EXPECT_FALSE(find_quantize_type(""));
  // Every format that can be written is the base of a recipe.
  for (const WeightFormat& format : weight_formats()) {
    const auto all = recipes();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const Recipe& r) {
      return r.base == format.id;
    })) << format.name;
  }
}

}  // namespace
}  // namespace jiang
