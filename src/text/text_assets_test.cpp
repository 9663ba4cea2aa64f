// load_text_assets() on folders made here, and the readers of single files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/temp_folder.h"
#include "tests/support/tiny_tokenizers.h"
#include "text/charsmap.h"
#include "text/gguf_tokenizer.h"
#include "text/pre_names.h"
#include "text/tokenizer.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

using Ids = std::vector<TokenId>;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

const char kVocab[] = R"({"a":0,"b":1,"c":2,"ab":3,"abc":4,"<|endoftext|>":5})";
const char kMergesTxt[] = "#version: 0.2\na b\nab c\n";
const char kQwenConfig[] =
    R"({"tokenizer_class":"Qwen2Tokenizer","add_bos_token":false,"bos_token":null,
  "eos_token":"<|im_end|>","pad_token":"<|endoftext|>","chat_template":"{{ messages }}",
  "added_tokens_decoder":{"5":{"content":"<|endoftext|>","special":true},"6":{"content":"<|im_end|>","special":true},
  "7":{"content":"<think>","special":false}}})";

TEST(TextAssets, VocabAndMergesWithConfigBesideThem) {
  const TempFolder folder;
  folder.write("vocab.json", kVocab);
  folder.write("merges.txt", kMergesTxt);
  folder.write("tokenizer_config.json", kQwenConfig);
  folder.write("generation_config.json", R"({"eos_token_id":[6,5,999]})");
  auto assets = load_text_assets(folder.path());
  ASSERT_TRUE(assets) << assets.error().message;
  const Tokenizer& tokenizer = *assets->tokenizer;
  EXPECT_EQ(assets->chat_template, "{{ messages }}");
  EXPECT_EQ(assets->eos_token, "<|im_end|>");
  EXPECT_EQ(assets->bos_token, "");
  EXPECT_EQ(tokenizer.vocab_size(), 8);
  EXPECT_EQ(tokenizer.eos(), 6);
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
  EXPECT_FALSE(tokenizer.adds_bos());
  const Ids ends(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  EXPECT_THAT(ends, ElementsAre(5, 6));
  EXPECT_THAT(tokenizer.encode("abcab"), ElementsAre(4, 3));
  EXPECT_THAT(tokenizer.encode("ab<|im_end|><think>c", {.parse_specials = true}),
              ElementsAre(3, 6, 7, 2));
  EXPECT_THAT(tokenizer.describe(), HasSubstr("qwen2"));
  // A file of the folder does as well as the folder.
  EXPECT_TRUE(load_text_assets(folder.path("vocab.json")));
}

TEST(TextAssets, JinjaFileCountsMoreThanTheConfig) {
  const TempFolder folder;
  folder.write("tokenizer.json", tiny::byte_level_json());
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template":[{"name":"tool_use","template":"T"},{"name":"default","template":"D"}]})");
  EXPECT_EQ(load_text_assets(folder.path()).value().chat_template, "D");
  folder.write("chat_template.jinja", "J");
  EXPECT_EQ(load_text_assets(folder.path()).value().chat_template, "J");
}

TEST(TextAssets, UnknownClassOfPlainFilesIsAnErrorNotAGuess) {
  const TempFolder folder;
  folder.write("vocab.json", kVocab);
  folder.write("merges.txt", kMergesTxt);
  folder.write("tokenizer_config.json", R"({"tokenizer_class":"MysteryTokenizer"})");
  const auto assets = load_text_assets(folder.path());
  ASSERT_FALSE(assets);
  EXPECT_THAT(assets.error().message, HasSubstr("MysteryTokenizer"));
}

TEST(TextAssets, MissingThingsAreNamed) {
  const TempFolder folder;
  EXPECT_THAT(load_text_assets(folder.path()).error().message, HasSubstr("tokenizer.json"));
  EXPECT_THAT(load_text_assets(folder.path("nothing")).error().message, HasSubstr("nothing"));
  folder.write("tokenizer.json", "{ not json");
  EXPECT_THAT(load_text_assets(folder.path()).error().message, HasSubstr("tokenizer.json"));
  folder.write("tokenizer.json", tiny::byte_level_json());
  folder.write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_FALSE(load_text_assets(folder.path()));
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder":{"x":{"content":"y"}}})");
  EXPECT_THAT(load_text_assets(folder.path()).error().message, HasSubstr("added_tokens_decoder"));
}

