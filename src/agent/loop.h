// The agent loop: model -> tool calls -> results as messages -> model, until the model answers, a
// budget ends, or the person stops it.
//
// run_agent() blocks: call it on a thread that may wait. Events come on that thread, in order.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
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

// What a person is asked before a call.
struct ApprovalQuestion {
  std::string id;  // of this call, as in its parts
  const Tool& tool;
  std::string arguments;  // JSON text
};

struct AgentRequest {
  ChatRequest chat = {};  // messages, sampling ...; `tools` is filled here
  // The first turn, when it is under way already: of first_turn(*this).
  std::unique_ptr<ChatStream> first = {};
  std::vector<const Tool*> tools = {};
  ToolContext context = {};
  AgentBudget budget = {};
  Locale locale = Locale::english;
  // Compile and run the C program of an answer that no tool ran; mend it while repairs are left.
  bool verifies_code = false;
  // Tools that may be called unasked, beside those without a permission.
  std::set<std::string> allowed = {};
  // Asked before every other call. Absent: nobody can be asked, and the call is refused.
  std::function<Approval(const ApprovalQuestion& question)> approve = {};
  // The messages hold text from the web already: only addresses that the user typed or a search
  // found are opened unasked.
  bool has_untrusted_text = false;
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
  std::string id;  // as the model gave it
  std::string name;
  std::string arguments;  // JSON text, as the model wrote it
  bool ok = false;
  bool approved = true;
  std::string result;  // what the model was told
  double seconds = 0;
};

struct AgentOutcome {
  std::string text;            // all text of the answer
  std::string last_turn = {};  // the model's own words of its last turn
  ChatFinish finish = {};      // of the last turn; stats are sums
  int32_t steps = 0;
  std::string stopped_by = {};  // "steps", "tokens", "time", "context": what ended it; else ""
  std::vector<ToolCallRecord> calls = {};
};

Result<AgentOutcome> run_agent(ChatBackend& backend, AgentRequest request,
                               const AgentEvents& events, const std::atomic<bool>& cancelled);

// What the model is asked first.
ChatRequest first_turn(const AgentRequest& request);

// Tools in OpenAI's form.
Json tools_json(const std::vector<const Tool*>& tools);

}  // namespace jiang
