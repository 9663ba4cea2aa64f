#include "agent/agent_draft.h"

#include <chrono>

#include "agent/execution.h"
#include "base/json_value.h"

namespace jiang {
namespace {

constexpr int32_t kMaxTokens = 900;
constexpr const char* kSchema = R"({"type":"object","properties":{
  "name":{"type":"string","maxLength":40},
  "introduction":{"type":"string","maxLength":200},
  "instructions":{"type":"string","maxLength":1200},
  "opening":{"type":"string","maxLength":200},
  "questions":{"type":"array","items":{"type":"string","maxLength":80},"minItems":3,"maxItems":3},
  "code":{"type":"boolean"},
  "web":{"type":"boolean"}},
  "required":["name","introduction","instructions","opening","questions","code","web"],
  "additionalProperties":false})";

constexpr const char* kTaskEnglish =
    "You design assistants. From the user's sentence, write one as a JSON object: name (short), "
    "introduction (one sentence for its visitors), instructions (the system prompt: who it is, "
    "what it does, how it speaks, what it must not do), opening (its first words), questions "
    "(three that a visitor may ask), code (true only if it needs to write and run C programs), web "
    "(true only if it needs to read the web). Write in the language of the sentence.";
constexpr const char* kTaskChinese =
    "你负责设计智能体。根据用户的一句话，写出一个 JSON "
    "对象：name（简短的名称）、introduction（给访客"
    "看的一句简介）、instructions（系统提示：它是谁、做什么、语气如何、不做什么）、opening（开场白"
    "）、"
    "questions（访客可能问的三个问题）、code（只有需要编写并运行 C 程序时为 "
    "true）、web（只有需要联网"
    "查资料时为 true）。全部用中文书写。";

Result<std::string> whole_answer(ChatStream& stream, double seconds,
                                 const std::atomic<bool>* cancelled) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::string text;
  while (true) {
    if (cancelled && cancelled->load()) return fail(ErrorKind::cancelled, "cancelled");
    if (std::chrono::steady_clock::now() > end) {
      return fail(ErrorKind::cancelled, "the model took longer than {} s", seconds);
    }
    const auto event = stream.next_within(0.1);
    if (!event) continue;
    if (const auto* delta = std::get_if<TextDelta>(&*event)) text += delta->text;
    const auto* finish = std::get_if<ChatFinish>(&*event);
    if (!finish) continue;
    if (finish->error) return *finish->error;
    return text;
  }
}

}  // namespace

Result<AgentSpec> draft_agent_by_model(ChatBackend& backend, std::string_view sentence,
                                       double seconds, const std::atomic<bool>* cancelled) {
  const bool zh = locale_of(sentence) == Locale::chinese;
  ChatRequest request;
  request.messages =
      Json::array({{{"role", "system"}, {"content", zh ? kTaskChinese : kTaskEnglish}},
                   {{"role", "user"}, {"content", sentence}}});
  request.format.kind = ResponseFormat::Kind::json_schema;
  TRY(request.format.schema, parse_json(kSchema, "schema"));
  request.max_tokens = kMaxTokens;
  if (backend.capabilities().thinking) request.thinking = false;
  TRY(const auto stream, backend.start(std::move(request)));
  TRY(const std::string text, whole_answer(*stream, seconds, cancelled));
  TRY(const Json written, parse_json(text, "the model's draft"));
  TRY(AgentSpec agent, parse_agent_json(written, "the model's draft"));
  agent.id.clear();
  agent.avatar = "✨";
  return agent;
}

}  // namespace jiang
