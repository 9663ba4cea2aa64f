// A model of this machine as a ChatBackend: template, tokens, the engine, and the answer's text
// taken apart into content, reasoning and tool calls.
//
// `chat` and `engine` outlive the backend. Nothing runs on threads of its own: a stream does its
// work when it is read.
#pragma once

#include <memory>

#include "chat/backend.h"
#include "chat/chat.h"
#include "engine/engine.h"

namespace jiang {

std::unique_ptr<ChatBackend> make_local_backend(const ChatModel& chat, Engine& engine);

}  // namespace jiang
