// `jiang run agent:NAME`: one answer, or a chat, of an agent whose tools run here. What it does is
// shown on stderr, its words go to stdout.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/generation_flags.h"

namespace jiang {

// "agent:NAME" -> "NAME".
std::optional<std::string> agent_named(const std::string& model);

struct AgentSessionFlags {
  std::string agent;
  std::optional<std::string> prompt;  // none: a chat
  GenerationFlags generation;
  int32_t threads = 0;
  int32_t context = 0;
  bool allows_all = false;  // nothing is asked
  bool verbose = false;
  bool keeps_history = true;
};

// The exit status.
Result<int> run_agent_session(const AgentSessionFlags& flags);

}  // namespace jiang
