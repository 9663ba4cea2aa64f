#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/unicode.h"
#include "tests/support/tiny_tokenizers.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

using Ids = std::vector<TokenId>;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;
using testing::ElementsAre;
using testing::HasSubstr;

TokenizerPtr build(Result<TokenizerSpec> spec) {
  EXPECT_TRUE(spec) << spec.error().message;
  auto tokenizer = build_tokenizer(*std::move(spec), "test");
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *tokenizer;
}

TokenizerPtr byte_level() { return build(read_tokenizer_json(tiny::byte_level_json(), "test")); }
TokenizerPtr sentencepiece() { return build(read_gguf_vocabulary(tiny::llama_metadata(), "test")); }
TokenizerPtr unigram(bool byte_fallback) {
  return build(read_tokenizer_json(tiny::unigram_json(byte_fallback), "test"));
}
TokenizerPtr wordpiece() {
  return build(read_vocab_txt(tiny::wordpiece_vocabulary(), true, "test"));
}

Ids ids_of(const Tokenizer& tokenizer, std::initializer_list<std::string_view> tokens) {
  Ids ids;
  for (const auto token : tokens) ids.push_back(tokenizer.find(token).value_or(-1));
  return ids;
}

std::string random_unicode(std::mt19937& random, size_t n) {
  std::string text;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t limits[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};
    const char32_t c = 1 + random() % (limits[random() % 5] - 1);
    append_utf8(text, c >= 0xD800 && c <= 0xDFFF ? U' ' : c);
  }
  return text;
}

// ---- byte-level BPE

TEST(ByteLevelBpe, MergesByRankAndGivesTextBack) {
  const auto tokenizer = byte_level();
  const Ids ids = tokenizer->encode("hello world");
  EXPECT_EQ(ids, ids_of(*tokenizer, {"hello", " world"}));
  EXPECT_EQ(tokenizer->decode(ids), "hello world");
  EXPECT_EQ(tokenizer->encode("helloworld"), ids_of(*tokenizer, {"hello", "w", "or", "ld"}));
}

TEST(ByteLevelBpe, FindKnowsBothSpellings) {
  const auto tokenizer = byte_level();
  EXPECT_EQ(tokenizer->find(" world"), tokenizer->find("\xC4\xA0world"));
  EXPECT_EQ(tokenizer->find("no such token"), std::nullopt);
}

TEST(ByteLevelBpe, AnyUtf8ComesBackExactly) {
  const auto tokenizer = byte_level();
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_unicode(random, 1 + random() % 60);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

// Rows B3: ill-formed bytes become U+FFFD, each maximal part one.
TEST(ByteLevelBpe, IllFormedBytesBecomeReplacementCharacters) {
  const auto tokenizer = byte_level();
  for (const std::string_view text : {"a\xFF"
                                      "b",
                                      "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xB8",
                                      "\xEF\xBB\xBF"
                                      "x"}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), replace_invalid_utf8(text));
  }
  const std::string with_nul("a\0b", 3);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(with_nul)), with_nul);
}

// ---- special tokens

TEST(SpecialTokens, InUserTextTheyAreText) {
  const auto tokenizer = byte_level();
  for (const std::string_view text : {"<|end|>", "a<|begin|>b", "<tool_call>{}", "</s>"}) {
    const Ids ids = tokenizer->encode(text);
    for (const TokenId id : ids) EXPECT_LT(id, 256 + static_cast<TokenId>(tiny::kMerges.size()));
    EXPECT_EQ(tokenizer->decode(ids), text);
  }
}

TEST(SpecialTokens, AreParsedWhenAskedFor) {
  const auto tokenizer = byte_level();
  const Ids ids = tokenizer->encode("hello<|end|><tool_call>hello", {.parse_specials = true});
  EXPECT_EQ(ids, ids_of(*tokenizer, {"hello", "<|end|>", "<tool_call>", "hello"}));
  EXPECT_TRUE(tokenizer->is_special(ids[1]));
  EXPECT_FALSE(tokenizer->is_special(ids[2]));
  EXPECT_EQ(tokenizer->decode(ids), "hello<tool_call>hello");
  EXPECT_EQ(tokenizer->decode(ids, true), "hello<|end|><tool_call>hello");
}

