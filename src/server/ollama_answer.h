// OllamaFormat: answers of Ollama's chat and generate, as lines of JSON or whole.
#pragma once

#include <memory>
#include <string>

#include "server/answer.h"

namespace jiang {

enum class OllamaAnswer : uint8_t { chat, generate };
std::unique_ptr<AnswerFormat> make_ollama_format(OllamaAnswer kind);
// An answer without text: the model was loaded, or let go ("load", "unload").
HttpResponse ollama_load_answer(OllamaAnswer kind, const std::string& model, const char* reason);

}  // namespace jiang
