// AnswerReader: the tokens of one answer -> ChatEvents. Text is whole UTF-8 characters; stop
// strings are cut from content; each TextDelta carries the log-probabilities of its tokens.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chat/backend.h"
#include "chat/stop_strings.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace jiang {

class AnswerReader {
 public:
  struct Options {
    OutputParser::Options output = {};
    // Special tokens that the parser reads; others give no text.
    std::vector<std::pair<TokenId, std::string>> markers = {};
    bool wants_logprobs = false;
  };
  AnswerReader(std::shared_ptr<const Tokenizer> tokenizer, StopStrings stops, Options options);

  // The answer goes on with the text of `prompt`: a first space belongs to it.
  void continue_after(std::span<const TokenId> prompt);

  // False: a stop string came, and the rest of the answer is not wanted.
  bool feed(const TokenEvent& token, std::deque<ChatEvent>& out);
  void finish(std::deque<ChatEvent>& out);

  const std::optional<std::string>& stop_string() const { return stop_string_; }
  bool has_calls() const { return n_calls_ > 0; }

 private:
  bool show(std::vector<OutputEvent> events, bool is_end, std::deque<ChatEvent>& out);
  void push_text(std::string text, std::deque<ChatEvent>& out);
  TokenText token_text(TokenId id, float logprob) const;

  const std::shared_ptr<const Tokenizer> tokenizer_;
  StreamDecoder decoder_;
  OutputParser parser_;
  StopStrings stops_;
  const std::vector<std::pair<TokenId, std::string>> markers_;
  const bool wants_logprobs_;
  int32_t n_calls_ = 0;
  std::vector<TokenTextLogprobs> logprobs_;  // of tokens whose text has not been shown yet
  std::optional<std::string> stop_string_;
};

}  // namespace jiang