TEST(SpecialTokens, TemplateOfThePostProcessorIsAdded) {
  const auto tokenizer = byte_level();
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->encode("hello", {.add_specials = true}),
            ids_of(*tokenizer, {"<|begin|>", "hello"}));
  EXPECT_EQ(tokenizer->encode("", {.add_specials = true}), ids_of(*tokenizer, {"<|begin|>"}));
}

TEST(SpecialTokens, TheLongestOneAtTheLeftmostPlaceWins) {
  std::vector<AddedToken> tokens(4);
  const char* const kTexts[] = {"<a>", "<a><b>", "b", " x"};
  for (int i = 0; i < 4; ++i) {
    tokens[static_cast<size_t>(i)].id = i;
    tokens[static_cast<size_t>(i)].text = kTexts[i];
  }
  tokens[2].single_word = true;
  tokens[3].lstrip = tokens[3].rstrip = true;
  const AddedTokenMatcher matcher(tokens);
  EXPECT_EQ(matcher.find("..<a><b>", 0).id, 1);
  EXPECT_EQ(matcher.find("..<a>b", 0).id, 0);
  EXPECT_EQ(matcher.find("abc b", 0).begin, 4u);
  const auto stripped = matcher.find("z\t  x \ny", 0);
  EXPECT_EQ(stripped.begin, 1u);
  EXPECT_EQ(stripped.end, 7u);
  EXPECT_EQ(matcher.find("nothing", 0).begin, std::string_view::npos);
}

TEST(SpecialTokens, MarkersOfToolsAndThoughtsAreNotForUserText) {
  for (const char* text : {"<tool_call>", "</tool_call>", "<think>", "[TOOL_CALLS]", "[/INST]",
                           "<|x|>", "<end_of_turn>"}) {
    EXPECT_TRUE(is_marker(text)) << text;
  }
  for (const char* text : {"  ", "\n\n", "<b>", "</table>", "[x]", "hello", "<>", "[]"}) {
    EXPECT_FALSE(is_marker(text)) << text;
  }
}

// ---- sentencepiece BPE

TEST(SentencePieceBpe, HighestScoreMergesFirstAfterAWordMark) {
  const auto tokenizer = sentencepiece();
  EXPECT_EQ(tokenizer->encode("hello world"),
            ids_of(*tokenizer, {"\xE2\x96\x81hello", "\xE2\x96\x81world"}));
  EXPECT_EQ(tokenizer->encode("hello", {.add_specials = true}),
            ids_of(*tokenizer, {"<s>", "\xE2\x96\x81hello"}));
  EXPECT_TRUE(tokenizer->encode("").empty());
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("hello world")), "hello world");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("  hello")), "  hello");
}