TEST(TextAssets, TiktokenWithItsSpecialTokensFromTheConfig) {
  const TempFolder folder;
  // "a" "b" "ab"
  folder.write("tokenizer.model", "YQ== 0\nYg== 1\nYWI= 2\n");
  folder.write("config.json", R"({"model_type":"llama","eos_token_id":4})");
  folder.write(
      "tokenizer_config.json",
      R"({"bos_token":"<|begin_of_text|>","added_tokens_decoder":{"3":{"content":"<|begin_of_text|>","special":true},
                "4":{"content":"<|end_of_text|>","special":true}}})");
  auto assets = load_text_assets(folder.path());
  ASSERT_TRUE(assets) << assets.error().message;
  EXPECT_THAT(assets->tokenizer->encode("abba"), ElementsAre(2, 1, 0));
  EXPECT_EQ(assets->bos_token, "<|begin_of_text|>");
  EXPECT_EQ(assets->eos_token, "<|end_of_text|>");
}

// ---- sentencepiece's protobuf

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  return out + static_cast<char>(value);
}
std::string bytes_field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string integer_field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}
std::string piece_field(const std::string& text, float score, int kind) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &score, 4);
  return bytes_field(1, bytes_field(1, text) + varint(2 << 3 | 5) + bits +
                            integer_field(3, static_cast<uint64_t>(kind)));
}

std::string small_model(int model_type) {
  const std::string mark = "\xE2\x96\x81";
  return piece_field("<unk>", 0, 2) + piece_field("<s>", 0, 3) + piece_field("</s>", 0, 3) +
         piece_field(mark + "a", -1, 1) + piece_field("a", -2, 1) + piece_field("b", -3, 1) +
         piece_field(mark, -4, 1) + piece_field("<sep>", 0, 4) +
         bytes_field(2, integer_field(3, static_cast<uint64_t>(model_type))) +
         bytes_field(3, integer_field(3, 1) + integer_field(4, 1));
}

TEST(SentencePieceModel, BpeAndUnigramAreRead) {
  for (const int model_type : {1, 2}) {
    auto spec = read_sentencepiece(small_model(model_type), "test");
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->kind, model_type == 2 ? ModelKind::score_bpe : ModelKind::unigram);
    const auto tokenizer = build_tokenizer(*std::move(spec), "test").value();
    EXPECT_THAT(tokenizer->encode("  a  b<sep>a"), ElementsAre(3, 6, 5, 7, 4));
    EXPECT_EQ(tokenizer->bos(), 1);
    EXPECT_EQ(tokenizer->eos(), 2);
  }
}

TEST(SentencePieceModel, DamagedFilesAreErrors) {
  const std::string good = small_model(2);
  for (size_t n = 1; n < good.size(); ++n) {
    // Cut between two fields it is a smaller model; it must never crash.
    const auto spec = read_sentencepiece(good.substr(0, n), "test");
    if (spec) {
      EXPECT_LT(spec->size(), 9u);
    }
  }
  EXPECT_FALSE(read_sentencepiece("", "test"));
  EXPECT_FALSE(read_sentencepiece(piece_field("a", 0, 9), "test"));
  EXPECT_FALSE(read_sentencepiece(small_model(3), "test"));
  EXPECT_FALSE(read_sentencepiece("\x0A\xFF\xFF\xFF\xFF\x0F", "test"));
  EXPECT_FALSE(read_sentencepiece(
      good + bytes_field(3, bytes_field(2, std::string("\xFF\xFF\xFF\xFF", 4))), "test"));
}

TEST(Charsmap, WalksTheDoubleArray) {
  // "A" -> "aa": the root's children lie at their own byte, the value beside it.
  std::vector<uint32_t> units(128, 0);
  units['A'] = 'A' | 1u << 8 | 1u << 10;
  units['A' ^ 1] = 1u << 31 | 2;  // offset of the replacement
  std::string bytes;
  const auto append = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  };
  append(static_cast<uint32_t>(units.size() * 4));
  for (const uint32_t unit : units) append(unit);
  bytes += std::string("x\0aa\0", 5);
  const Charsmap map = Charsmap::parse(bytes, "test").value();
  EXPECT_EQ(map.longest_prefix("AB").length, 1u);
  EXPECT_EQ(map.longest_prefix("AB").replacement, "aa");
  EXPECT_EQ(map.longest_prefix("B").length, 0u);
  EXPECT_EQ(map.serialize(), bytes);
  EXPECT_FALSE(Charsmap::parse(bytes.substr(0, 100), "test"));
  EXPECT_FALSE(Charsmap::parse("abc", "test"));
  // An unterminated replacement or a wild offset matches nothing.
  EXPECT_EQ(
      Charsmap::parse(bytes.substr(0, bytes.size() - 1), "test").value().longest_prefix("A").length,
      0u);
}

// ---- names of pre-tokenizers

