#include "agent/loop.h"

#include <chrono>
#include <utility>

#include "agent/address_rule.h"
#include "agent/fenced_code.h"
#include "base/json_value.h"
#include "base/secret.h"
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
        messages_(request_.chat.messages),
        addresses_(messages_, request_.has_untrusted_text) {
    request_.context.cancelled = &cancelled_;
  }

  Result<AgentOutcome> run() {
    while (true) {
      auto taken = take_turn();
      if (!taken && outcome_.steps > 0 && taken.error().kind == ErrorKind::too_large) {
        // What the tools said filled the context: the answer so far stands.
        end_by("context");
        return std::move(outcome_);
      }
      if (!taken) return taken.error();
      const Turn turn = *std::move(taken);
      ++outcome_.steps;
      outcome_.text += turn.text;
      outcome_.last_turn = turn.text;
      RequestStats sum = outcome_.finish.stats;
      add(sum, turn.finish.stats);
      outcome_.finish = turn.finish;
      outcome_.finish.stats = sum;
      const std::string whole = take_beginning() + turn.text;
      bool goes_on = !turn.calls.empty();
      if (goes_on) {
        answer_calls(turn, whole);
      } else {
        goes_on = mends(turn, whole);
      }
      if (is_cancelled()) outcome_.finish.reason = ChatFinishReason::cancelled;
      if (!goes_on || is_over(turn)) return std::move(outcome_);
      if (!turn.text.empty()) say("\n\n");
    }
  }

 private:
  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  Result<std::unique_ptr<ChatStream>> start_turn() {
    if (request_.first) return std::move(request_.first);
    ChatRequest chat = first_turn(request_);
    chat.messages = messages_;
    const int32_t left = request_.budget.tokens - outcome_.finish.stats.generated_tokens;
    if (chat.max_tokens < 0 || chat.max_tokens > left) chat.max_tokens = left;
    return backend_.start(std::move(chat));
  }

  Result<Turn> take_turn() {
    TRY(const auto stream, start_turn());
    Turn turn;
    while (true) {
      if (is_cancelled()) stream->cancel();
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
      } else if (auto* finish = std::get_if<ChatFinish>(&*event)) {
        turn.finish = std::move(*finish);
        return turn;
      }
    }
  }

  // An answer that is continued: what it began with, taken out of the messages for the turn that
  // added to it.
  std::string take_beginning() {
    if (!request_.chat.continues_last) return "";
    request_.chat.continues_last = false;
    std::string text = messages_.back().value("content", "");
    messages_.erase(messages_.size() - 1);
    return text;
  }

  void end_by(const char* what) {
    outcome_.stopped_by = what;
    outcome_.finish.reason = ChatFinishReason::length;
    const bool zh = request_.locale == Locale::chinese;
    const std::string_view by = what;
    const char* name = by == "steps"    ? "步数"
                       : by == "tokens" ? "词元数"
                       : by == "time"   ? "时间"
                                        : "上下文长度";
    say(zh ? fmt::format("\n\n（已停止：达到了{}的上限。）", name)
           : fmt::format("\n\n(Stopped: the limit on {} was reached.)", what));
  }

  // Whether something other than the model's answer ends it.
  bool is_over(const Turn& turn) {
    if (turn.finish.reason == ChatFinishReason::error || is_cancelled()) return true;
    const AgentBudget& budget = request_.budget;
    if (seconds_since(start_) >= budget.wall_seconds) {
      end_by("time");
    } else if (turn.finish.reason == ChatFinishReason::cancelled) {
      return true;
    } else if (outcome_.finish.stats.generated_tokens >= budget.tokens) {
      end_by("tokens");
    } else if (outcome_.steps >= budget.steps) {
      end_by("steps");
    } else {
      return false;
    }
    return true;
  }

  void answer_calls(const Turn& turn, const std::string& text) {
    Json calls = Json::array();
    for (const Call& call : turn.calls) {
      calls.push_back({{"id", call.id},
                       {"type", "function"},
                       {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
    messages_.push_back({{"role", "assistant"}, {"content", text}, {"tool_calls", calls}});
    for (const Call& call : turn.calls) {
      const ToolCallRecord record = carry_out(call);
      messages_.push_back({{"role", "tool"},
                           {"tool_call_id", record.id},
                           {"name", record.name},
                           {"content", record.result}});
      outcome_.calls.push_back(record);
    }
  }

  ToolCallRecord carry_out(const Call& call) {
    ToolCallRecord record;
    record.id = call.id;
    record.name = call.name;
    record.arguments = call.arguments;
    // Ids of models repeat ("call_0" in every turn); those of parts must not.
    const std::string id = random_token(9);
    const auto arguments = parse_json(call.arguments.empty() ? "{}" : call.arguments, call.name);
    events_.on_part(
        {{"type", "tool_call"}, {"id", id}, {"name", call.name}, {"arguments", call.arguments}});
    const auto before_waiting = start_;
    const auto begun = Clock::now();
    auto output = output_of(call, id, arguments, record);
    // Time that a person took to answer is not the tool's.
    record.seconds =
        seconds_since(begun) - std::chrono::duration<double>(start_ - before_waiting).count();
    record.ok = output && output->ok;
    record.result = cut(output ? output->text : "error: " + output.error().message,
                        request_.budget.result_bytes);
    events_.on_part({{"type", "tool_result"},
                     {"id", id},
                     {"name", call.name},
                     {"ok", record.ok},
                     {"output", record.result},
                     {"millis", static_cast<int64_t>(1000 * record.seconds)}});
    if (!output) return record;
    if (!output->part.is_null()) {
      events_.on_part(output->part);
      has_run_code_ = has_run_code_ || output->part.value("type", "") == "execution";
    }
    if (output->is_untrusted) addresses_.add_untrusted(output->part);
    return record;
  }

  Result<ToolOutput> output_of(const Call& call, const std::string& id,
                               const Result<Json>& arguments, ToolCallRecord& record) {
    if (is_cancelled()) return fail(ErrorKind::cancelled, "stopped by the user");
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
    const Json preview = tool->preview ? tool->preview(*arguments) : Json();
    if (!preview.is_null()) events_.on_part(preview);
    if (const Status allowed = ask_for(*tool, call, id, *arguments); !allowed) {
      record.approved = false;
      return allowed.error();
    }
    return tool->run(*arguments, request_.context);
  }

  Status ask_for(const Tool& tool, const Call& call, const std::string& id, const Json& arguments) {
    const Json* address = tool.url_argument ? find_member(arguments, tool.url_argument) : nullptr;
    const std::string url = address && address->is_string() ? address->get<std::string>() : "";
    const bool is_known_address = url.empty() || addresses_.may_open(url);
    const bool is_allowed =
        tool.permission == Permission::none || request_.allowed.contains(tool.name);
    if (is_allowed && is_known_address) return ok();
    if (!request_.approve) {
      if (is_allowed) {
        return fail(ErrorKind::cancelled,
                    "text from the web was read before, so that only addresses that the user gave "
                    "or a search found are opened");
      }
      return fail(ErrorKind::cancelled, "nobody is here to allow this call");
    }
    const auto asked = Clock::now();
    const Approval approval =
        request_.approve({.id = id, .tool = tool, .arguments = call.arguments});
    start_ += Clock::now() - asked;
    if (is_cancelled()) return fail(ErrorKind::cancelled, "stopped by the user");
    if (approval == Approval::deny) {
      return fail(ErrorKind::cancelled, "the user did not allow this call");
    }
    if (approval == Approval::always) request_.allowed.insert(tool.name);
    addresses_.add_allowed(url);
    return ok();
  }

  // The program of an answer that nothing has run: run now, and given back when it does not
  // compile. True: the model goes on.
  bool mends(const Turn& turn, const std::string& text) {
    if (!request_.verifies_code || !request_.context.sandbox || has_run_code_ ||
        turn.finish.reason != ChatFinishReason::stop) {
      return false;
    }
    const auto program = c_program_of(text);
    if (!program) return false;
    // A program that waits for input is run with the answer's own example, or not at all.
    const std::string input = sample_input(text).value_or("");
    const auto result =
        run_c(*request_.context.sandbox, {.source = *program,
                                          .input = input,
                                          .folder = request_.context.folder,
                                          .run = !input.empty() || !reads_input(*program),
                                          .cancelled = &cancelled_});
    if (!result) {
      // The answer stands; that it was not verified is said.
      say("\n\n" + result.error().message);
      return false;
    }
    events_.on_part(execution_part(*result, request_.context.folder, request_.context.files_url));
    if (is_cancelled()) return false;
    say("\n\n" + verified_sentence(*result, input, request_.locale));
    if (result->compiled || n_repairs_ >= request_.budget.repairs) return false;
    ++n_repairs_;
    const bool zh = request_.locale == Locale::chinese;
    messages_.push_back({{"role", "assistant"}, {"content", text}});
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
  AddressRule addresses_;
  AgentOutcome outcome_;
  std::string last_call_;
  int32_t n_same_ = 0;
  int32_t n_repairs_ = 0;
  bool has_run_code_ = false;
  Clock::time_point start_ = Clock::now();  // later by the time that people took to answer
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

ChatRequest first_turn(const AgentRequest& request) {
  ChatRequest chat = request.chat;
  chat.tools = request.tools.empty() ? Json() : tools_json(request.tools);
  chat.notify = {};  // the loop waits by itself
  if (chat.max_tokens < 0 || chat.max_tokens > request.budget.tokens) {
    chat.max_tokens = request.budget.tokens;
  }
  return chat;
}

Result<AgentOutcome> run_agent(ChatBackend& backend, AgentRequest request,
                               const AgentEvents& events, const std::atomic<bool>& cancelled) {
  return AgentRun(backend, std::move(request), events, cancelled).run();
}

}  // namespace jiang
