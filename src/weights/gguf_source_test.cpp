#include "weights/gguf_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <limits>

#include "base/json_value.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// "" when it opens.
std::string source_error(const std::string& path) {
  const auto source = open_tensor_source(path);
  return source ? "" : source.error().message;
}
std::string source_error(const GgufBytes& file) {
  const TempFolder folder;
  return source_error(folder.write("m.gguf", file.bytes()));
}

GgufBytes tiny_llama() {
  GgufBytes file = tiny_gguf("llama");
  file.zeros("token_embd.weight", {64, 10}).zeros("output_norm.weight", {64});
  return file;
}

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

TEST(TensorSource, EveryRealModelOpensAndItsTensorsLieInIt) {
  JIANG_NEED_DATA(root, "weights");
  int opened = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::filesystem::path& path = entry.path();
    const bool is_folder = path.filename() == "model.safetensors";
    if (path.extension() != ".gguf" && !is_folder) continue;
    const auto source = open_tensor_source(is_folder ? path.parent_path().string() : path.string());
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_FALSE((*source)->tensors().empty() && (*source)->unusable().empty()) << path;
    for (const TensorInfo& tensor : (*source)->tensors()) {
      const auto row = weight_format(tensor.format).row_bytes(tensor.shape.cols());
      ASSERT_TRUE(row) << tensor.name;
      EXPECT_EQ(tensor.bytes.size(), *row * static_cast<uint64_t>(tensor.shape.rows()))
          << tensor.name;
    }
    ++opened;
  }
  EXPECT_GE(opened, 17);
}

TEST(GgufSource, ReadsVocabulariesWithoutTensors) {
  for (const char* name : {"bert-bge", "deepseek-coder", "gpt-2", "llama-spm", "phi-3"}) {
    JIANG_NEED_DATA(path, fmt::format("tokenizers/ggml-vocab/ggml-vocab-{}.gguf", name));
    const auto source = open_tensor_source(path);
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_TRUE((*source)->tensors().empty());
  }
}

// ---- what the metadata claims (A10, A12, A23)

