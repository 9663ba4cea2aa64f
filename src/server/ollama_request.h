// What Ollama's bodies say -> a ChatRequest: options, keep_alive, format, think, messages.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "chat/backend.h"
#include "server/errors.h"
#include "server/fields.h"
#include "server/sampling_fields.h"

namespace jiang {

// options: {...}
struct OllamaOptions {
  SamplingFields sampling = {};
  std::optional<int64_t> num_predict = {};
  std::optional<int64_t> num_ctx = {};

  void fields(Fields& f);
};

// 300, "5m", "1h30m"; negative: for ever.
std::optional<ApiError> read_keep_alive(const Json& value,
                                        std::optional<std::chrono::seconds>& out);
// "json", or a JSON schema.
std::optional<ApiError> read_ollama_format(const Json& value, ResponseFormat& out);
// true, false, or how much.
std::optional<ApiError> read_think(const Json& value, std::optional<bool>& out);
// To OpenAI's form, in place: arguments as text, calls with ids, thinking under its name.
std::optional<ApiError> convert_ollama_messages(Json& messages);

}  // namespace jiang
