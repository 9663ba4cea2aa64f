// Chat data: conversations out of JSONL in the forms that people have (OpenAI's messages, Alpaca,
// ShareGPT), and their tokens through the model's own chat template. Only what the assistant says
// is learned: its text and the token that ends its turn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/documents.h"
#include "train/token_data.h"

namespace jiang {

// {"messages": [...]} with an optional "tools"; {"instruction", "input", "output"} with an optional
// "system"; {"conversations": [{"from": "human", "value": ...}]}. -> {"messages": ..., "tools":
// ...}
Result<Json> to_conversation(const Json& line);

class ChatEncoder {
 public:
  // An error if the model has no template.
  static Result<ChatEncoder> create(TextAssets assets);

  const Tokenizer& tokenizer() const { return *assets_.tokenizer; }
  const TextAssets& assets() const { return assets_; }

  // Errors say why this conversation cannot be learned: no assistant's turn, or a template that
  // writes earlier turns differently once later ones are there.
  Result<Example> encode(const Json& conversation) const;
  // The prompt of `messages`, ready for an answer.
  Result<std::vector<TokenId>> prompt(const Json& messages, const Json& tools) const;
  // `answer` as the model would have to say it, with the token that ends a turn.
  Result<std::vector<TokenId>> answer(const Json& messages, const Json& tools,
                                      const std::string& text) const;

 private:
  ChatEncoder(TextAssets assets, ChatTemplate chat_template)
      : assets_(std::move(assets)), template_(std::move(chat_template)) {}

  struct Rendered {
    std::string text;
    std::vector<TextRange> from_template;
  };
  Result<Rendered> render(const Json& messages, const Json& tools, bool with_prompt) const;
  // Tokens of text [begin, end) of a rendered chat.
  std::vector<TokenId> encode_part(const Rendered& rendered, size_t begin, size_t end) const;

  TextAssets assets_;
  ChatTemplate template_;
};

// All conversations of the files; what cannot be used, and what is longer than `most_tokens`, goes
// to `bad`.
Result<std::vector<Example>> read_conversations(const std::vector<std::string>& paths,
                                                const ChatEncoder& encoder, int64_t most_tokens,
                                                std::vector<BadLine>& bad);

}  // namespace jiang
