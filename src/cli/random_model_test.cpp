#include "cli/random_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/file.h"

namespace jiang {
namespace {

uint64_t parameters(const RandomModelShape& shape) {
  uint64_t n = 0;
  for (const GgufTensor& tensor : random_model_tensors(shape, Format::f16)) {
    n += static_cast<uint64_t>(tensor.shape.elements());
  }
  return n;
}

TEST(RandomModel, ShapesHaveThePublishedParameterCounts) {
  EXPECT_EQ(parameters(*find_random_model_shape("qwen2", "0.5b")), 494032768u);
  EXPECT_EQ(parameters(*find_random_model_shape("qwen2", "1.5b")), 1543714304u);
  EXPECT_EQ(parameters(*find_random_model_shape("qwen2", "7b")), 7615616512u);
  EXPECT_EQ(parameters(*find_random_model_shape("llama3", "1b")), 1235814400u);
  EXPECT_EQ(parameters(*find_random_model_shape("llama3", "8b")), 8030261248u);
  EXPECT_THAT(find_random_model_shape("qwen2", "2b").error().message,
              testing::HasSubstr("tiny, 0.5b, 1.5b, 7b"));
}

TEST(RandomModel, RowsThatABlockDoesNotDivideTakeTheFallbackType) {
  const auto shape = *find_random_model_shape("qwen2", "0.5b");
  for (const GgufTensor& tensor : random_model_tensors(shape, Format::q4_k)) {
    EXPECT_TRUE(weight_format(tensor.format).row_bytes(tensor.shape.cols())) << tensor.name;
    if (tensor.name == "blk.0.attn_q.weight") {
      EXPECT_EQ(tensor.format, Format::q5_0);
    }
    if (tensor.name == "blk.0.ffn_down.weight") {
      EXPECT_EQ(tensor.format, Format::q4_k);
    }
  }
}

TEST(RandomModel, VocabularyHasDistinctTokensAndMergesOfEarlierOnes) {
  const Metadata metadata = random_model_metadata(*find_random_model_shape("qwen2", "0.5b"));
  const auto& tokens = **metadata.get_strings("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 151936u);
  EXPECT_EQ(std::set<std::string>(tokens.begin(), tokens.end()).size(), tokens.size());
  EXPECT_EQ(tokens[151643], "<|endoftext|>");
  EXPECT_EQ(tokens[151645], "<|im_end|>");
  EXPECT_EQ(*metadata.get_int("tokenizer.ggml.eos_token_id"), 151645);
  const auto& merges = **metadata.get_strings("tokenizer.ggml.merges");
  ASSERT_EQ(merges.size(), 151643u - 256u);
  std::set<std::string> known(tokens.begin(), tokens.begin() + 256);
  for (size_t i = 0; i < merges.size(); ++i) {
    const size_t space = merges[i].find(' ');
    ASSERT_TRUE(known.count(merges[i].substr(0, space))) << merges[i];
    ASSERT_TRUE(known.count(merges[i].substr(space + 1))) << merges[i];
    known.insert(tokens[256 + i]);
  }
}

TEST(RandomModel, TheSameSeedGivesTheSameFileForAnyThreadCount) {
  const auto shape = *find_random_model_shape("llama3", "tiny");
  const std::string path = testing::TempDir() + "/random_model_test.gguf";
  const auto bytes_of = [&](int threads, uint64_t seed) {
    ThreadPool pool(threads);
    RandomModelOptions options;
    options.seed = seed;
    const auto written = write_random_model(path, shape, Format::f16, pool, options);
    EXPECT_TRUE(written) << written.error().message;
    return *read_file(path, size_t{1} << 30);
  };
  const std::string one = bytes_of(1, 1);
  EXPECT_EQ(one, bytes_of(3, 1));
  EXPECT_NE(one, bytes_of(1, 2));
  std::filesystem::remove(path);
}

TEST(RandomModel, StoppingLeavesNothing) {
  const std::string folder = testing::TempDir() + "/random_model_stop";
  std::filesystem::create_directories(folder);
  ThreadPool pool(1);
  RandomModelOptions options;
  options.progress = [](uint64_t, uint64_t) { return false; };
  const auto written = write_random_model(
      folder + "/m.gguf", *find_random_model_shape("qwen2", "tiny"), Format::f16, pool, options);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::cancelled);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace jiang
