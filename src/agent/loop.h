// The agent loop: model -> tool calls -> results as messages -> model, until the model answers, a
// budget ends, or the person stops it.
//
// run_agent() blocks: call it on a thread that may wait. Events come on that thread, in order.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "agent/execution.h"
#include "agent/tool.h"
#include "base/json_value.h"
#include "base/result.h"
#include "chat/backend.h"

namespace jiang {

struct AgentBudget {
  int32_t steps = 8;       // turns of the model
  int32_t tokens = 16384;  // generated, all turns together
  double wall_seconds = 600;
  size_t result_bytes = size_t{16}
                        << 10;  // of one tool's text to the model; the rest is cut, and said so
  int32_t same_call = 3;        // the same call so often is answered with a note instead
  int32_t repairs = 2;          // times that code which does not compile is given back
};

enum class Approval : uint8_t { once, always, deny };

struct AgentRequest {
  ChatRequest chat = {};  // messages, sampling ...; `tools` is filled here
  std::vector<const Tool*> tools = {};
  ToolContext context = {};
  AgentBudget budget = {};
  Locale locale = Locale::english;
  // Compile and run the C program of an answer that no tool ran; mend it while repairs are left.
  bool verifies_code = false;
  // Asked before a call whose tool has a permission. Absent: allowed (the owner switched it on).
  std::function<Approval(const Tool& tool, const Json& arguments)> approve = {};
};

// What happens, for people: deltas of the model, and Parts of docs/api.md.
struct AgentEvents {
  std::function<void(const TextDelta&)> on_text = [](const TextDelta&) {};
  std::function<void(const ReasoningDelta&)> on_reasoning = [](const ReasoningDelta&) {};
  std::function<void(const Json& part)> on_part = [](const Json&) {};
  std::function<void(const ChatProgress&)> on_progress = [](const ChatProgress&) {};
};

// One call as it is logged.
struct ToolCallRecord {
  std::string id;
  std::string name;
  std::string arguments;  // JSON text, as the model wrote it
  bool ok = false;
  bool approved = true;
  std::string result;  // what the model was told
  double seconds = 0;
};

struct AgentOutcome {
  std::string text;        // all text of the answer
  ChatFinish finish = {};  // of the last turn; stats are sums
  int32_t steps = 0;
  std::string stopped_by = {};  // "steps", "tokens", "time": which budget ended it; else ""
  std::vector<ToolCallRecord> calls = {};
};

Result<AgentOutcome> run_agent(ChatBackend& backend, AgentRequest request,
                               const AgentEvents& events, const std::atomic<bool>& cancelled);

// Tools in OpenAI's form.
Json tools_json(const std::vector<const Tool*>& tools);

}  // namespace jiang
