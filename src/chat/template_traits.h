// What forms of messages a chat template can take. Templates do not say; so they are tried once,
// when a model is opened, with small chats that contain a word to look for in the prompt.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "text/chat_template.h"

namespace jiang {

struct TemplateTraits {
  bool takes_parts = false;        // content as a list of {"type": "text", "text": ...}
  bool takes_text = true;          // content as a string
  bool arguments_as_text = false;  // tool_calls' arguments as JSON text, not as an object
  bool empty_for_null = false;     // content null breaks it or prints "None"; "" does not
};

TemplateTraits probe(const ChatTemplate& chat_template, const std::string& bos_token,
                     const std::string& eos_token);

// Messages in OpenAI's form -> the form that the template takes. Errors name the message.
Result<Json> adapt_messages(const Json& messages, const TemplateTraits& traits);

}  // namespace jiang