TEST(GgufSource, ImpossibleCountsAreRefusedByName) {
  for (const char* key :
       {"llama.block_count", "llama.attention.head_count", "llama.expert_count"}) {
    for (const int64_t value : {int64_t{0}, int64_t{513}, int64_t{1'000'000'000}, int64_t{-1}}) {
      GgufBytes file =
          value < 0 ? GgufBytes().i32(key, -1) : GgufBytes().u32(key, static_cast<uint32_t>(value));
      file.string("general.architecture", "llama")
          .u32("llama.context_length", 128)
          .u32("llama.embedding_length", 64);
      file.u32("llama.feed_forward_length", 96)
          .f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
      for (const char* other : {"llama.block_count", "llama.attention.head_count"}) {
        if (std::string(other) != key) file.u32(other, 2);
      }
      file.zeros("token_embd.weight", {64, 10});
      EXPECT_THAT(source_error(file),
                  HasSubstr(fmt::format("{} is {}, it must be from 1 to 512", key, value)));
    }
  }
}

TEST(GgufSource, HeadsMustDivide) {
  GgufBytes file;
  file.string("general.architecture", "llama")
      .u32("llama.context_length", 128)
      .u32("llama.embedding_length", 64);
  file.u32("llama.feed_forward_length", 96).f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  file.u32("llama.block_count", 2)
      .u32("llama.attention.head_count", 4)
      .zeros("token_embd.weight", {64, 10});
  GgufBytes grouped = file;
  grouped.u32("llama.attention.head_count_kv", 3);
  EXPECT_THAT(source_error(grouped),
              HasSubstr("llama.attention.head_count_kv is 3, which does not divide the 4 heads"));
  GgufBytes odd = file;
  odd.u32("llama.rope.dimension_count", 15);
  EXPECT_THAT(source_error(odd), HasSubstr("llama.rope.dimension_count is 15"));
  GgufBytes lengths = file;
  lengths.u32("llama.attention.key_length", 16).u32("llama.attention.value_length", 8);
  EXPECT_THAT(source_error(lengths), HasSubstr("llama.attention.value_length is 8"));
  GgufBytes per_layer = file;
  per_layer.array<uint32_t>("llama.attention.head_count_kv", kGgufUint32, {2, 2});
  EXPECT_EQ(source_error(per_layer), "");
  GgufBytes differing = file;
  differing.array<uint32_t>("llama.attention.head_count_kv", kGgufUint32, {2, 4});
  EXPECT_THAT(source_error(differing), HasSubstr("differs from layer to layer"));
}

TEST(GgufSource, MissingAndMistypedKeysAreNamed) {
  for (const char* missing :
       {"context_length", "embedding_length", "block_count", "feed_forward_length",
        "attention.head_count", "attention.layer_norm_rms_epsilon"}) {
    for (const bool mistyped : {false, true}) {
      GgufBytes file;
      file.string("general.architecture", "llama").zeros("token_embd.weight", {64, 10});
      for (const char* key : {"context_length", "embedding_length", "block_count",
                              "feed_forward_length", "attention.head_count"}) {
        if (std::string(key) != missing) file.u32(std::string("llama.") + key, 64);
      }
      if (std::string(missing) != "attention.layer_norm_rms_epsilon")
        file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
      if (mistyped) file.string(std::string("llama.") + missing, "64");
      EXPECT_THAT(source_error(file),
                  AllOf(HasSubstr(fmt::format("m.gguf: metadata key llama.{}", missing)),
                        HasSubstr(mistyped ? "must be a" : "is missing")));
    }
  }
  GgufBytes nameless;
  nameless.zeros("t", {4});
  EXPECT_THAT(source_error(nameless), HasSubstr("general.architecture is missing"));
  for (const float epsilon : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(),
                              std::numeric_limits<float>::infinity()}) {
    GgufBytes file = tiny_llama();
    file.f32("llama.rope.freq_base", epsilon);
    EXPECT_THAT(source_error(file), HasSubstr("llama.rope.freq_base"));
  }
}

TEST(GgufSource, RopeFactorsMustBePositiveFloats) {
  for (const float bad : {0.0f, -2.0f, std::numeric_limits<float>::quiet_NaN()}) {
    GgufBytes file = tiny_gguf("phi3");
    file.floats("rope_factors_long.weight", {1, bad}).floats("rope_factors_short.weight", {1, 1});
    EXPECT_THAT(source_error(file), HasSubstr("rope_factors_long.weight"));
  }
}

TEST(GgufSource, LongRopeNeedsBothTablesOfFactors) {
  GgufBytes file = tiny_gguf("phi3");
  file.floats("rope_factors_long.weight", {1, 2});
  EXPECT_THAT(source_error(file), HasSubstr("one is missing"));
}

TEST(GgufSource, TwoTensorsThatAreTheSameInTheEndAreRefused) {
  GgufBytes file = tiny_llama();
  file.zeros("model.norm.weight", {64});
  EXPECT_THAT(source_error(file), HasSubstr("two tensors are model.norm.weight"));
}

TEST(GgufSource, AdaptersMatricesAndEyesAreNoModels) {
  for (const char* type : {"adapter", "imatrix", "mmproj", "\x1b[2J"}) {
    GgufBytes file = tiny_llama();
    file.string("general.type", type);
    EXPECT_THAT(source_error(file), HasSubstr("not a model, its general.type is"));
    EXPECT_EQ(source_error(file).find('\x1b'), std::string::npos);
  }
  GgufBytes model = tiny_llama();
  model.string("general.type", "model");
  EXPECT_EQ(source_error(model), "");
}

TEST(GgufSource, AnUnknownArchitectureOpensUntranslated) {
  GgufBytes file;
  file.string("general.architecture", "mamba")
      .u32("mamba.block_count", 3)
      .zeros("blk.0.ssm_in.weight", {4, 2});
  const TempFolder folder;
  const auto source = open_tensor_source(folder.write("m.gguf", file.bytes()));
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ((*source)->config()["model_type"], "mamba");
  EXPECT_TRUE((*source)->config()["architectures"].empty());
  EXPECT_TRUE((*source)->find("blk.0.ssm_in.weight"));
}

// ---- split files (A19)

// A llama in parts, two tensors in each; `edit` may spoil part `i` (from 0).
std::vector<std::string> write_parts(
    const TempFolder& folder, int count,
    const std::function<void(int, uint16_t& no, uint16_t& of, int32_t& tensors)>& edit = {}) {
  std::vector<std::string> paths;
  for (int i = 0; i < count; ++i) {
    GgufBytes part = i == 0 ? tiny_gguf("llama") : GgufBytes();
    uint16_t no = static_cast<uint16_t>(i), of = static_cast<uint16_t>(count);
    int32_t tensors = 2 * count;
    if (edit) edit(i, no, of, tensors);
    part.u16("split.no", no).u16("split.count", of).i32("split.tensors.count", tensors);
    part.floats(fmt::format("blk.{}.attn_norm.weight", i), {1.0f * static_cast<float>(i), 2})
        .zeros(fmt::format("blk.{}.ffn_norm.weight", i), {3});
    paths.push_back(folder.write(fmt::format("m-{:05}-of-{:05}.gguf", i + 1, count), part.bytes()));
  }
  return paths;
}

TEST(GgufSource, AnyPartOpensTheWholeSplitModel) {
  const TempFolder folder;
  for (const std::string& path : write_parts(folder, 3)) {
    const auto source = open_tensor_source(path);
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ((*source)->tensors().size(), 6u);
    EXPECT_EQ((*source)->config()["hidden_size"], 64);
    const TensorInfo* norm = (*source)->find("model.layers.2.input_layernorm.weight");
    ASSERT_TRUE(norm);
    float first = 0;
    std::memcpy(&first, norm->bytes.data(), 4);
    EXPECT_EQ(first, 2.0f);
  }
}

TEST(GgufSource, MissingPartsAreListed) {
  const TempFolder folder;
  const auto paths = write_parts(folder, 5);
  std::filesystem::remove(paths[1]);
  std::filesystem::remove(paths[3]);
  EXPECT_THAT(source_error(paths[0]),
              AllOf(HasSubstr("missing: m-00002-of-00005.gguf, m-00004-of-00005.gguf")));
}

TEST(GgufSource, PartsThatAreReorderedOrForeignAreRefused) {
  using Edit = std::function<void(int, uint16_t&, uint16_t&, int32_t&)>;
  const Edit edits[] = {
      [](int i, uint16_t& no, uint16_t&, int32_t&) {
        if (i > 0) no = static_cast<uint16_t>(3 - i);
      },  // 2 and 3 swapped
      [](int i, uint16_t& no, uint16_t&, int32_t&) {
        if (i == 0) no = 1;
      },
      [](int i, uint16_t&, uint16_t& of, int32_t&) {
        if (i == 2) of = 4;
      },
      [](int i, uint16_t&, uint16_t&, int32_t& tensors) {
        if (i == 1) tensors = 7;
      },
  };
  for (const Edit& edit : edits) {
    const TempFolder folder;
    EXPECT_THAT(source_error(write_parts(folder, 3, edit)[0]),
                HasSubstr("mixed up or of different models"));
  }
  const TempFolder folder;
  const auto all_wrong =
      write_parts(folder, 3, [](int, uint16_t&, uint16_t&, int32_t& tensors) { tensors = 7; });
  EXPECT_THAT(source_error(all_wrong[0]),
              HasSubstr("hold 6 tensors, split.tensors.count promises 7"));
  // Another model's part of the same number.
  GgufBytes other = tiny_gguf("qwen2");
  other.u16("split.no", 1)
      .u16("split.count", 3)
      .i32("split.tensors.count", 6)
      .zeros("a", {1})
      .zeros("b", {1});
  const auto paths = write_parts(folder, 3);
  folder.write("m-00002-of-00003.gguf", other.bytes());
  EXPECT_THAT(source_error(paths[2]), HasSubstr("general.architecture is not that of"));
  // A tensor in two parts.
  GgufBytes same;
  same.u16("split.no", 1).u16("split.count", 3).i32("split.tensors.count", 6);
  same.zeros("blk.0.attn_norm.weight", {2}).zeros("b", {1});
  folder.write("m-00002-of-00003.gguf", same.bytes());
  EXPECT_THAT(source_error(paths[0]), HasSubstr("two tensors are"));
}

TEST(GgufSource, PartsWithOtherNamesOrImpossibleNumbersAreRefused) {
  const TempFolder folder;
  const auto paths = write_parts(folder, 2);
  std::filesystem::rename(paths[0], folder.path("renamed.gguf"));
  EXPECT_THAT(source_error(folder.path("renamed.gguf")), HasSubstr("one of 2 parts"));
  for (const char* name : {"m-00000-of-00002.gguf", "m-00003-of-00002.gguf",
                           "m-00001-of-00000.gguf", "m-00001-of-99999.gguf"}) {
    EXPECT_NE(source_error(folder.write(name, tiny_llama().bytes())), "") << name;
  }
  EXPECT_THAT(source_error(folder.write("n-00001-of-00001.gguf", tiny_llama().bytes())),
              HasSubstr("no split.no"));
  // Nearly the shape of a part's name is just a name.
  EXPECT_EQ(source_error(folder.write("m-0001-of-0002.gguf", tiny_llama().bytes())), "");
}

// ---- the file itself (A18, A20, A21)

TEST(GgufSource, ATruncatedFileIsNoticedAndDoesNotKill) {
  const TempFolder folder;
  GgufBytes file = tiny_gguf("llama");
  file.tensor("token_embd.weight", {64, 1000}, 0, std::string(256000, '\1'));
  const std::string path = folder.write("m.gguf", file.bytes());
  const auto source = open_tensor_source(path);
  ASSERT_TRUE(source) << source.error().message;
  ASSERT_TRUE((*source)->still_whole());
  std::filesystem::resize_file(path, 8192);
  EXPECT_FALSE((*source)->still_whole());
  int64_t sum = 0;
  for (const std::byte byte : (*source)->tensors()[0].bytes) sum += static_cast<int64_t>(byte);
  EXPECT_GT(sum, 0);
  EXPECT_LT(sum, 8192);
}

TEST(TensorSource, WhatIsNoRegularFileIsRefused) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("loop", folder.path("loop"));
  EXPECT_THAT(source_error(folder.path("fifo")), HasSubstr("not a regular file"));
  EXPECT_THAT(source_error("/dev/zero"), HasSubstr("not a regular file"));
  EXPECT_THAT(source_error(folder.path("loop")), HasSubstr("loop"));
  EXPECT_THAT(source_error(folder.path("missing.gguf")), HasSubstr("No such file"));
  EXPECT_THAT(source_error(folder.write("empty.gguf", "")), HasSubstr("empty"));
  EXPECT_THAT(source_error(folder.path()), HasSubstr("a folder with GGUF files; name the file"));
  std::filesystem::create_directory(folder.path("bare"));
  EXPECT_THAT(source_error(folder.path("bare")), HasSubstr("no config.json"));
}

