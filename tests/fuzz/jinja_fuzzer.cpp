// Chat templates are part of model files: any bytes may come. Parses and renders them over a fixed
// chat with small budgets.
#include <cstdint>
#include <cstdlib>

#include "base/json_value.h"
#include "text/chat_template.h"

namespace {

const jiang::Json& context() {
  static const jiang::Json chat = jiang::Json::parse(R"({
    "messages": [
      {"role": "system", "content": "You are <b>terse</b>.\n"},
      {"role": "user", "content": "  Hello, W\u00f6rld \u4f60\u597d  "},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "a1", "type": "function",
        "function": {"name": "look", "arguments": {"at": "it's \"x\"", "n": [1, 2.5, true]}}}]},
      {"role": "tool", "content": [{"type": "text", "text": "here"}], "tool_call_id": "a1"}],
    "tools": [{"type": "function", "function": {"name": "look", "description": "d",
      "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
    "xs": [3, 1, 2], "d": {"b": 1, "a": "x"}, "s": "a-b_c d", "n": null, "f": 1.5})");
  return chat;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = jiang::ChatTemplate::parse(source);
  if (!parsed) return 0;
  const auto segments = parsed->render(
      context(), {.max_steps = 100'000, .max_depth = 200, .max_output_bytes = 100'000});
  if (segments && jiang::join(*segments).size() > 100'000) std::abort();
  return 0;
}
