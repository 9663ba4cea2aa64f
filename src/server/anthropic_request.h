// What Anthropic's bodies say -> a ChatRequest: system and content blocks, tools, choice, thinking.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chat/backend.h"
#include "server/errors.h"
#include "server/fields.h"
#include "server/sampling_fields.h"

namespace jiang {

// What makes the prompt: /v1/messages/count_tokens has no more.
struct AnthropicPrompt {
  std::string model = {};
  Json messages = {};
  Json system = {};
  Json tools = {};
  Json tool_choice = {};
  Json thinking = {};
  Json output_config = {};

  void fields(Fields& f);
};

struct AnthropicBody : AnthropicPrompt {
  std::optional<int64_t> max_tokens = {};
  std::optional<double> temperature = {};
  std::optional<double> top_p = {};
  std::optional<int64_t> top_k = {};
  std::vector<std::string> stop_sequences = {};
  bool stream = false;

  void fields(Fields& f);
  SamplingFields sampling() const;
};

// Names without effect that were given are added to `ignored`.
std::optional<ApiError> read_anthropic_prompt(const AnthropicPrompt& body, ChatRequest& out,
                                              std::vector<std::string>& ignored);
std::optional<ApiError> read_anthropic_body(const AnthropicBody& body, ChatRequest& out,
                                            std::vector<std::string>& ignored);

}  // namespace jiang
