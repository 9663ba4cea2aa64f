// Tokenizers against real vocabularies and the ids that other programs gave for them
// (shared/data/tokenizers; see SOURCES.md there).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"
#include "base/unicode.h"
#include "tests/support/test_data.h"
#include "text/gguf_tokenizer.h"
#include "text/tokenizer.h"
#include "weights/gguf_file.h"

namespace jiang {
namespace {

using Ids = std::vector<TokenId>;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

constexpr size_t kMaxBytes = size_t{64} << 20;

Result<TextAssets> load(const std::string& path) {
  if (path.size() > 5 && path.compare(path.size() - 5, 5, ".gguf") == 0) {
    TRY(const MappedFile file, MappedFile::open(path));
    TRY(const GgufFile gguf, parse_gguf(file.bytes(), path));
    return load_text_assets(gguf.metadata, path);
  }
  return load_text_assets(path);
}

// llama.cpp's test files: texts divided by a marker line, and a line of ids for each.
struct VocabularyCase {
  const char* name;        // of the .inp and .out
  const char* vocabulary;  // under tokenizers/
};

std::vector<std::string> read_texts(const std::string& path) {
  const std::string all = read_file(path, kMaxBytes).value();
  constexpr std::string_view kMarker = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  size_t at = 0;
  for (;;) {
    const size_t end = all.find(kMarker, at);
    texts.push_back(all.substr(at, end == std::string::npos ? end : end - at));
    if (end == std::string::npos) return texts;
    at = end + kMarker.size();
  }
}

std::vector<Ids> read_id_lines(const std::string& path) {
  const std::string all = read_file(path, kMaxBytes).value();
  std::vector<Ids> lines(1);
  const char* p = all.data();
  const char* end = p + all.size();
  while (p < end) {
    TokenId id = 0;
    const auto [next, error] = std::from_chars(p, end, id);
    if (error == std::errc()) {
      lines.back().push_back(id);
      p = next;
    } else if (*p++ == '\n') {
      lines.emplace_back();
    }
  }
  return lines;
}

class VocabularyTest : public testing::TestWithParam<VocabularyCase> {};

TEST_P(VocabularyTest, EncodesAsLlamaCppDoes) {
  JIANG_NEED_DATA(vocabulary, std::string("tokenizers/") + GetParam().vocabulary);
  const std::string base =
      test_data(std::string("tokenizers/ggml-vocab/ggml-vocab-") + GetParam().name + ".gguf");
  auto assets = load(vocabulary);
  ASSERT_TRUE(assets) << assets.error().message;
  const auto texts = read_texts(base + ".inp");
  const auto ids = read_id_lines(base + ".out");
  ASSERT_GE(texts.size(), 40u);
  ASSERT_GE(ids.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(assets->tokenizer->encode(texts[i]), ids[i])
        << "text " << i << ": \"" << texts[i] << '"';
  }
}

INSTANTIATE_TEST_SUITE_P(
    GgmlVocab, VocabularyTest,
    testing::Values(VocabularyCase{"bert-bge", "ggml-vocab/ggml-vocab-bert-bge.gguf"},
                    VocabularyCase{"deepseek-coder", "ggml-vocab/ggml-vocab-deepseek-coder.gguf"},
                    VocabularyCase{"gpt-2", "ggml-vocab/ggml-vocab-gpt-2.gguf"},
                    VocabularyCase{"llama-spm", "ggml-vocab/ggml-vocab-llama-spm.gguf"},
                    VocabularyCase{"phi-3", "ggml-vocab/ggml-vocab-phi-3.gguf"},
                    VocabularyCase{"qwen2", "qwen2-0.5b"},
                    VocabularyCase{"llama-bpe", "llama-3-8b"},
                    // The same vocabularies from their other files.
                    VocabularyCase{"gpt-2", "gpt2"}, VocabularyCase{"llama-spm", "llama-2-7b"},
                    VocabularyCase{"llama-spm", "llama-2-7b/tokenizer.model"},
                    VocabularyCase{"qwen2", "qwen-7b"},
                    VocabularyCase{"bert-bge", "bert-base-uncased"}),
    [](const auto& test) {
      std::string name = std::string(test.param.name) + "_from_" + test.param.vocabulary;
      for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
      return name;
    });

TEST(TokenizerData, Gpt2TextHasItsPublishedIds) {
  JIANG_NEED_DATA(folder, "tokenizers/gpt2");
  auto assets = load(folder);
  ASSERT_TRUE(assets) << assets.error().message;
  const Json sample = parse_json_file(folder + "/encoded_tokens.json").value();
  const std::string text = get_string(sample, "text", "sample").value();
  for (const char* key : {"ids", "token_ids", "tokens"}) {
    if (!find_member(sample, key) || !sample[key][0].is_number()) continue;
    const auto expected = sample[key].get<Ids>();
    EXPECT_EQ(assets->tokenizer->encode(text), expected);
    EXPECT_EQ(assets->tokenizer->decode(expected), text);
    return;
  }
  FAIL() << "no ids in encoded_tokens.json";
}

TEST(TokenizerData, BertQuestionsSurviveDecodeAndEncode) {
  JIANG_NEED_DATA(folder, "tokenizers/bert-base-uncased");
  auto assets = load(folder);
  ASSERT_TRUE(assets) << assets.error().message;
  const Json questions = parse_json_file(folder + "/tokenized_questions.json").value();
  ASSERT_GT(questions.size(), 1000u);
  size_t n_bad = 0;
  for (const Json& question : questions) {
    const auto ids = question.get<Ids>();
    const std::string text = assets->tokenizer->decode(ids, /*with_specials=*/true);
    if (assets->tokenizer->encode(text, {.parse_specials = true}) != ids && n_bad++ < 5) {
      ADD_FAILURE() << text << " -> " << testing::PrintToString(ids) << " -> "
                    << testing::PrintToString(
                           assets->tokenizer->encode(text, {.parse_specials = true}));
    }
  }
  EXPECT_EQ(n_bad, 0u);
}

TEST(TokenizerData, PromptsOfTheSmallModelsHaveTheirIds) {
  for (const char* name :
       {"weights/stories260K/stories260K-f32", "weights/tiny-qwen2/tiny-qwen2-f16"}) {
    JIANG_NEED_DATA(gguf, std::string(name) + ".gguf");
    auto assets = load(gguf);
    ASSERT_TRUE(assets) << assets.error().message;
    const Json expected = parse_json_file(test_data(std::string(name) + ".json")).value();
    const std::string prompt = get_string(expected, "prompt", name).value();
    EXPECT_EQ(assets->tokenizer->encode(prompt, {.parse_specials = true, .add_specials = true}),
              expected["prompt_ids"].get<Ids>())
        << name << ": " << assets->tokenizer->describe();
  }
}

// Texts that touch every class of character; seeded.
std::vector<std::string> sample_texts() {
  std::vector<std::string> texts;
  for (const char* name : {"gpt-2", "bert-bge"}) {
    const std::string path =
        test_data(std::string("tokenizers/ggml-vocab/ggml-vocab-") + name + ".gguf.inp");
    for (auto& text : read_texts(path)) texts.push_back(std::move(text));
  }
  const std::string wiki = read_file(test_data("eval/wiki.test.raw"), kMaxBytes).value();
  for (size_t at = 0; at < 100'000; at += 5000) {
    texts.push_back(replace_invalid_utf8(wiki.substr(at, 1500)));
  }
  return texts;
}

const char* const kFolders[] = {"tokenizers/qwen2-0.5b",
                                "tokenizers/llama-3-8b",
                                "tokenizers/gpt2",
                                "tokenizers/smollm",
                                "tokenizers/llama-2-7b",
                                "tokenizers/chatglm3-6b",
                                "tokenizers/qwen-7b",
                                "tokenizers/mistral",
                                "tokenizers/bert-base-uncased",
                                "tokenizers/bert-base-chinese",
                                "weights/tinystories-656k"};

// A million characters of one class must come through any vocabulary, and no time is measured:
// what is quadratic would not end (hardening B1, B2).
TEST(TokenizerData, MillionCharacterRunsEnd) {
  for (const char* folder : {"tokenizers/llama-3-8b", "tokenizers/llama-2-7b/tokenizer.model"}) {
    JIANG_NEED_DATA(path, folder);
    auto assets = load(path);
    ASSERT_TRUE(assets) << assets.error().message;
    for (const char* run : {"A", ".", " ", "\n", "\xE4\xB8\xAD", "\xCC\x81", "7", "ab"}) {
      std::string text;
      while (text.size() < 1'000'000) text += run;
      EXPECT_LE(assets->tokenizer->encode(text).size(), text.size() + 1) << folder << ' ' << run;
    }
  }
}

TEST(TokenizerData, StreamedTextIsTheDecodedText) {
  for (const char* folder : kFolders) {
    JIANG_NEED_DATA(path, folder);
    auto assets = load(path);
    ASSERT_TRUE(assets) << assets.error().message;
    for (const std::string& text : sample_texts()) {
      const Ids ids = assets->tokenizer->encode(text, {.add_specials = true});
      StreamDecoder decoder(assets->tokenizer);
      std::string streamed;
      for (const TokenId id : ids) {
        const std::string part = decoder.feed(id);
        ASSERT_TRUE(is_valid_utf8(part)) << folder;
        streamed += part;
      }
      streamed += decoder.finish();
      ASSERT_EQ(streamed, assets->tokenizer->decode(ids)) << folder;
    }
  }
}

// Byte-level and byte-fallback vocabularies give back what they are given; Qwen's composes it
// first.
TEST(TokenizerData, TextComesBackFromItsIds) {
  for (const char* folder : kFolders) {
    JIANG_NEED_DATA(path, folder);
    auto assets = load(path);
    ASSERT_TRUE(assets) << assets.error().message;
    const std::string description = assets->tokenizer->describe();
    const bool keeps_text = description.find("WordPiece") == std::string::npos &&
                            std::string_view(folder) != "weights/tinystories-656k";
    const bool composes = description.find("qwen2") != std::string::npos;
    for (const std::string& text : sample_texts()) {
      const std::string expected = composes ? normalize(text, Normalization::nfc) : text;
      const std::string decoded = assets->tokenizer->decode(assets->tokenizer->encode(text));
      if (keeps_text) {
        ASSERT_EQ(decoded, expected) << folder;
      } else {  // once through, it stays as it is
        ASSERT_EQ(assets->tokenizer->decode(assets->tokenizer->encode(decoded)), decoded) << folder;
      }
    }
  }
}

TEST(TokenizerData, NoTextOfAUserBecomesAControlToken) {
  for (const char* folder : kFolders) {
    JIANG_NEED_DATA(path, folder);
    auto assets = load(path);
    ASSERT_TRUE(assets) << assets.error().message;
    const Tokenizer& tokenizer = *assets->tokenizer;
    std::vector<std::string> forgeries = {
        "<|im_start|>system", "</s>",         "<s>[INST]", "[CLS] [SEP] [MASK] [PAD]", "<|eot_id|>",
        "[gMASK]sop<|user|>", "[TOOL_CALLS]", "<0x0A>"};
    for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
      if (tokenizer.is_special(id)) forgeries.push_back("x " + tokenizer.token_bytes(id) + "y");
    }
    const auto unknown = tokenizer.find("[UNK]").value_or(tokenizer.find("<unk>").value_or(-1));
    for (const std::string& text : forgeries) {
      for (const TokenId id : tokenizer.encode(text)) {
        ASSERT_TRUE(id == unknown || !tokenizer.is_special(id))
            << folder << ": " << text << " -> " << id;
      }
    }
  }
}

class GgufExportTest : public testing::TestWithParam<const char*> {};

TEST_P(GgufExportTest, GgufKeysGiveTheSameIds) {
  JIANG_NEED_DATA(folder, GetParam());
  JIANG_NEED_DATA(wiki, "eval/wiki.test.raw");
  auto original = load_text_assets(folder);
  ASSERT_TRUE(original) << original.error().message;
  auto keys = tokenizer_to_gguf_metadata(folder);
  ASSERT_TRUE(keys) << keys.error().message;
  auto exported = load_text_assets(*keys, "exported");
  ASSERT_TRUE(exported) << exported.error().message;
  for (const std::string& text : sample_texts()) {
    EXPECT_EQ(exported->tokenizer->encode(text), original->tokenizer->encode(text)) << text;
  }
  EXPECT_EQ(exported->tokenizer->bos(), original->tokenizer->bos());
  EXPECT_EQ(exported->tokenizer->eos(), original->tokenizer->eos());
  EXPECT_EQ(exported->chat_template, original->chat_template);
  EXPECT_EQ(exported->tokenizer->vocab_size(), original->tokenizer->vocab_size());
}

INSTANTIATE_TEST_SUITE_P(Folders, GgufExportTest, testing::ValuesIn(kFolders),
                         [](const auto& test) {
                           std::string name = test.param;
                           for (char& c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace jiang
