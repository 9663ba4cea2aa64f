// One sentence makes an agent (一句话创建), written by a model that is up to it.
#pragma once

#include <atomic>
#include <string_view>

#include "agent/agent_spec.h"
#include "base/result.h"
#include "chat/backend.h"

namespace jiang {

// Name, introduction, instructions, opening line and questions of what `sentence` wishes for, in
// its language; the answer's form is enforced. Blocks for as long as the model writes, at most
// `seconds`. draft_agent() (agent_import.h) is what to fall back on.
Result<AgentSpec> draft_agent_by_model(ChatBackend& backend, std::string_view sentence,
                                       double seconds,
                                       const std::atomic<bool>* cancelled = nullptr);

}  // namespace jiang
