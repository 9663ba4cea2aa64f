// What a chat request says in OpenAI's form -> a ChatRequest: messages, tools, choice, format.
// /v1/chat/completions and /v1/responses share it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "chat/backend.h"
#include "server/errors.h"
#include "server/fields.h"

namespace jiang {

// Checks roles, content and tool calls; developer becomes system. `messages` is changed in place.
std::optional<ApiError> check_messages(Json& messages);
std::optional<ApiError> check_tools(const Json& tools);
// `tool_choice` as a client writes it; null: automatic with tools.
std::optional<ApiError> read_tool_choice(const Json& tool_choice, const Json& tools,
                                         ToolChoice& out);
// {"type": "json_schema", "json_schema": {"name", "schema", "strict"}}
std::optional<ApiError> read_response_format(const Json& format, ResponseFormat& out);

// Ids where a client may write them instead of text; nothing: not a list of numbers, or one of
// them is no token's id (below zero, or beyond 2^31 - 1).
bool looks_like_ids(const Json& value);
std::optional<std::vector<TokenId>> read_token_ids(const Json& value);

struct StreamOptions {
  bool include_usage = false;
  void fields(Fields& f) {
    f.flag("include_usage", include_usage);
    f.without_effect("include_obfuscation");
  }
};

// "chatcmpl-" and 24 random letters.
std::string make_id(const char* prefix);
Json openai_usage(const RequestStats& stats);
void add_usage(RequestStats& total, const RequestStats& stats);
const char* openai_finish_reason(ChatFinishReason reason);

}  // namespace jiang
