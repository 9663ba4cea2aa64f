// Agents from elsewhere: jiang's TOML and JSON, a GPT's fields, LobeChat's and Dify's exports; and
// an agent made of one sentence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/agent_spec.h"
#include "base/result.h"

namespace jiang {

struct ImportedAgent {
  AgentSpec agent;
  std::string form;                  // "jiang", "gpt", "lobechat", "dify"
  std::vector<std::string> dropped;  // fields that an agent here has no place for
};
// `text` is the whole file.
Result<ImportedAgent> import_agent(std::string_view text);

// The form that a sentence fills by a template: name, introduction, instructions, opening,
// questions. "zh..." gives Chinese, everything else English.
AgentSpec draft_agent(std::string_view sentence, std::string_view locale);

}  // namespace jiang
