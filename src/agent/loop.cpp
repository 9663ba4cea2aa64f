#include "agent/loop.h"

#include <chrono>
#include <map>
#include <utility>

#include "agent/fenced_code.h"
#include "base/json_value.h"
#include "base/unicode.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Call {
  std::string id;
  std::string name;
  std::string arguments;
};

// One turn of the model, whole.
struct Turn {
  std::string text;
  std::vector<Call> calls;
  ChatFinish finish;
};

std::string cut(std::string text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  const size_t left_out = text.size() - max_bytes;
  text.resize(complete_utf8_prefix(std::string_view(text).substr(0, max_bytes)));
  return text + fmt::format("\n[... {} bytes left out ...]", left_out);
}

void add(RequestStats& sum, const RequestStats& stats) {
  // The context that the last turn used is what people want to see; times and work add up.
  sum.prompt_tokens = stats.prompt_tokens;
  sum.cached_tokens = stats.cached_tokens;
  sum.generated_tokens += stats.generated_tokens;
  sum.queue_seconds += stats.queue_seconds;
  sum.prefill_seconds += stats.prefill_seconds;
  sum.decode_seconds += stats.decode_seconds;
  sum.seed = stats.seed;
}

class AgentRun {
 public:
  AgentRun(ChatBackend& backend, AgentRequest request, const AgentEvents& events,
           const std::atomic<bool>& cancelled)
      : backend_(backend),
        request_(std::move(request)),
        events_(events),
        cancelled_(cancelled),
        messages_(request_.chat.messages) {
    request_.context.cancelled = &cancelled_;
  }

  Result<AgentOutcome> run() {
    while (true) {
      TRY(Turn turn, take_turn());
      ++outcome_.steps;
      outcome_.text += turn.text;
      RequestStats sum = outcome_.finish.stats;
      add(sum, turn.finish.stats);
      outcome_.finish = turn.finish;
      outcome_.finish.stats = sum;
      const bool goes_on = turn.calls.empty() ? mends(turn) : true;
      if (!turn.calls.empty()) {
        TRY_STATUS(answer_calls(turn));
      }
      if (!goes_on || is_over(turn)) return std::move(outcome_);
      if (!turn.text.empty()) say("\n\n");
    }
  }

 private:
  Result<Turn> take_turn() {
    ChatRequest chat = request_.chat;
    chat.messages = messages_;
    chat.tools = request_.tools.empty() ? Json() : tools_json(request_.tools);
    const int32_t left = request_.budget.tokens - outcome_.finish.stats.generated_tokens;
    if (chat.max_tokens < 0 || chat.max_tokens > left) chat.max_tokens = left;
    TRY(const auto stream, backend_.start(std::move(chat)));
    Turn turn;
    while (true) {
      if (cancelled_.load(std::memory_order_relaxed)) stream->cancel();
      auto event = stream->next_within(0.05);
      if (!event) {
        events_.on_progress(stream->progress());
        if (seconds_since(start_) > request_.budget.wall_seconds) stream->cancel();
        continue;
      }
      if (const auto* text = std::get_if<TextDelta>(&*event)) {
        turn.text += text->text;
        events_.on_text(*text);
      } else if (const auto* reasoning = std::get_if<ReasoningDelta>(&*event)) {
        events_.on_reasoning(*reasoning);
      } else if (const auto* delta = std::get_if<ToolCallDelta>(&*event)) {
        if (delta->index < 0 || static_cast<size_t>(delta->index) > turn.calls.size()) {
          return fail(ErrorKind::bad_file, "the model's tool calls came out of order");
        }
        if (static_cast<size_t>(delta->index) == turn.calls.size()) turn.calls.emplace_back();
        Call& call = turn.calls[static_cast<size_t>(delta->index)];
        call.id += delta->id;
        call.name += delta->name;
        call.arguments += delta->arguments;
      } else {
        turn.finish = std::get<ChatFinish>(std::move(*event));
        return turn;
      }
    }
  }

  // Whether something other than the model's answer ends it.
  bool is_over(const Turn& turn) {
    if (turn.finish.reason == ChatFinishReason::cancelled ||
        turn.finish.reason == ChatFinishReason::error || cancelled_.load()) {
      return true;
    }
    const AgentBudget& budget = request_.budget;
    if (outcome_.steps >= budget.steps) {
      outcome_.stopped_by = "steps";
    } else if (outcome_.finish.stats.generated_tokens >= budget.tokens) {
      outcome_.stopped_by = "tokens";
    } else if (seconds_since(start_) >= budget.wall_seconds) {
      outcome_.stopped_by = "time";
    }
    if (outcome_.stopped_by.empty()) return false;
    const bool zh = request_.locale == Locale::chinese;
    say(zh ? fmt::format("\n\n（已停止：达到了{}的上限。）", outcome_.stopped_by == "steps" ? "步数"
                                                             : outcome_.stopped_by == "tokens"
                                                                 ? "词元数"
                                                                 : "时间")
           : fmt::format("\n\n(Stopped: the limit on {} was reached.)", outcome_.stopped_by));
    outcome_.finish.reason = ChatFinishReason::length;
    return true;
  }

