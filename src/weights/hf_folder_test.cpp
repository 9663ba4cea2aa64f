#include "weights/hf_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/json_value.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// "" when it opens.
std::string folder_error(const TempFolder& folder) {
  const auto source = open_tensor_source(folder.path());
  return source ? "" : source.error().message;
}

std::shared_ptr<const TensorSource> open(const TempFolder& folder) {
  auto source = open_tensor_source(folder.path());
  EXPECT_TRUE(source) << source.error().message;
  return source ? *source : nullptr;
}

std::vector<std::string> names_of(const TensorSource& source) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : source.tensors()) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  return names;
}

TEST(HfFolder, ReadsTinyStories) {
  JIANG_NEED_DATA(path, "weights/tinystories-656k");
  const auto source = open_tensor_source(path);
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ((*source)->tensors().size(), 20u);
  EXPECT_EQ((*source)->metadata(), nullptr);
  EXPECT_FALSE((*source)->conventions().rope_interleaved);
  const TensorInfo* k = (*source)->find("model.layers.1.self_attn.k_proj.weight");
  ASSERT_TRUE(k);
  EXPECT_EQ(k->shape, (Shape{64, 128}));
  EXPECT_EQ(k->format, Format::f32);
  EXPECT_EQ(k->source_name, k->name);
  EXPECT_EQ((*source)->config()["num_key_value_heads"], 4);
  EXPECT_EQ((*source)->generation_config()["eos_token_id"], 2);
  EXPECT_TRUE((*source)->still_whole());
}

TEST(HfFolder, ReadsModel2VecInEveryDtype) {
  for (const auto& [name, usable] :
       {std::pair{"float32", true}, {"float16", true}, {"int8", false}}) {
    JIANG_NEED_DATA(path, fmt::format("weights/model2vec/test-model-{}", name));
    const auto source = open_tensor_source(path);
    ASSERT_TRUE(source) << source.error().message;
    const auto table = (*source)->require("embeddings");
    EXPECT_EQ(table.has_value(), usable);
    if (usable) {
      EXPECT_EQ((*table)->shape, (Shape{29528, 2}));
    } else {
      EXPECT_NE(table.error().message.find("I8"), std::string::npos) << table.error().message;
    }
  }
}

// ---- spellings

TEST(HfFolder, BuffersAndUnusableTensorsDoNotStopAModel) {
  const TempFolder folder;
  folder.write("config.json", R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama"})");
  folder.write(
      "model.safetensors",
      safetensors_bytes({safetensors_zeros("model.norm.weight", {4}),
                         safetensors_zeros("model.layers.0.self_attn.rotary_emb.inv_freq", {2}),
                         {"model.position_ids", "I64", {1}, "12345678"},
                         {"lm_head.weight", "F8_E4M3", {2, 2}, "1234"}}));
  const auto source = open(folder);
  EXPECT_EQ(names_of(*source), (std::vector<std::string>{"model.norm.weight"}));
  EXPECT_EQ(source->unusable().size(), 2u);
  EXPECT_THAT(source->require("lm_head.weight").error().message,
              AllOf(HasSubstr("lm_head.weight"), HasSubstr("F8_E4M3")));
  EXPECT_THAT(source->require("model.embed_tokens.weight").error().message,
              HasSubstr("is missing"));
  EXPECT_TRUE(source->require("model.norm.weight"));
}

TEST(HfFolder, Gpt2AndBertGetThePrefixThatSomeCheckpointsLeaveAway) {
  for (const char* prefix : {"", "transformer."}) {
    const TempFolder folder;
    folder.write("config.json", R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"})");
    folder.write(
        "model.safetensors",
        safetensors_bytes({safetensors_zeros(fmt::format("{}wte.weight", prefix), {4, 2}),
                           safetensors_zeros(fmt::format("{}h.0.attn.bias", prefix), {1, 1, 4, 4}),
                           safetensors_zeros(fmt::format("{}h.0.attn.c_attn.bias", prefix), {6})}));
    const auto source = open(folder);
    EXPECT_EQ(names_of(*source), (std::vector<std::string>{"transformer.h.0.attn.c_attn.bias",
                                                           "transformer.wte.weight"}));
    EXPECT_TRUE(source->conventions().conv1d_transposed);
    EXPECT_EQ(source->find("transformer.wte.weight")->source_name,
              fmt::format("{}wte.weight", prefix));
  }
  for (const char* prefix : {"", "bert."}) {
    const TempFolder folder;
    folder.write("config.json", R"({"architectures": ["BertModel"], "model_type": "bert"})");
    folder.write(
        "1_Pooling/config.json",
        R"({"word_embedding_dimension": 4, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})");
    folder.write("model.safetensors",
                 safetensors_bytes(
                     {safetensors_zeros(fmt::format("{}embeddings.LayerNorm.bias", prefix), {4}),
                      {fmt::format("{}embeddings.position_ids", prefix), "I64", {1}, "12345678"},
                      safetensors_zeros(fmt::format("{}pooler.dense.bias", prefix), {4})}));
    const auto source = open(folder);
    EXPECT_EQ(names_of(*source), (std::vector<std::string>{"bert.embeddings.LayerNorm.bias"}));
    EXPECT_EQ(source->config()["pooling_type"], "cls");
  }
}

