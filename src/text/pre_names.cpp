#include "text/pre_names.h"

#include <algorithm>

#include "base/suggest.h"
#include "text/known_patterns.h"

namespace jiang {
namespace {

using patterns::kBailing;
using patterns::kGpt2;
using patterns::kGpt4o;
using patterns::kLlama3;
using patterns::kMiniCpm5;
using patterns::kQwen2;
using patterns::kQwen35;
using patterns::kRightAlignedDigits;
using patterns::kTekken;
using patterns::kThousands;
using patterns::kUfakzeka;

// clang-format off
constexpr std::string_view kLineEnd =
    R"~([\r\n])~";
constexpr std::string_view kDeepseekLetters =
    R"~(\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)~";
constexpr std::string_view kDeepseekPunctuation =
    R"~(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)~";
constexpr std::string_view kSpaceAtEnd =
    R"~(\s+$)~";
constexpr std::string_view kDeepseekCjk =
    R"~([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)~";
constexpr std::string_view kNumbers =
    R"~(\p{N}+)~";
constexpr std::string_view kNumber =
    R"~(\p{N})~";
constexpr std::string_view kNumberOfThree =
    R"~(\p{N}{1,3})~";
constexpr std::string_view kDeepseek3Cjk =
    R"~([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)~";
constexpr std::string_view kDeepseek3 =
    R"~([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)~";
constexpr std::string_view kSpark =
    R"~([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)~";
constexpr std::string_view kYoutuCjk =
    R"~([\x{ac00}-\x{d7a3}\x{3131}-\x{318e}]+|[\x{ff01}\x{2026}\x{201c}\x{201d}\x{2018}\x{2019}\x{2014}\x{ff1a}\x{ff1b}\x{ff0c}\x{3001}-\x{303f}\x{fe30}-\x{fe4f}]+|[\x{3105}-\x{312f}]+|[\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)~";
constexpr std::string_view kYoutu =
    R"~([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)~";
constexpr std::string_view kDeepseekCoderLetters =
    R"~(\s?\p{L}+)~";
constexpr std::string_view kDeepseekCoderPunctuation =
    R"~(\s?\p{P}+)~";
constexpr std::string_view kFalconPunctuation =
    R"~([\p{P}\$\+<=>\^~\|`]+)~";
constexpr std::string_view kDefaultPunctuation =
    R"~([\p{P}\$\+<=>\^~\|]+)~";
constexpr std::string_view kThreeDigits =
    R"~([0-9][0-9][0-9])~";
constexpr std::string_view kBloom =
    R"~( ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+)~";
constexpr std::string_view kJais2 =
    R"~((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})~";
constexpr std::string_view kChameleonSentinel =
    R"~(<sentinel:[0-9]+>)~";
constexpr std::string_view kChameleonImage =
    R"~((IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z)~";
constexpr std::string_view kChameleonSpaces =
    R"~(([\t\n]|    |  ))~";
constexpr std::string_view kChameleonPunctuation =
    R"~([\p{P}!-/:-@\[-`{-~])~";
constexpr std::string_view kGraniteMulti =
    R"~([^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))*((?=[\p{L}\p{M}])([^A-Z]))+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))+((?=[\p{L}\p{M}])([^A-Z]))*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)~";
constexpr std::string_view kKimi =
    R"~([\p{Han}]+|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])*(?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])+(?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)~";
constexpr std::string_view kSeedCoder =
    R"~((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)~";
constexpr std::string_view kAfmoeCjk =
    R"~([\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{f900}-\x{faff}\x{3040}-\x{309f}\x{30a0}-\x{30ff}\x{ff65}-\x{ff9f}\x{2f00}-\x{2fdf}\x{e40}-\x{e7f}\x{e80}-\x{eff}\x{1780}-\x{17ff}\x{1000}-\x{109f}\x{aa60}-\x{aa7f}\x{a9e0}-\x{a9ff}\x{ac00}-\x{d7af}\x{1100}-\x{11ff}]+)~";
constexpr std::string_view kLines =
    R"~([^\n]+|[\n]+)~";
constexpr std::string_view kExaoneMoe =
    R"~((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)~";

enum Flags : unsigned { kPlain = 0, kIgnoreMerges = 1, kAddBos = 2, kWordMarks = 4 };

struct Row {
  std::string_view names;  // separated by spaces
  std::vector<std::string_view> patterns;
  unsigned flags;
};

// Every name that llama.cpp knows. Among equal patterns the first row and name is the one that we
// write (name_of_patterns).
const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      {"qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 megrez hunyuan solar-open grok-2", {kQwen2}, kPlain},
      {"qwen35", {kQwen35}, kPlain},
      {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano", {kLlama3}, kIgnoreMerges | kAddBos},
      {"dbrx smaug-bpe glm4 chatglm-bpe", {kLlama3}, kPlain},
      {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code "
       "roberta-bpe mpt olmo jais trillion granite-docling exaone4", {kGpt2}, kPlain},
      {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", {kNumber, kGpt2}, kPlain},
      {"deepseek-v3 hunyuan-dense joyai-llm hy_v4", {kNumberOfThree, kDeepseek3Cjk, kDeepseek3}, kPlain},
      {"deepseek-llm", {kLineEnd, kDeepseekLetters, kDeepseekPunctuation, kSpaceAtEnd, kDeepseekCjk, kNumbers}, kPlain},
      {"deepseek-coder", {kLineEnd, kDeepseekCoderLetters, kDeepseekCoderPunctuation, kDeepseekCjk, kNumber}, kPlain},
      {"gpt-4o llama4 kanana2 talkie minimax-m2", {kGpt4o}, kPlain},
      {"tekken", {kTekken}, kIgnoreMerges | kAddBos},
      {"falcon", {kFalconPunctuation, kGpt2, kThreeDigits}, kPlain},
      {"default", {kDefaultPunctuation, kGpt2, kNumbers, kThreeDigits}, kPlain},
      {"bloom gpt3-finnish poro-chat", {kBloom}, kPlain},
      {"viking", {kBloom, kNumber}, kPlain},
      {"jais-2", {kJais2}, kPlain},
      {"chameleon", {kChameleonSentinel, kChameleonImage, kChameleonSpaces, kNumber, kChameleonPunctuation, kGpt2}, kAddBos},
      {"granite-embed-multi-97m", {kGraniteMulti}, kIgnoreMerges},
      {"tiny_aya cohere2moe", {kRightAlignedDigits, kGpt4o}, kPlain},
      {"kimi-k2", {kKimi}, kPlain},
      {"superbpe", {kNumbers, kThousands}, kPlain},
      {"bailingmoe bailingmoe2 llada-moe", {kBailing}, kPlain},
      {"seed-coder", {kSeedCoder}, kPlain},
      {"ufakzeka", {kUfakzeka}, kPlain},
      {"afmoe", {kNumbers, kThousands, kAfmoeCjk, kDeepseek3}, kPlain},
      {"laguna", {kLines, kQwen2}, kPlain},
      {"exaone-moe", {kExaoneMoe}, kPlain},
      {"minicpm5", {kNumberOfThree, kMiniCpm5}, kIgnoreMerges},
      {"youtu", {kYoutuCjk, kYoutu}, kIgnoreMerges},
      {"spark2_5", {kNumberOfThree, kDeepseek3Cjk, kSpark, kNumber}, kPlain},
      {"gemma4 granite-embed-multi-311m", {kLines}, kWordMarks | kAddBos},
      {"sarvam-moe", {kLines}, kWordMarks},
  };
  return kRows;
}

struct ClassRow {
  std::string_view class_or_type;
  std::string_view pre;
};
// Classes whose slow tokenizers are vocab.json + merges.txt, and the pattern in their code.
constexpr ClassRow kClasses[] = {
    {"Qwen2Tokenizer", "qwen2"},      {"Qwen2TokenizerFast", "qwen2"}, {"qwen2", "qwen2"},
    {"qwen2_moe", "qwen2"},           {"qwen3", "qwen2"},              {"qwen3_moe", "qwen2"},
    {"GPT2Tokenizer", "gpt-2"},       {"GPT2TokenizerFast", "gpt-2"},  {"gpt2", "gpt-2"},
    {"RobertaTokenizer", "gpt-2"},    {"CodeGenTokenizer", "gpt-2"},   {"phi", "gpt-2"},
    {"GPTNeoXTokenizerFast", "gpt-2"}, {"gpt_neox", "gpt-2"},          {"opt", "gpt-2"},
    {"QWenTokenizer", "qwen2"},       {"qwen", "qwen2"},
    {"ChatGLM4Tokenizer", "glm4"},    {"chatglm4", "glm4"},            {"glm4", "glm4"},
    {"glm", "glm4"},                  {"llama", "llama-bpe"},          {"mllama", "llama-bpe"},
    {"PreTrainedTokenizerFast", "llama-bpe"},
};
// clang-format on

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

Result<PreName> find_pre_name(std::string_view name, std::string_view where) {
  std::vector<std::string> known;
  for (const Row& row : rows()) {
    for (const std::string_view word : words(row.names)) {
      if (word == name) {
        return PreName{word, row.patterns, (row.flags & kIgnoreMerges) != 0,
                       (row.flags & kAddBos) != 0, (row.flags & kWordMarks) != 0};
      }
      known.emplace_back(word);
    }
  }
  const auto close = suggest(name, known);
  return fail(ErrorKind::unsupported, "{}: unknown pre-tokenizer \"{}\"{}", where,
              name.substr(0, 80),
              close ? fmt::format("; did you mean \"{}\"?", *close) : std::string());
}

Result<std::vector<PreTokenizerStep>> make_pattern_steps(std::span<const std::string_view> patterns,
                                                         std::string_view where) {
  std::vector<PreTokenizerStep> steps;
  for (const std::string_view pattern : patterns) {
    TRY(MatcherPtr matcher, make_pattern_matcher(pattern, where));
    steps.push_back(PreTokenizerStep::split(std::move(matcher), SplitBehavior::isolated));
  }
  return steps;
}

std::optional<std::string_view> name_of_patterns(const std::vector<std::string>& patterns,
                                                 bool ignore_merges) {
  for (const Row& row : rows()) {
    if (!std::equal(row.patterns.begin(), row.patterns.end(), patterns.begin(), patterns.end()))
      continue;
    if (((row.flags & kIgnoreMerges) != 0) == ignore_merges) return words(row.names).front();
  }
  return std::nullopt;
}

std::optional<std::string_view> pre_name_of_class(std::string_view class_or_type) {
  for (const ClassRow& row : kClasses) {
    if (row.class_or_type == class_or_type) return row.pre;
  }
  return std::nullopt;
}

}  // namespace jiang
