// The parts of training that no gradient test sees: merges, packing, the optimizer, checkpoints,
// what of a chat is learned.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "tests/support/temp_folder.h"
#include "train/bpe_trainer.h"
#include "train/chat_data.h"
#include "train/checkpoint.h"
#include "train/documents.h"
#include "train/dropout.h"
#include "train/model_folder.h"
#include "train/optimizer.h"
#include "train/recipe.h"
#include "train/run_log.h"
#include "train/token_data.h"

namespace jiang {
namespace {

TEST(BpeTrainer, MergesTheMostFrequentPairsFirst) {
  const PieceCounts pieces = {{"abab", 3}, {"abc", 2}, {"xyz", 1}};
  const auto bpe = train_bpe(pieces, {.vocab_size = 260, .min_count = 1});
  ASSERT_TRUE(bpe);
  // ab: 8, then abab: 3, then abc: 2, then xy before yz (equal counts: the smaller pair).
  ASSERT_EQ(bpe->tokens.size(), 260u);
  EXPECT_EQ(bpe->tokens[256], "ab");
  EXPECT_EQ(bpe->tokens[257], "abab");
  EXPECT_EQ(bpe->tokens[258], "abc");
  EXPECT_EQ(bpe->tokens[259], "xy");
  EXPECT_EQ(bpe->merges[1], (std::pair<int32_t, int32_t>{256, 256}));
}

TEST(BpeTrainer, OverlappingPairsAreCountedAsTheyMerge) {
  // "aaaa": aa at 0 and 2; the third pair of neighbours overlaps both.
  const auto bpe = train_bpe({{"aaaa", 5}, {"bc", 7}}, {.vocab_size = 259, .min_count = 1});
  ASSERT_TRUE(bpe);
  EXPECT_EQ(bpe->tokens[256], "aa");
  EXPECT_EQ(bpe->tokens[257], "bc");
  EXPECT_EQ(bpe->tokens[258], "aaaa");
}

TEST(BpeTrainer, StopsWhereNothingIsFrequentAndKeepsTokensShort) {
  const auto rare = train_bpe({{"abc", 1}}, {.vocab_size = 1000, .min_count = 2});
  ASSERT_TRUE(rare);
  EXPECT_EQ(rare->tokens.size(), 256u);
  const auto shorter =
      train_bpe({{"abcdefgh", 9}}, {.vocab_size = 1000, .max_token_bytes = 3, .min_count = 1});
  ASSERT_TRUE(shorter);
  for (const std::string& token : shorter->tokens) EXPECT_LE(token.size(), 3u);
  EXPECT_FALSE(train_bpe({{"a", 1}}, {.vocab_size = 100}));
  EXPECT_FALSE(train_bpe({}, {.vocab_size = 300}));
}

TEST(BpeTrainer, SpecialTokensAreNoText) {
  ThreadPool pool(2);
  const PieceCounts counts = count_pieces({"hi<|im_end|>hi there"}, {"<|im_end|>"}, pool);
  EXPECT_EQ(counts.at("hi"), 2u);
  EXPECT_EQ(counts.at(" there"), 1u);
  EXPECT_EQ(counts.size(), 2u);
}

// A tokenizer of 256 bytes and three special tokens, with ChatML.
TextAssets byte_assets(const std::string& folder) {
  const TrainedBpe bytes = *train_bpe({{"qz", 1}}, {.vocab_size = 256});
  EXPECT_TRUE(
      write_file(folder + "/tokenizer.json",
                 tokenizer_json_of(bytes, {"<|endoftext|>", "<|im_start|>", "<|im_end|>"})));
  EXPECT_TRUE(write_file(folder + "/tokenizer_config.json",
                         to_string(new_tokenizer_config("<|endoftext|>", "<|im_end|>"), 2)));
  auto assets = load_text_assets(folder);
  EXPECT_TRUE(assets) << assets.error().message;
  return *assets;
}

std::string learned_text(const Example& example, const Tokenizer& tokenizer) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < example.tokens.size(); ++i) {
    if (example.counts[i]) ids.push_back(example.tokens[i]);
  }
  return tokenizer.decode(ids, true);
}