TEST(HfFolder, OfAModelWithEyesOnlyTheLanguageModelIsThere) {
  const TempFolder folder;
  folder.write(
      "config.json",
      R"({"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "eos_token_id": [1, 106],
                                  "text_config": {"model_type": "gemma3_text", "hidden_size": 2560}, "vision_config": {}})");
  folder.write("model.safetensors",
               safetensors_bytes({safetensors_zeros("language_model.model.norm.weight", {4}),
                                  safetensors_zeros("vision_tower.x.weight", {4})}));
  const auto source = open(folder);
  EXPECT_EQ(names_of(*source), (std::vector<std::string>{"model.norm.weight"}));
  EXPECT_EQ(source->config()["architectures"][0], "Gemma3ForCausalLM");
  EXPECT_EQ(source->config()["hidden_size"], 2560);
  EXPECT_EQ(source->config()["eos_token_id"][1], 106);
}

TEST(HfFolder, RopeParametersOfTransformers5AreSpelledAsBefore) {
  const TempFolder folder;
  folder.write("model.safetensors",
               safetensors_bytes({safetensors_zeros("model.norm.weight", {4})}));
  folder.write(
      "config.json",
      R"({"model_type": "llama", "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}})");
  const auto linear = open(folder);
  EXPECT_EQ(linear->config()["rope_theta"], 5e5);
  EXPECT_EQ(linear->config()["rope_scaling"]["factor"], 2.0);
  folder.write(
      "config.json",
      R"({"model_type": "gemma3_text", "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6},
                                  "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}})");
  const auto gemma = open(folder);
  EXPECT_EQ(gemma->config()["rope_theta"], 1e6);
  EXPECT_EQ(gemma->config()["rope_local_base_freq"], 1e4);
  EXPECT_FALSE(gemma->config().contains("rope_scaling"));
}

// ---- shards (A19)

constexpr const char* kIndex =
    R"({"metadata": {"total_size": 32, "more": [1, {"a": null}]}, "weight_map": {
  "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})";

void write_shards(const TempFolder& folder, const char* first = "a", const char* second = "b",
                  const char* index = kIndex) {
  folder.write("config.json", R"({"model_type": "llama"})");
  folder.write("model.safetensors.index.json", index);
  folder.write("model-00001-of-00002.safetensors",
               safetensors_bytes({safetensors_zeros(first, {4})}));
  folder.write("model-00002-of-00002.safetensors",
               safetensors_bytes({safetensors_zeros(second, {4})}));
}

TEST(HfFolder, ShardsAreOneModel) {
  const TempFolder folder;
  write_shards(folder);
  EXPECT_EQ(names_of(*open(folder)), (std::vector<std::string>{"a", "b"}));
}

TEST(HfFolder, MissingSwappedAndForeignShardsAreRefused) {
  const TempFolder folder;
  write_shards(folder, "b", "a");
  EXPECT_THAT(folder_error(folder), HasSubstr("tensor b is not in this shard by the index"));
  write_shards(folder, "a", "c");
  EXPECT_THAT(folder_error(folder), HasSubstr("tensor c is not in this shard"));
  folder.write("model-00002-of-00002.safetensors", safetensors_bytes("{}", ""));
  EXPECT_THAT(folder_error(folder), HasSubstr("not there: b in model-00002-of-00002.safetensors"));
  std::filesystem::remove(folder.path("model-00002-of-00002.safetensors"));
  EXPECT_THAT(folder_error(folder),
              HasSubstr("shards are missing: model-00002-of-00002.safetensors"));
}

TEST(ShardIndex, OnlyPlainNamesInThisFolderAreOpened) {
  for (const char* name :
       {"../model.safetensors", "/etc/passwd", "a/b.safetensors", "a\\\\b.safetensors",
        ".safetensors", "model.bin", "", "a\\u0000.safetensors", "a\\u001b.safetensors"}) {
    const auto index =
        parse_shard_index(fmt::format(R"({{"weight_map": {{"a": "{}"}}}})", name), "index");
    ASSERT_FALSE(index) << name;
    EXPECT_THAT(index.error().message,
                HasSubstr("is not the name of a safetensors file in this folder"));
  }
}

