// Chat: messages + tools -> a prompt -> events, over an Engine (later also over a remote API). The
// CLI, the server and agents share it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/template_traits.h"
#include "engine/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace jiang {

// The text side of a model: tokenizer and template, checked to work together.
class ChatModel {
 public:
  // A model without a template can complete raw text only; has_template() says so.
  static Result<ChatModel> create(TextAssets assets);

  bool has_template() const { return template_.has_value(); }
  const Tokenizer& tokenizer() const { return *assets_.tokenizer; }
  const TextAssets& assets() const { return assets_; }

  // `messages` and `tools` are in OpenAI's form (null: no tools); `extra` is merged into the
  // template's context, which it may add to but not override. What the template cannot take as it
  // is goes in the form that it can (template_traits.h): content in parts as text or the other way
  // round, arguments of tool calls as an object or as text.
  //
  // Special tokens come from the template only: in what messages and tools say they are text.
  Result<std::vector<TokenId>> prompt(const Json& messages, const Json& tools,
                                      bool add_generation_prompt, const Json& extra) const;
  // The text of prompt(), and which parts of it the template wrote.
  Result<std::vector<PromptSegment>> render(const Json& messages, const Json& tools,
                                            bool add_generation_prompt, const Json& extra) const;
  // prompt() of what render() returned, or of a part of it.
  std::vector<TokenId> encode(const std::vector<PromptSegment>& segments) const;
  // Raw text with the special tokens that the model wants around it.
  std::vector<TokenId> raw_prompt(std::string_view text) const;

 private:
  TextAssets assets_;
  std::optional<ChatTemplate> template_;
  TemplateTraits traits_;
};

struct GenerateOptions {
  int32_t max_tokens = -1;
  SamplingParams sampling = {};
  std::vector<std::string> stop = {};  // stop strings: cut before, never shown in part
  // The answer continues the prompt's text (no template): a first space belongs to it.
  bool continues_text = false;
  std::shared_ptr<Constraint> constraint = {};  // of this one request
  // Called some 20 times a second while no token comes (next_within(0.05)), with the prompt tokens
  // prefilled so far and in all: progress for people. Returns false to stop, as on_text does.
  std::function<bool(int32_t, int32_t)> on_wait = {};
};

// Runs one request and hands out text as whole UTF-8 characters. `on_text` returns false to stop.
// Stop strings are matched here, stop tokens in the engine.
struct Generation {
  std::string text;
  FinishEvent finish;
};
Result<Generation> generate(Engine& engine, const ChatModel& chat, std::vector<TokenId> prompt,
                            const GenerateOptions& options,
                            const std::function<bool(std::string_view)>& on_text);

}  // namespace jiang