TEST(TensorSource, ASparseFileOfTenTerabytesIsRefusedAtOnce) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer leaves a process less room for addresses than 10 TB";
#endif
  const TempFolder folder;
  const std::string zeros = folder.write("zeros.gguf", "");
  const std::string honest = folder.write("m.gguf", tiny_llama().bytes());
  std::error_code failed;
  std::filesystem::resize_file(zeros, uint64_t{10} << 40, failed);
  if (failed) GTEST_SKIP() << "this file system has no files of 10 TB";
  std::filesystem::resize_file(honest, uint64_t{10} << 40);
  EXPECT_THAT(source_error(zeros), HasSubstr("neither a GGUF file nor"));
  EXPECT_THAT(source_error(honest), HasSubstr("bytes of unknown data follow the last tensor"));
  // An array that claims all of it.
  GgufBytes array;
  array.raw_key("k", ByteWriter().u32(kGgufArray).u32(kGgufUint8).u64(uint64_t{9} << 40).bytes);
  const std::string hungry = folder.write("hungry.gguf", array.bytes());
  std::filesystem::resize_file(hungry, uint64_t{10} << 40);
  EXPECT_THAT(source_error(hungry), HasSubstr("cannot fit"));
}

TEST(TensorSource, ForeignFilesAreRefusedByMagicWhateverTheirName) {
  const TempFolder folder;
  const auto refusal = [&](std::string_view head) {
    return source_error(folder.write("model.gguf", std::string(head) + std::string(100, '\7')));
  };
  EXPECT_THAT(refusal("PK\x03\x04"), AllOf(HasSubstr("PyTorch"), HasSubstr("never read")));
  EXPECT_THAT(refusal("\x80\x02}q"), HasSubstr("pickle"));
  EXPECT_THAT(refusal("\x80\x05\x95"), HasSubstr("pickle"));
  EXPECT_THAT(refusal("\x08\x07\x12\x07pytorch"), HasSubstr("ONNX"));
  EXPECT_THAT(refusal("\x89HDF\r\n\x1a\n"), HasSubstr("HDF5"));
  EXPECT_THAT(refusal(std::string_view("\x1c\0\0\0TFL3", 8)), HasSubstr("TensorFlow Lite"));
  EXPECT_THAT(refusal("tjgg"), HasSubstr("before GGUF"));
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("Git LFS"));
  EXPECT_THAT(refusal(std::string_view("\x10\0\0\0\0\0\0\0{\"a\"", 12)),
              HasSubstr("name the folder"));
  EXPECT_THAT(refusal("hello"), HasSubstr("neither a GGUF file nor a Hugging Face folder"));
  EXPECT_THAT(source_error(folder.write("short.gguf", "GG")), HasSubstr("truncated at byte"));
}

}  // namespace
}  // namespace jiang