TEST(ShardIndex, OddIndexesAreRefused) {
  for (const char* bad :
       {"", "[]", "{}", "1", "{", R"({"weight_map": {}})", R"({"weight_map": []})",
        R"({"weight_map": {"a": 1}})", R"({"weight_map": {"a": {"b": "c.safetensors"}}})",
        R"({"weight_map": "x"})", R"({"weight_map": null})",
        R"({"weight_map": {"a": "b.safetensors", "a": "b.safetensors"}})",
        R"({"weight_map": {"a": "b.safetensors"}, "weight_map": {"a": "b.safetensors"}})",
        R"({"weight_map": {"a": "b.safetensors"}} x)"}) {
    EXPECT_FALSE(parse_shard_index(bad, "index")) << bad;
  }
  std::string deep = R"({"weight_map": {"a": "b.safetensors"}, "metadata": )";
  EXPECT_FALSE(parse_shard_index(deep + std::string(100000, '['), "index"));
}

TEST(ShardIndex, AMillionShardsAreRefusedAndAHundredThousandTensorsAreNot) {
  std::string shards = "{\"weight_map\": {\"x\": \"x.safetensors\"";
  std::string tensors = shards;
  for (int i = 0; i < 1'000'000; ++i) shards += fmt::format(",\"t{}\":\"s{}.safetensors\"", i, i);
  for (int i = 0; i < 100'000; ++i)
    tensors += fmt::format(",\"t{}\":\"s{}.safetensors\"", i, i % 200);
  const auto refused = parse_shard_index(shards + "}}", "index");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("more than 1000 shards"));
  const auto index = parse_shard_index(tensors + "}}", "index");
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_EQ(index->tensors.size(), 100'001u);
  EXPECT_EQ(index->files.size(), 201u);
  EXPECT_EQ(index->files[index->tensors[200].second], "s199.safetensors");
}

// ---- the folder itself (A20, A21)

TEST(HfFolder, FoldersWithoutReadableWeightsSayWhatTheyHold) {
  const TempFolder folder;
  EXPECT_THAT(folder_error(folder),
              HasSubstr("no config.json there; MODEL is a GGUF file or a Hugging Face folder"));
  folder.write("config.json", "{}");
  EXPECT_THAT(folder_error(folder), HasSubstr("neither model.safetensors nor"));
  folder.write("pytorch_model.bin", "PK\x03\x04");
  EXPECT_THAT(folder_error(folder),
              AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("pickles"), HasSubstr("never read")));
  folder.write("model.safetensors", "PK\x03\x04 a renamed ZIP file");
  EXPECT_THAT(folder_error(folder), HasSubstr("is this a safetensors file?"));
  folder.write("model.safetensors", "");
  EXPECT_THAT(folder_error(folder), HasSubstr("empty"));
}

TEST(HfFolder, OddConfigsAreRefused) {
  const TempFolder folder;
  folder.write("model.safetensors", safetensors_bytes({safetensors_zeros("a", {1})}));
  for (const char* bad : {"", "[]", "{\"a\": 1, \"a\": 2}", "{", "nonsense"}) {
    folder.write("config.json", bad);
    EXPECT_THAT(folder_error(folder), HasSubstr("config.json")) << bad;
  }
  folder.write("config.json", std::string(100000, '['));
  EXPECT_THAT(folder_error(folder), HasSubstr("nested deeper"));
  folder.write(
      "config.json",
      R"({"architectures": "x", "model_type": 7, "text_config": 3, "rope_parameters": []})");
  EXPECT_EQ(folder_error(folder), "");
  folder.write("generation_config.json", "[]");
  EXPECT_THAT(folder_error(folder), HasSubstr("generation_config.json"));
}

// A18
TEST(HfFolder, ATruncatedFileIsNoticedAndDoesNotKill) {
  const TempFolder folder;
  folder.write("config.json", "{}");
  const std::string path = folder.write(
      "model.safetensors", safetensors_bytes({{"a", "F16", {100000}, std::string(200000, '\1')}}));
  const auto source = open(folder);
  ASSERT_TRUE(source->still_whole());
  std::filesystem::resize_file(path, 8192);
  int64_t sum = 0;
  for (const std::byte byte : source->tensors()[0].bytes) sum += static_cast<int64_t>(byte);
  EXPECT_GT(sum, 0);
  EXPECT_LT(sum, 8192);
  EXPECT_FALSE(source->still_whole());
}

}  // namespace
}  // namespace jiang
