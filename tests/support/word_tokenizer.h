// A tokenizer whose tokens are the given byte strings: for tests of what walks a vocabulary.
// It does not encode.
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace jiang {

class WordTokenizer final : public Tokenizer {
 public:
  // Ids below `n_words` are words, then come the special tokens; the last special ends a turn.
  WordTokenizer(std::vector<std::string> words, std::vector<std::string> specials)
      : tokens_(std::move(words)), n_words_(tokens_.size()) {
    for (std::string& special : specials) tokens_.push_back(std::move(special));
    end_ids_ = {static_cast<TokenId>(tokens_.size()) - 1};
  }
  // All single bytes, and pieces of JSON and of words, some of which cut characters.
  static std::shared_ptr<const WordTokenizer> of_pieces() {
    std::vector<std::string> words;
    for (int byte = 0; byte < 256; ++byte) words.emplace_back(1, static_cast<char>(byte));
    for (const char* word : {"{\"",
                             "\":",
                             "\": \"",
                             "\",",
                             "\", \"",
                             "\"}",
                             "\"},",
                             "}}",
                             "]}",
                             "],",
                             "[]",
                             "{}",
                             "true",
                             "false",
                             "null",
                             " true",
                             "tr",
                             "nul",
                             "name",
                             "the",
                             " the",
                             "a",
                             "abc",
                             " a b",
                             "12",
                             "123",
                             "00",
                             "0.5",
                             "-1",
                             ".1",
                             "e+",
                             "\\n",
                             "\\\"",
                             "\\u00",
                             "\\ud83d\\ude00",
                             "  ",
                             "    ",
                             "\n",
                             "\n  ",
                             ", ",
                             ": ",
                             "\xE4\xBD\xA0",
                             "\xE4\xBD\xA0\xE5\xA5\xBD",
                             "\xE5\xA5",
                             "\xF0\x9F",
                             "\x98\x80",
                             "\xC3\xA9t\xC3\xA9",
                             "2024-",
                             "-01",
                             "T00:",
                             "Z",
                             "@",
                             ".com",
                             "://",
                             "\"\"",
                             "[[",
                             "[\"",
                             "\",\"",
                             "foo",
                             "bar",
                             "\"foo\":",
                             "\"bar\": ",
                             "\n\n",
                             "<tool_call>",
                             "</tool_call>",
                             "{\"name\": \"",
                             "\", \"arguments\": "})
      words.emplace_back(word);
    return std::make_shared<const WordTokenizer>(
        std::move(words), std::vector<std::string>{"<s>", "<|mark|>", "</s>"});
  }

  std::vector<TokenId> encode(std::string_view, EncodeOptions) const override { return {}; }
  std::string token_bytes(TokenId id) const override { return tokens_.at(static_cast<size_t>(id)); }
  std::string decode(std::span<const TokenId> ids, bool with_specials) const override {
    std::string text;
    for (const TokenId id : ids) text += text_bytes(id, false, with_specials);
    return text;
  }
  int32_t vocab_size() const override { return static_cast<int32_t>(tokens_.size()); }
  bool is_special(TokenId id) const override { return static_cast<size_t>(id) >= n_words_; }
  std::optional<TokenId> find(std::string_view token) const override {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i] == token) return static_cast<TokenId>(i);
    }
    return std::nullopt;
  }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return end_ids_[0]; }
  bool adds_bos() const override { return false; }
  std::span<const TokenId> end_ids() const override { return end_ids_; }
  std::string describe() const override { return "words"; }

 private:
  std::vector<std::string> tokens_;
  size_t n_words_;
  std::vector<TokenId> end_ids_;
};

}  // namespace jiang
