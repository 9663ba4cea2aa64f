// ChatBackend: a conversation in, typed events out. A local model (local_backend.h) and a remote
// LLM API (remote_backend.h) are the same thing to the CLI, the server and agents.
//
// start() may be called from any thread. A ChatStream belongs to one reader; destroying it cancels
// its own request and no other. A backend outlives its streams.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json_value.h"  // Json by value
#include "base/result.h"
#include "engine/engine.h"

namespace jiang {

struct ToolChoice {
  enum class Kind : uint8_t { automatic, none, required, named };
  Kind kind = Kind::automatic;
  std::string name = {};  // when named
};

struct ResponseFormat {
  enum class Kind : uint8_t { text, json_object, json_schema };
  Kind kind = Kind::text;
  Json schema = {};  // when json_schema
};

struct ChatRequest {
  Json messages = {};  // OpenAI's form
  Json tools = {};     // OpenAI's form; null: none
  // A prompt in place of messages: the model continues it. Ids win over text.
  std::optional<std::string> raw_text = {};
  std::vector<TokenId> raw_ids = {};

  // Enforced: required and named make the model call, none makes it not call.
  ToolChoice tool_choice = {};
  bool parallel_tool_calls = true;
  ResponseFormat format = {};  // enforced by constrained decoding
  SamplingParams sampling = {};
  int32_t max_tokens = -1;             // -1: until the context is full
  std::vector<std::string> stop = {};  // cut before, never shown in part
  int32_t top_logprobs = -1;           // -1: none; n: logprob of each token and of the n best
  std::optional<bool> thinking = {};   // for templates that know enable_thinking
  // Of a local model's own, by index. Nullopt: as it was loaded; empty: none.
  std::optional<AdapterMix> adapters = {};
  Json template_extra = {};  // merged into the template's context
  // The last message is an assistant's and is continued, not answered.
  bool continues_last = false;
  bool ignore_eos = false;  // only max_tokens, stop strings and the context end the answer
  std::string user = {};    // as the engine's Request has it
  bool goes_first = false;  // as the engine's Request has it
  // Called, from any thread and never under a lock of the stream, when the stream may have become
  // readable. Must be quick and must not call into the stream: post to a queue of your own.
  std::function<void()> notify = {};
};

struct TokenText {
  std::string bytes;  // perhaps half a character
  float logprob = 0;
};
struct TokenTextLogprobs {
  TokenText token;
  std::vector<TokenText> top;  // best first
};

struct TextDelta {
  std::string text;  // whole UTF-8 characters
  std::vector<TokenTextLogprobs> logprobs = {};
};
struct ReasoningDelta {
  std::string text;  // what came between <think> and </think>, or the family's own markers
};
// The first delta of a call has its id and name; the following ones add to its arguments.
struct ToolCallDelta {
  int32_t index = 0;
  std::string id = {};
  std::string name = {};
  std::string arguments = {};  // JSON text
};
// What an agent did between its words: a Part of docs/api.md. No model sends one, and the public
// dialects leave it out.
struct PartEvent {
  Json part;
};
enum class ChatFinishReason : uint8_t { stop, length, tool_calls, cancelled, error };
struct ChatFinish {
  ChatFinishReason reason = ChatFinishReason::stop;
  std::optional<Error> error = {};
  std::optional<std::string> stop_string = {};  // the one that ended the answer
  RequestStats stats = {};
};
using ChatEvent = std::variant<TextDelta, ReasoningDelta, ToolCallDelta, PartEvent, ChatFinish>;

struct ChatProgress {
  int32_t queue_position = 0;  // 0: running
  int32_t prefilled = 0;       // prompt tokens done
  int32_t prompt_tokens = 0;
};

class ChatStream {
 public:
  virtual ~ChatStream() = default;  // cancels
  // Waits at most `seconds` (0: not at all; negative: for ever). nullopt: nothing in that time, or
  // the ChatFinish has been read.
  virtual std::optional<ChatEvent> next_within(double seconds) = 0;
  // Stops this request; a ChatFinish still comes. Any thread.
  virtual void cancel() = 0;
  virtual ChatProgress progress() const = 0;
};

struct ChatCapabilities {
  bool tools = false;     // the template knows tools
  bool thinking = false;  // the template knows reasoning
  bool embeddings = false;
  int32_t context = 0;
};

class ChatBackend {
 public:
  virtual ~ChatBackend() = default;
  // Fails at once for what can be known at once: a prompt that is too long (both numbers), a
  // schema keyword that is not supported (named), a template that refuses the messages.
  virtual Result<std::unique_ptr<ChatStream>> start(ChatRequest request) = 0;
  // Tokens of the prompt that start() would run.
  virtual Result<int32_t> count_tokens(const ChatRequest& request) = 0;
  virtual ChatCapabilities capabilities() const = 0;
};

}  // namespace jiang
