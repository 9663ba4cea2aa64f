// A byte-level tokenizer without merges, made in memory: token i < 256 is byte i, then come the
// special tokens and the added ones in the order given. For tests of what lies above tokenizers.
#pragma once

#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/unicode.h"
#include "tests/support/temp_folder.h"
#include "text/tokenizer.h"

namespace jiang {

struct TinyTokens {
  std::vector<std::string> special = {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|a|>"};
  std::vector<std::string> added = {"<b>"};  // not special: found in any text
};

inline std::shared_ptr<const Tokenizer> tiny_tokenizer(const TinyTokens& tokens = {}) {
  // GPT-2's alphabet: printable bytes stand for themselves, the others for U+0100 and on.
  Json vocabulary = Json::object();
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    std::string text;
    append_utf8(text, printable ? static_cast<char32_t>(byte) : next++);
    vocabulary[text] = byte;
  }
  Json added = Json::array();
  const auto add = [&](const std::string& text, bool special) {
    added.push_back({{"id", 256 + added.size()},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special}});
  };
  for (const std::string& text : tokens.special) add(text, true);
  for (const std::string& text : tokens.added) add(text, false);
  const Json file = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  const TempFolder folder;
  const std::string path = folder.write("tokenizer.json", to_string(file));
  Result<TextAssets> assets = load_text_assets(path);
  JIANG_CHECK(assets.has_value(), assets.error().message);
  return assets->tokenizer;
}

}  // namespace jiang