TEST(ChatData, OnlyTheAssistantsTurnsAreLearned) {
  const TempFolder folder;
  const auto encoder = ChatEncoder::create(byte_assets(folder.path()));
  ASSERT_TRUE(encoder) << encoder.error().message;
  const Json line = *parse_json(
      R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"Q<|im_end|>"},
          {"role":"assistant","content":"A1"},{"role":"user","content":"Q2"},
          {"role":"assistant","content":"答"},{"role":"user","content":"Q3"}]})",
      "line");
  const auto example = encoder->encode(*to_conversation(line));
  ASSERT_TRUE(example) << example.error().message;
  EXPECT_EQ(learned_text(*example, encoder->tokenizer()), "A1<|im_end|>答<|im_end|>");
  const TokenId end = *encoder->tokenizer().find("<|im_end|>");
  // The user's own "<|im_end|>" is text: system, user, assistant, user, assistant end.
  EXPECT_EQ(std::count(example->tokens.begin(), example->tokens.end(), end), 5);
}

TEST(ChatData, ThreeFormsAreOne) {
  const auto alpaca =
      to_conversation(*parse_json(R"({"instruction":"I","input":"N","output":"O"})", "line"));
  ASSERT_TRUE(alpaca);
  EXPECT_EQ((*alpaca)["messages"][0]["content"], "I\n\nN");
  EXPECT_EQ((*alpaca)["messages"][1]["role"], "assistant");
  const auto share = to_conversation(*parse_json(
      R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]})", "line"));
  ASSERT_TRUE(share);
  EXPECT_EQ((*share)["messages"][1]["content"], "b");
  for (const char* bad :
       {R"({"text":"a"})", R"({"messages":[]})", R"({"messages":[{"role":1}]})",
        R"({"conversations":[{"from":"moon","value":"a"}]})", R"({"instruction":"a"})"}) {
    EXPECT_FALSE(to_conversation(*parse_json(bad, "line"))) << bad;
  }
}

Example numbered(TokenId first, size_t n) {
  Example example;
  for (size_t i = 0; i < n; ++i) example.tokens.push_back(first + static_cast<TokenId>(i));
  example.counts.assign(n, 1);
  return example;
}

TEST(TokenData, AStreamCoversEveryTokenAndCutsAtSequences) {
  const auto data = make_token_objective(
      {numbered(0, 10), numbered(100, 3), numbered(200, 7)},
      {.packing = Packing::stream, .sequence_length = 8, .batch_rows = 16, .seed = 3});
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    ASSERT_EQ(data->batches_in(epoch), 2);
    EXPECT_EQ(data->rows_of(epoch, 0) + data->rows_of(epoch, 1), 20);
    // Every token but the first of each document is predicted once, across the cuts too.
    EXPECT_EQ(data->weight_of(epoch, 0) + data->weight_of(epoch, 1), 17);
  }
}

TEST(TokenData, WholeExamplesShareBatches) {
  const auto data = make_token_objective(
      {numbered(0, 6), numbered(10, 6), numbered(20, 3)},
      {.packing = Packing::whole, .sequence_length = 8, .batch_rows = 12, .shuffles = false});
  ASSERT_EQ(data->batches_in(0), 2);
  EXPECT_EQ(data->rows_of(0, 0), 12);
  EXPECT_EQ(data->rows_of(0, 1), 3);
}

TEST(TokenData, OrdersAreOfTheSeedAndDifferBetweenSeeds) {
  EXPECT_EQ(shuffled_order(100, 1), shuffled_order(100, 1));
  EXPECT_NE(shuffled_order(100, 1), shuffled_order(100, 2));
  auto order = shuffled_order(100, 5);
  std::sort(order.begin(), order.end());
  for (uint32_t i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(Dropout, KeepsTheMeanAndRepeats) {
  ThreadPool pool(2);
  Tensor x(200, 100), a(200, 100), b(200, 100);
  std::fill_n(x.view().data, 20000, 1.0f);
  drop_out(a.view(), x.view(), 0.3f, 9, pool);
  drop_out(b.view(), x.view(), 0.3f, 9, pool);
  EXPECT_EQ(std::memcmp(a.view().data, b.view().data, 20000 * sizeof(float)), 0);
  double sum = 0;
  for (int i = 0; i < 20000; ++i) sum += a.view().data[i];
  EXPECT_NEAR(sum / 20000, 1, 5 * std::sqrt(0.3 / 0.7 / 20000));  // five deviations
}

TEST(Optimizer, WarmsUpAndFallsAlongACosine) {
  const OptimizerOptions options{
      .learning_rate = 1, .min_learning_rate = 0.1f, .warmup_steps = 10, .total_steps = 110};
  EXPECT_FLOAT_EQ(learning_rate_at(options, 1), 0.1f);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 10), 1);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 60), 0.55f);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 110), 0.1f);
}

