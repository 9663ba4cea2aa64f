// From a conversation to what a model is asked: messages, system prompt, parameters; and a title.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "chat/backend.h"
#include "storage/message.h"

namespace jiang {

// `settings` as docs/api.md has them (temperature, top_p, max_tokens, seed, stop, thinking ...)
// into the request. Errors name the field: "settings.temperature: must be a number from 0 to 2".
Status apply_settings(const Json& settings, ChatRequest& request);

// OpenAI's form of a path: attachments stand before what the user wrote, thoughts are left out, and
// so are answers that hold nothing. `system` "" for none.
Json messages_of_path(const std::vector<Message>& path, std::string_view system);

// SHA-256 of the messages: the same question has the same hash.
std::string prompt_hash(const Json& messages);

// The first line of a message, at most 30 characters, cut between characters.
std::string title_of(std::string_view content);

}  // namespace jiang