TEST(PreNames, EveryPatternCompilesAndIsFoundAgain) {
  for (const char* name :
       {"qwen2",       "llama-bpe",    "gpt-2",          "smollm",
        "deepseek-v3", "deepseek-llm", "deepseek-coder", "gpt-4o",
        "tekken",      "falcon",       "default",        "bloom",
        "viking",      "jais-2",       "chameleon",      "granite-embed-multi-97m",
        "tiny_aya",    "kimi-k2",      "superbpe",       "bailingmoe",
        "seed-coder",  "ufakzeka",     "afmoe",          "laguna",
        "exaone-moe",  "minicpm5",     "youtu",          "spark2_5",
        "gemma4",      "sarvam-moe",   "qwen35",         "dbrx"}) {
    const auto known = find_pre_name(name, "test");
    ASSERT_TRUE(known) << name;
    const auto steps = make_pattern_steps(known->patterns, "test");
    ASSERT_TRUE(steps) << steps.error().message;
    const std::vector<std::string> patterns(known->patterns.begin(), known->patterns.end());
    const auto again = name_of_patterns(patterns, known->ignore_merges);
    ASSERT_TRUE(again) << name;
    EXPECT_EQ(find_pre_name(*again, "test").value().patterns, known->patterns);
    // Whatever the pattern, no byte is lost or doubled.
    const PreTokenizer pre(*steps);
    const std::string text =
        "It's 1234567 o'clock,\n\n  \xE4\xB8\xAD\xE6\x96\x87\xE3\x80\x82 Caf\xC3\xA9 <|x|> "
        "\xF0\x9F\x99\x82 ";
    std::string joined;
    pre.split(text, true, [&](std::string_view piece) { joined += piece; });
    EXPECT_EQ(joined, text) << name;
  }
}

TEST(PreNames, UnknownNamesAreErrorsWithASuggestion) {
  const auto known = find_pre_name("llama-bpr", "model.gguf");
  ASSERT_FALSE(known);
  EXPECT_THAT(known.error().message, HasSubstr("did you mean \"llama-bpe\""));
}

TEST(PreTokenizer, BehavioursAreThoseOfTokenizerJson) {
  const auto pieces = [](SplitBehavior behavior, bool invert, std::string_view text) {
    auto step = PreTokenizerStep::split(make_literal_matcher("-"), behavior);
    step.invert = invert;
    const PreTokenizer pre({step});
    std::vector<std::string> out;
    pre.split(text, true, [&](std::string_view piece) { out.emplace_back(piece); });
    return out;
  };
  // The example of the library's own documentation.
  const std::string_view text = "the-final--countdown";
  EXPECT_THAT(pieces(SplitBehavior::removed, false, text),
              ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(pieces(SplitBehavior::isolated, false, text),
              ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(pieces(SplitBehavior::merged_with_previous, false, text),
              ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(pieces(SplitBehavior::merged_with_next, false, text),
              ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(pieces(SplitBehavior::contiguous, false, text),
              ElementsAre("the", "-", "final", "--", "countdown"));
  EXPECT_THAT(pieces(SplitBehavior::removed, true, text), ElementsAre("-", "-", "-"));
}

TEST(GgufTokenizer, WritesWhatTheReaderReads) {
  const TempFolder folder;
  folder.write("tokenizer.json", tiny::byte_level_json());
  folder.write("tokenizer_config.json",
               R"({"eos_token":"<|end|>","bos_token":"<|begin|>","chat_template":"T"})");
  const auto keys = tokenizer_to_gguf_metadata(folder.path());
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_EQ(keys->get_string("tokenizer.ggml.pre").value(), "qwen2");
  const auto original = load_text_assets(folder.path()).value();
  const auto copy = load_text_assets(*keys, "copy").value();
  EXPECT_EQ(copy.chat_template, "T");
  EXPECT_EQ(copy.eos_token, "<|end|>");
  for (const char* text : {"hello world", "  hello<|end|>",
                           "\xE4\xB8\xAD"
                           "aaaa"}) {
    for (const bool specials : {false, true}) {
      const EncodeOptions options{.parse_specials = specials, .add_specials = specials};
      EXPECT_EQ(copy.tokenizer->encode(text, options), original.tokenizer->encode(text, options));
    }
  }
}

TEST(GgufTokenizer, APatternWithoutANameIsAnError) {
  const TempFolder folder;
  std::string json = tiny::byte_level_json();
  const size_t at = json.find("\\\\p{N}|");
  json.replace(at, 7, "\\\\p{N}{1,7}|");
  folder.write("tokenizer.json", json);
  ASSERT_TRUE(load_text_assets(folder.path()));
  const auto keys = tokenizer_to_gguf_metadata(folder.path());
  ASSERT_FALSE(keys);
  EXPECT_THAT(keys.error().message, HasSubstr("no name for its pre-tokenizer"));
}

}  // namespace
}  // namespace jiang
