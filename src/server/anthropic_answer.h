// MessagesFormat: an answer of /v1/messages, as events or whole.
#pragma once

#include <atomic>
#include <memory>

#include "server/answer.h"

namespace jiang {

// `prompt_tokens` is filled in before the answer begins; 0 where nobody can count them.
std::unique_ptr<AnswerFormat> make_anthropic_format(
    std::shared_ptr<std::atomic<int32_t>> prompt_tokens);

}  // namespace jiang