  Status answer_calls(const Turn& turn) {
    Json calls = Json::array();
    for (const Call& call : turn.calls) {
      calls.push_back({{"id", call.id},
                       {"type", "function"},
                       {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
    messages_.push_back({{"role", "assistant"}, {"content", turn.text}, {"tool_calls", calls}});
    for (const Call& call : turn.calls) {
      const ToolCallRecord record = carry_out(call);
      messages_.push_back({{"role", "tool"},
                           {"tool_call_id", record.id},
                           {"name", record.name},
                           {"content", record.result}});
      outcome_.calls.push_back(record);
    }
    return ok();
  }

  ToolCallRecord carry_out(const Call& call) {
    ToolCallRecord record;
    record.id = call.id;
    record.name = call.name;
    record.arguments = call.arguments;
    const auto start = Clock::now();
    auto arguments = parse_json(call.arguments.empty() ? "{}" : call.arguments, call.name);
    events_.on_part({{"type", "tool_call"},
                     {"id", call.id},
                     {"name", call.name},
                     {"arguments", arguments ? *arguments : Json(call.arguments)}});
    auto output = output_of(call, arguments, record);
    record.seconds = seconds_since(start);
    record.ok = output && output->ok;
    record.result = cut(output ? output->text : "error: " + output.error().message,
                        request_.budget.result_bytes);
    events_.on_part({{"type", "tool_result"},
                     {"id", call.id},
                     {"name", call.name},
                     {"ok", record.ok},
                     {"output", record.result},
                     {"millis", static_cast<int64_t>(1000 * record.seconds)}});
    if (output && !output->part.is_null()) {
      events_.on_part(output->part);
      has_run_code_ = has_run_code_ || output->part.value("type", "") == "execution";
    }
    return record;
  }

  Result<ToolOutput> output_of(const Call& call, const Result<Json>& arguments,
                               ToolCallRecord& record) {
    const Tool* tool = nullptr;
    for (const Tool* candidate : request_.tools) {
      if (candidate->name == call.name) tool = candidate;
    }
    if (!tool) return fail(ErrorKind::not_found, "there is no tool named {}", call.name);
    if (!arguments) return arguments.error();
    // Only identical calls without another between them: a changed program is a new attempt.
    const std::string key = call.name + "\n" + to_string(*arguments);
    n_same_ = key == last_call_ ? n_same_ + 1 : 1;
    last_call_ = key;
    if (n_same_ >= request_.budget.same_call) {
      return fail(ErrorKind::invalid_argument,
                  "this is the same call as before, for the {}th time, and it gives the same "
                  "result: change it, or answer with what is known",
                  n_same_);
    }
    if (tool->permission != Permission::none && request_.approve && !always_.contains(tool->name)) {
      const Approval approval = request_.approve(*tool, *arguments);
      if (approval == Approval::deny) {
        record.approved = false;
        return fail(ErrorKind::cancelled, "the user did not allow this call");
      }
      if (approval == Approval::always) always_[tool->name] = true;
    }
    return tool->run(*arguments, request_.context);
  }

  // The program of an answer that nothing has run: run now, and given back when it does not
  // compile. True: the model goes on.
  bool mends(const Turn& turn) {
    if (!request_.verifies_code || !request_.context.sandbox || has_run_code_ ||
        turn.finish.reason != ChatFinishReason::stop) {
      return false;
    }
    const auto program = first_c_program(turn.text);
    if (!program) return false;
    events_.on_part({{"type", "code"}, {"language", "c"}, {"code", *program}});
    const auto result =
        run_c(*request_.context.sandbox,
              {.source = *program, .folder = request_.context.folder, .cancelled = &cancelled_});
    if (!result) {
      // The answer stands; that it was not verified is said.
      say("\n\n" + result.error().message);
      return false;
    }
    events_.on_part(execution_part(*result));
    say("\n\n" + verified_sentence(*result, "", request_.locale));
    if (result->compiled || n_repairs_ >= request_.budget.repairs) return false;
    ++n_repairs_;
    const bool zh = request_.locale == Locale::chinese;
    messages_.push_back({{"role", "assistant"}, {"content", turn.text}});
    messages_.push_back(
        {{"role", "user"},
         {"content", (zh ? "编译器的输出如下，请改正并给出完整的程序：\n"
                         : "The compiler says this. Correct it and give the whole program:\n") +
                         cut(result->compile.err, request_.budget.result_bytes)}});
    return true;
  }

  // Words of ours in the answer.
  void say(const std::string& text) {
    outcome_.text += text;
    events_.on_text({.text = text});
  }

  ChatBackend& backend_;
  AgentRequest request_;
  const AgentEvents& events_;
  const std::atomic<bool>& cancelled_;
  Json messages_;
  AgentOutcome outcome_;
  std::map<std::string, bool> always_;
  std::string last_call_;
  int32_t n_same_ = 0;
  int32_t n_repairs_ = 0;
  bool has_run_code_ = false;
  const Clock::time_point start_ = Clock::now();
};

}  // namespace

Json tools_json(const std::vector<const Tool*>& tools) {
  Json json = Json::array();
  for (const Tool* tool : tools) {
    json.push_back({{"type", "function"},
                    {"function",
                     {{"name", tool->name},
                      {"description", tool->description},
                      {"parameters", Json::parse(tool->parameters)}}}});
  }
  return json;
}

Result<AgentOutcome> run_agent(ChatBackend& backend, AgentRequest request,
                               const AgentEvents& events, const std::atomic<bool>& cancelled) {
  return AgentRun(backend, std::move(request), events, cancelled).run();
}

}  // namespace jiang