TEST(SentencePieceBpe, UnknownCharactersAreSpeltInBytes) {
  const auto tokenizer = sentencepiece();
  EXPECT_EQ(tokenizer->encode("\xF0\x9F\x99\x82"),
            ids_of(*tokenizer, {"\xE2\x96\x81", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>"}));
  EXPECT_EQ(tokenizer->encode("<0x41>").size(), 7u);  // text, not the byte token
  std::mt19937 random(11);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_unicode(random, 1 + random() % 40);
    // The word mark itself reads as a space.
    if (text.find("\xE2\x96\x81") == std::string::npos) {
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    }
  }
}

TEST(SentencePieceBpe, SectionsAfterSpecialsGetTheirOwnMark) {
  const auto tokenizer = sentencepiece();
  EXPECT_EQ(tokenizer->encode("hello</s>hello", {.parse_specials = true}),
            ids_of(*tokenizer, {"\xE2\x96\x81hello", "</s>", "\xE2\x96\x81hello"}));
}

TEST(SentencePieceBpe, ModelWithoutByteTokensFusesUnknowns) {
  Metadata metadata = tiny::llama_metadata();
  auto& tokens = std::get<std::vector<std::string>>(metadata.values["tokenizer.ggml.tokens"]);
  for (auto& token : tokens) {
    if (token.compare(0, 3, "<0x") == 0) token = "unreachable " + token;
  }
  const auto tokenizer = build(read_gguf_vocabulary(metadata, "test"));
  EXPECT_EQ(tokenizer->encode("\xF0\x9F\x99\x82\xF0\x9F\x99\x82hello"),
            ids_of(*tokenizer, {"\xE2\x96\x81", "<unk>", "hello"}));
}

// ---- merges against a plain reading of the definition

// Joins the leftmost pair of lowest rank until none is left.
std::vector<std::string> slow_bpe(std::vector<std::string> parts,
                                  const std::map<std::pair<std::string, std::string>, int>& ranks) {
  for (;;) {
    int best_rank = -1;
    size_t best = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks.find({parts[i], parts[i + 1]});
      if (found != ranks.end() && (best_rank < 0 || found->second < best_rank)) {
        best_rank = found->second;
        best = i;
      }
    }
    if (best_rank < 0) return parts;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Merges, FastAlgorithmsEqualTheDefinition) {
  std::mt19937 random(3);
  for (int round = 0; round < 25; ++round) {
    // A random vocabulary over four letters, merges in random order.
    std::vector<std::string> pieces = {"a", "b", "c", "d"};
    std::vector<Merge> merges;
    std::map<std::pair<std::string, std::string>, int> ranks;
    std::map<std::string, TokenId> ids;
    for (TokenId id = 0; id < 4; ++id) ids[pieces[static_cast<size_t>(id)]] = id;
    for (int i = 0; i < 30; ++i) {
      const std::string left = pieces[random() % pieces.size()];
      const std::string right = pieces[random() % pieces.size()];
      if (ranks.count({left, right})) continue;
      if (!ids.count(left + right)) {
        ids[left + right] = static_cast<TokenId>(pieces.size());
        pieces.push_back(left + right);
      }
      ranks[{left, right}] = static_cast<int>(merges.size());
      merges.push_back({ids[left], ids[right], ids[left + right]});
    }
    Vocabulary vocabulary(pieces);
    for (TokenId id = 0; id < vocabulary.size(); ++id) vocabulary.index(id);
    const auto bytes = make_byte_bpe(vocabulary, merges, {}, false);
    const auto characters = make_char_bpe(vocabulary, merges, {}, false);
    for (int i = 0; i < 40; ++i) {
      std::string text;
      std::vector<std::string> parts;
      const size_t n = 1 + random() % (i % 4 == 0 ? 150 : 40);  // both the short and the long way
      for (size_t j = 0; j < n; ++j) parts.emplace_back(1, static_cast<char>('a' + random() % 4));
      for (const auto& part : parts) text += part;
      Ids expected;
      for (const auto& part : slow_bpe(parts, ranks)) expected.push_back(ids[part]);
      for (const auto* model : {bytes.get(), characters.get()}) {
        Ids got;
        model->encode(text, got);
        ASSERT_EQ(got, expected) << text;
        got.clear();
        model->encode(text, got);  // again, now that whole words are remembered
        ASSERT_EQ(got, expected) << text;
      }
    }
  }
}

// Rows B1 and B2: must finish; the heap keeps long pieces at O(n log n).
TEST(Merges, MegabytesOfOneCharacterAreNoProblem) {
  std::string alternating;
  while (alternating.size() < 131'072) alternating += "ab";
  for (const auto& tokenizer : {byte_level(), sentencepiece(), unigram(true), wordpiece()}) {
    for (const std::string& text :
         {std::string(131'072, 'a'), std::string(131'072, ' '), alternating}) {
      const Ids ids = tokenizer->encode(text);
      EXPECT_LE(ids.size(), text.size() + 1);
    }
  }
  EXPECT_EQ(byte_level()->encode(std::string(1'000'000, 'a')).size(), 250'000u);
}

// ---- Unigram and WordPiece

TEST(Unigram, BestSumOfScoresWins) {
  const auto tokenizer = unigram(false);
  EXPECT_EQ(tokenizer->encode("hello world"),
            ids_of(*tokenizer, {"\xE2\x96\x81hello", "\xE2\x96\x81wor", "ld"}));
  EXPECT_EQ(tokenizer->encode("hel"), ids_of(*tokenizer, {"\xE2\x96\x81", "hel"}));
  EXPECT_EQ(tokenizer->encode("zzz"), ids_of(*tokenizer, {"\xE2\x96\x81", "<unk>"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("hello  world")), "hello  world");
}

TEST(Unigram, BytesStandInForUnknownCharacters) {
  const auto tokenizer = unigram(true);
  EXPECT_EQ(tokenizer->encode("z"), ids_of(*tokenizer, {"\xE2\x96\x81", "<0x7A>"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("\xE4\xB8\xAD a")), "\xE4\xB8\xAD a");
}

TEST(WordPiece, LongestPiecesFirstAndUnknownAsAWhole) {
  const auto tokenizer = wordpiece();
  EXPECT_EQ(tokenizer->encode("Hello, WORLDS!"),
            ids_of(*tokenizer, {"hello", ",", "wor", "##ld", "##s", "!"}));
  EXPECT_EQ(tokenizer->encode("unaffable worx"),
            ids_of(*tokenizer, {"un", "##aff", "##able", "[UNK]"}));
  EXPECT_EQ(tokenizer->encode("\xE4\xB8\xAD\xE4\xB8\xAD"),
            ids_of(*tokenizer, {"\xE4\xB8\xAD", "\xE4\xB8\xAD"}));
  EXPECT_EQ(tokenizer->encode("Caf\xC3\xA9"), ids_of(*tokenizer, {"cafe"}));
  EXPECT_EQ(tokenizer->encode("hello", {.add_specials = true}),
            ids_of(*tokenizer, {"[CLS]", "hello", "[SEP]"}));
  EXPECT_EQ(tokenizer->encode(std::string(101, 'h')), ids_of(*tokenizer, {"[UNK]"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("hello, worlds!")), "hello, worlds!");
}

// ---- streaming

TEST(StreamDecoder, GivesWholeCharactersAndEqualsDecode) {
  std::mt19937 random(5);
  for (const auto& tokenizer : {byte_level(), sentencepiece(), unigram(true), wordpiece()}) {
    for (int i = 0; i < 300; ++i) {
      Ids ids;
      if (i % 2 == 0) {
        ids = tokenizer->encode(random_unicode(random, 30));
      } else {  // any ids, so any bytes
        for (int j = 0; j < 30; ++j)
          ids.push_back(
              static_cast<TokenId>(random() % static_cast<uint32_t>(tokenizer->vocab_size() + 2)) -
              1);
      }
      const bool with_specials = i % 3 == 0;
      StreamDecoder decoder(tokenizer, with_specials);
      std::string text;
      for (const TokenId id : ids) {
        const std::string part = decoder.feed(id);
        EXPECT_TRUE(is_valid_utf8(part));
        text += part;
      }
      text += decoder.finish();
      EXPECT_EQ(text, tokenizer->decode(ids, with_specials)) << tokenizer->describe();
    }
  }
}

TEST(StreamDecoder, HoldsHalfACharacterBackAndEndsWithAReplacement) {
  StreamDecoder decoder(byte_level());
  EXPECT_EQ(decoder.feed(0xE4), "");
  EXPECT_EQ(decoder.feed(0xB8), "");
  EXPECT_EQ(decoder.feed(0xAD), "\xE4\xB8\xAD");
  EXPECT_EQ(decoder.feed(0xE4), "");
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
}

TEST(StreamDecoder, HalfACharacterOfThePromptIsCompletedOrLeftOut) {
  const std::vector<TokenId> prompt = {'a', 0xE4, 0xB8};
  StreamDecoder completed(byte_level());
  completed.continue_after(prompt);
  EXPECT_EQ(completed.feed(0xAD), "\xE4\xB8\xAD");
  StreamDecoder other(byte_level());
  other.continue_after(prompt);
  EXPECT_EQ(other.feed('{'), "{") << "nothing of the prompt is told as the answer's";
  EXPECT_EQ(other.feed(0xE4), "");
  EXPECT_EQ(other.finish(), "\xEF\xBF\xBD") << "that half was the answer's own";
  StreamDecoder ended(byte_level());
  ended.continue_after(prompt);
  EXPECT_EQ(ended.finish(), "");
}

// ---- hostile and damaged files (row B5)

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(DamagedTokenizers, TokenizerJsonIsRefusedWithTheReason) {
  const std::string good = tiny::byte_level_json();
  struct Case {
    std::string text;
    const char* reason;
  };
  const std::vector<Case> kCases = {
      {"", "JSON"},
      {"{", "JSON"},
      {"[1]", "object"},
      {"{}", "vocab"},
      {R"({"model":{"vocab":{}}})", "empty"},
      {replaced(good, "\"hello\":259", "\"hello\":1259"), "gaps"},
      {replaced(good, "\"hello\":259", "\"hello\":-1"), "gaps"},
      {replaced(good, "\"hello\":259", "\"hello\":7"), "same id"},
      {replaced(good, "\"hello\":259", "\"he\":259"), "same text"},
      {replaced(good, "\"hello\":259", "\"hello\":2.5"), "integer"},
      {replaced(good, "\"h e\"", "\"h q q\""), "vocabulary lacks"},
      {replaced(good, "\"h e\"", "\"h\""), "pair of pieces"},
      {replaced(good, "\"h e\"", "7"), "pair of pieces"},
      {replaced(good, "\"ByteLevel\",\"add", "\"NoSuch\",\"add"), "NoSuch"},
      {replaced(good, "\"normalizer\":null", R"("normalizer":{"type":"Weird"})"), "Weird"},
      {replaced(good, "\"normalizer\":null", R"("normalizer":{"type":"Sequence"})"), "normalizers"},
      {replaced(good, "\\\\s+(?!", "(\\\\s+(?!"), "does not compile"},
      {replaced(good, "\"type\":\"BPE\"", "\"type\":\"WordLevel\""), "WordLevel"},
      {replaced(good, "\"dropout\":null", "\"dropout\":0.1"), "dropout"},
      {replaced(good, "\"ids\":[272]", "\"ids\":[99999]"), "99999"},
      {replaced(good, "\"id\":270", "\"id\":5"), "gaps"},
      {replaced(good, "\"id\":270", "\"id\":4000000000"), "impossible"},
      {replaced(good, "\"merges\":", "\"merges\":[],\"merges\":"), "two lists"},
      {replaced(good, "\"version\":\"1.0\"", "\"version\":" + std::string(1'000'000, '[')), "JSON"},
      {replaced(good, "\"version\":\"1.0\"", "\"version\":\"\\ud800\""), "JSON"},
  };
  for (const Case& bad : kCases) {
    auto spec = read_tokenizer_json(bad.text, "x/tokenizer.json");
    Error error;
    if (spec) {
      const auto tokenizer = build_tokenizer(*std::move(spec), "x/tokenizer.json");
      ASSERT_FALSE(tokenizer) << bad.reason;
      error = tokenizer.error();
    } else {
      error = spec.error();
    }
    EXPECT_THAT(error.message, HasSubstr(bad.reason));
    EXPECT_THAT(error.message, HasSubstr("x/tokenizer.json"));
  }
}

TEST(DamagedTokenizers, ASequenceOfSequencesIsBounded) {
  std::string normalizer = R"({"type":"NFC"})";
  for (int i = 0; i < 30; ++i)
    normalizer = R"({"type":"Sequence","normalizers":[)" + normalizer + "]}";
  const std::string good = tiny::byte_level_json();
  EXPECT_TRUE(read_tokenizer_json(
      replaced(good, "\"normalizer\":null", "\"normalizer\":" + normalizer), "test"));
  std::string many;
  for (int i = 0; i < 1000; ++i) many += (i ? "," : "") + std::string(R"({"type":"NFC"})");
  EXPECT_FALSE(read_tokenizer_json(
      replaced(good, "\"normalizer\":null",
               R"("normalizer":{"type":"Sequence","normalizers":[)" + many + "]}"),
      "test"));
}

TEST(DamagedTokenizers, EveryPrefixOfTokenizerJsonIsAnError) {
  const std::string good = tiny::byte_level_json();
  for (size_t n = 0; n < good.size(); n += 13)
    EXPECT_FALSE(read_tokenizer_json(good.substr(0, n), "test")) << n;
}

TEST(DamagedTokenizers, GgufMetadataIsRefusedWithTheReason) {
  const auto refuses = [](const char* key, MetaValue value, const char* reason) {
    Metadata metadata = tiny::llama_metadata();
    metadata.values[key] = std::move(value);
    auto assets = load_text_assets(metadata, "model.gguf");
    ASSERT_FALSE(assets) << key;
    EXPECT_THAT(assets.error().message, HasSubstr(reason));
  };
  refuses("tokenizer.ggml.model", std::string("rwkv"), "rwkv");
  refuses("tokenizer.ggml.tokens", std::vector<std::string>{}, "token");
  refuses("tokenizer.ggml.tokens", int64_t{3}, "tokenizer.ggml.tokens");
  refuses("tokenizer.ggml.scores", std::vector<double>{1.0}, "scores");
  refuses("tokenizer.ggml.scores", std::vector<uint64_t>{1}, "float");
  refuses("tokenizer.ggml.token_type", std::vector<int64_t>{1, 1}, "token types");
  refuses("tokenizer.ggml.eos_token_id", int64_t{99999}, "99999");
  refuses("tokenizer.ggml.bos_token_id", int64_t{-7}, "-7");
  refuses("tokenizer.ggml.add_space_prefix", std::string("yes"), "add_space_prefix");

  Metadata twins = tiny::llama_metadata();
  std::get<std::vector<std::string>>(twins.values["tokenizer.ggml.tokens"])[260] = "ll";
  EXPECT_FALSE(load_text_assets(twins, "model.gguf"));
  Metadata not_a_number = tiny::llama_metadata();
  std::get<std::vector<double>>(not_a_number.values["tokenizer.ggml.scores"])[260] = std::nan("");
  EXPECT_FALSE(load_text_assets(not_a_number, "model.gguf"));
  Metadata endless = tiny::llama_metadata();
  std::get<std::vector<std::string>>(endless.values["tokenizer.ggml.tokens"])[260] =
      std::string(100'000, 'x');
  EXPECT_FALSE(load_text_assets(endless, "model.gguf"));
}

TEST(DamagedTokenizers, PlainFilesAreRefusedWithTheLine) {
  EXPECT_TRUE(read_tiktoken("YQ== 0\nYg== 1\n", "qwen2", "test"));
  for (const char* text : {"YQ== 0\nYg==\n", "YQ== x\n", "Y!== 0\n", "YQ== 0\nYg== 5\n",
                           "YQ== 0\nYg== 0\n", "YQ== -1\n", " 0\n"}) {
    EXPECT_FALSE(read_tiktoken(text, "qwen2", "test")) << text;
  }
  EXPECT_FALSE(read_tiktoken("YQ== 0\n", "no-such-pre", "test"));
  EXPECT_TRUE(
      read_vocab_and_merges(R"({"a":0,"b":1,"ab":2})", "#version: 0.2\na b\n", "gpt-2", "test"));
  EXPECT_FALSE(read_vocab_and_merges(R"({"a":0,"b":1,"ab":2})", "ab\n", "gpt-2", "test"));
  EXPECT_FALSE(read_vocab_txt("a\nb\n", true, "test"));
}

}  // namespace
}  // namespace jiang