TEST(Optimizer, StepsAsAdamWIsDefined) {
  ThreadPool pool(2);
  ParameterSet parameters;
  Parameter& p = parameters.add("w", 1, 3);
  const float w[] = {1, -2, 0.5f}, g[] = {0.3f, -0.4f, 1.2f};
  std::copy(w, w + 3, p.value.view().data);
  std::copy(g, g + 3, p.gradient.view().data);
  const double norm = gradient_norm(parameters, pool);
  EXPECT_NEAR(norm, 1.3, 1e-6);
  const OptimizerOptions options{.learning_rate = 0.1f,
                                 .min_learning_rate = 0.1f,
                                 .total_steps = 10,
                                 .weight_decay = 0.01f,
                                 .clip = 1};
  adamw_step(parameters, options, 1, norm, pool);
  for (int i = 0; i < 3; ++i) {
    // At the first step both moments, corrected, are the gradient itself: a step of its sign.
    const double expected = w[i] * (1 - 0.1 * 0.01) - 0.1 * (g[i] > 0 ? 1 : -1);
    EXPECT_NEAR(p.value.view().data[i], expected, 1e-6);
  }
}

TEST(Checkpoint, ComesBackWholeAndDamageIsSeen) {
  const TempFolder folder;
  const std::string path = folder.path() + "/c.jtc";
  ParameterSet parameters;
  Parameter& p = parameters.add("w", 3, 5);
  for (size_t i = 0; i < 15; ++i) {
    p.value.view().data[i] = static_cast<float>(i);
    p.mean.view().data[i] = 100 + static_cast<float>(i);
    p.square.view().data[i] = 200 + static_cast<float>(i);
  }
  ASSERT_TRUE(write_checkpoint(path, {42, 7, 1.5, 1000}, parameters));
  ParameterSet other;
  Parameter& q = other.add("w", 3, 5);
  const auto state = read_checkpoint(path, other);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->step, 7);
  EXPECT_EQ(state->fingerprint, 42u);
  EXPECT_EQ(q.square.view().data[14], 214);
  ParameterSet another_shape;
  another_shape.add("w", 5, 3);
  EXPECT_FALSE(read_checkpoint(path, another_shape));

  const std::string bytes = *read_file(path, 1 << 20);
  for (size_t cut = 0; cut < bytes.size(); cut += 13) {
    ASSERT_TRUE(write_file(path, bytes.substr(0, cut)));
    EXPECT_FALSE(read_checkpoint(path, other)) << cut;
  }
  for (size_t at = 0; at < bytes.size(); at += 7) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    ASSERT_TRUE(write_file(path, flipped));
    EXPECT_FALSE(read_checkpoint(path, other)) << at;
  }
}

TEST(RunLog, DropsWhatWasLoggedAfterTheCheckpoint) {
  const TempFolder folder;
  const std::string path = folder.path() + "/log.jsonl";
  {
    auto log = RunLog::open(path, 0);
    ASSERT_TRUE(log);
    for (int64_t step = 1; step <= 5; ++step) {
      LogEntry entry;
      entry.step = step;
      entry.loss = 1.0 / static_cast<double>(step);
      ASSERT_TRUE(log->append(entry));
    }
  }
  ASSERT_TRUE(write_file(path, *read_file(path, 1 << 20) + "{\"step\": 6, \"lo"));
  const auto log = RunLog::open(path, 3);
  ASSERT_TRUE(log);
  ASSERT_EQ(log->entries().size(), 3u);
  EXPECT_EQ(log->entries().back().loss, 1.0 / 3);
  EXPECT_NE(loss_curve_svg(log->entries()).find("polyline"), std::string::npos);
}

}  // namespace
}  // namespace jiang
