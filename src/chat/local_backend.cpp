#include "chat/local_backend.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <utility>

#include "base/json_value.h"
#include "chat/answer_grammar.h"
#include "chat/answer_reader.h"
#include "chat/reasoning_traits.h"
#include "chat/tool_traits.h"

namespace jiang {
namespace {

struct Prompt {
  std::vector<TokenId> ids;
  bool continues_text = false;
  bool begins_in_reasoning = false;
};

class LocalStream final : public ChatStream {
 public:
  LocalStream(Stream stream, AnswerReader reader)
      : stream_(std::move(stream)), reader_(std::move(reader)) {}

  std::optional<ChatEvent> next_within(double seconds) override;
  void cancel() override {
    is_cancelled_.store(true);
    stream_.cancel();
  }
  ChatProgress progress() const override {
    const auto [done, all] = stream_.prefill_progress();
    return {.queue_position = stream_.queue_position(), .prefilled = done, .prompt_tokens = all};
  }

 private:
  void end();

  Stream stream_;
  AnswerReader reader_;
  std::deque<ChatEvent> ready_;
  bool has_stopped_ = false;  // a stop string came: what the engine still sends is not wanted
  bool has_ended_ = false;    // ready_ has, or had, the ChatFinish
  std::atomic<bool> is_cancelled_ = false;
};

std::optional<ChatEvent> LocalStream::next_within(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  while (ready_.empty()) {
    if (has_ended_) return std::nullopt;
    std::optional<TokenEvent> token;
    if (seconds < 0) {
      token = stream_.next();
    } else {
      const double spent = std::chrono::duration<double>(Clock::now() - begin).count();
      token = stream_.next_within(seconds - spent);
    }
    if (token) {
      if (has_stopped_) continue;
      has_stopped_ = !reader_.feed(*token, ready_);
      if (has_stopped_) stream_.cancel();
    } else if (stream_.finish()) {
      end();
    } else {
      return std::nullopt;
    }
  }
  ChatEvent event = std::move(ready_.front());
  ready_.pop_front();
  return event;
}

void LocalStream::end() {
  const FinishEvent& finish = *stream_.finish();
  if (!has_stopped_) has_stopped_ = (reader_.finish(ready_), reader_.stop_string().has_value());
  ChatFinish event{
      .error = finish.error, .stop_string = reader_.stop_string(), .stats = finish.stats};
  switch (finish.reason) {
    case FinishReason::stop:
      event.reason = reader_.has_calls() ? ChatFinishReason::tool_calls : ChatFinishReason::stop;
      break;
    case FinishReason::length:
      event.reason = ChatFinishReason::length;
      break;
    case FinishReason::cancelled:
      event.reason = ChatFinishReason::cancelled;
      break;
    case FinishReason::error:
      event.reason = ChatFinishReason::error;
      break;
  }
  // What ended the answer for its reader; the engine may have run ahead, or saw a cancel only.
  if (has_stopped_ && event.reason != ChatFinishReason::error)
    event.reason = ChatFinishReason::stop;
  ready_.push_back(std::move(event));
  has_ended_ = true;
}

class LocalBackend final : public ChatBackend {
 public:
  LocalBackend(const ChatModel& chat, Engine& engine)
      : chat_(chat),
        engine_(engine),
        reasoning_(reasoning_traits(chat.assets())),
        tools_(tool_traits(chat)),
        grammars_(chat, reasoning_.markers, *tools_.dialect) {}

  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override;
  Result<int32_t> count_tokens(const ChatRequest& request) override {
    TRY(const Prompt prompt, make_prompt(request));
    return static_cast<int32_t>(prompt.ids.size());
  }
  ChatCapabilities capabilities() const override;

 private:
  Result<Prompt> make_prompt(const ChatRequest& request) const;
  Result<Prompt> chat_prompt(const ChatRequest& request) const;
  Result<std::vector<PromptSegment>> render(const ChatRequest& request, const Json& extra) const;

  const ChatModel& chat_;
  Engine& engine_;
  const ReasoningTraits reasoning_;
  const ToolTraits tools_;
  AnswerGrammars grammars_;
};

ChatCapabilities LocalBackend::capabilities() const {
  return {.tools = tools_.by_template,
          .thinking = !reasoning_.markers.open.empty(),
          .embeddings = engine_.model().config().is_encoder,
          .context = engine_.context()};
}

Result<Prompt> LocalBackend::make_prompt(const ChatRequest& request) const {
  if (!request.raw_ids.empty()) return Prompt{.ids = request.raw_ids, .continues_text = true};
  if (request.raw_text) {
    return Prompt{.ids = chat_.raw_prompt(*request.raw_text), .continues_text = true};
  }
  return chat_prompt(request);
}

// Cuts what the template wrote after the text of the last message: its end of turn.
Status cut_after(std::vector<PromptSegment>& segments, std::string_view content) {
  const size_t last = content.find_last_not_of(" \t\r\n");
  const std::string_view needle = content.substr(0, last == std::string_view::npos ? 0 : last + 1);
  const std::string text = join(segments);
  const size_t at = text.rfind(needle);
  if (needle.empty() || at == std::string::npos) {
    return fail(ErrorKind::unsupported,
                "this model's chat template changes the last message, so that it cannot be "
                "continued; continue it as raw text");
  }
  size_t keep = at + needle.size();
  size_t count = 0;
  while (count < segments.size() && keep > 0) {
    std::string& piece = segments[count++].text;
    if (piece.size() > keep) piece.resize(keep);
    keep -= piece.size();
  }
  segments.resize(count);
  const std::string_view tail = content.substr(needle.size());
  if (!tail.empty()) segments.push_back({std::string(tail), false});
  return ok();
}

Result<std::vector<PromptSegment>> LocalBackend::render(const ChatRequest& request,
                                                        const Json& extra) const {
  const bool add_prompt = !request.continues_last;
  const bool in_words = !tools_.by_template && (has_tools(request) || have_calls(request.messages));
  if (!in_words) return chat_.render(request.messages, request.tools, add_prompt, extra);
  TRY(Json messages, tools_in_words(request.messages, request.tools));
  auto segments = chat_.render(messages, nullptr, add_prompt, extra);
  const bool may_join = messages.size() > 1 && messages[0].is_object() && messages[1].is_object() &&
                        messages[0].value("role", Json()) == "system" &&
                        messages[1].value("role", Json()) == "user" &&
                        messages[1].value("content", Json()).is_string();
  if (segments || !may_join) return segments;
  // A template without system messages: the first user's message carries it.
  messages[1]["content"] = messages[0].value("content", std::string()) + "\n\n" +
                           messages[1].value("content", std::string());
  messages.erase(0);
  return chat_.render(messages, nullptr, add_prompt, extra);
}

Result<Prompt> LocalBackend::chat_prompt(const ChatRequest& request) const {
  Json extra = request.template_extra;
  TRY_STATUS(set_thinking(extra, reasoning_, request.thinking));
  TRY(auto segments, render(request, extra));
  Prompt prompt;
  if (request.continues_last) {
    const Json* last = request.messages.empty() ? nullptr : &request.messages.back();
    const Json* role = last ? find_member(*last, "role") : nullptr;
    const Json* content = last ? find_member(*last, "content") : nullptr;
    if (!role || *role != "assistant" || !content || !content->is_string()) {
      return fail(ErrorKind::invalid_argument,
                  "the last message must be an assistant's text to be continued");
    }
    TRY_STATUS(cut_after(segments, content->get_ref<const std::string&>()));
    prompt.continues_text = true;
  } else {
    prompt.begins_in_reasoning = ends_in_reasoning(join(segments), reasoning_.markers);
  }
  prompt.ids = chat_.encode(segments);
  return prompt;
}

Result<std::unique_ptr<ChatStream>> LocalBackend::start(ChatRequest request) {
  TRY(StopStrings stops, StopStrings::create(std::move(request.stop)));
  TRY(Prompt prompt, make_prompt(request));

  const bool is_raw = request.raw_text || !request.raw_ids.empty();
  const bool calls = has_tools(request);
  if (is_raw && calls) {
    return fail(ErrorKind::unsupported, "tools need messages, not a raw prompt");
  }
  const int32_t room = engine_.context() - static_cast<int32_t>(prompt.ids.size());
  const bool is_answer = !is_raw && !request.continues_last;  // not the rest of one
  TRY(const auto constraint,
      grammars_.constraint(
          request,
          {.is_raw = !is_answer,
           .begins_in_reasoning = prompt.begins_in_reasoning,
           .max_tokens = request.max_tokens < 0 ? room : std::min(request.max_tokens, room)}));
  AnswerReader::Options options{.markers = grammars_.markers(),
                                .wants_logprobs = request.top_logprobs >= 0};
  if (is_answer) {
    options.output = {.reasoning = reasoning_.markers,
                      .begins_in_reasoning = prompt.begins_in_reasoning};
  }
  const bool reads_calls = calls && request.tool_choice.kind != ToolChoice::Kind::none;
  if (reads_calls) options.output.dialect = tools_.dialect;
  AnswerReader reader(chat_.assets().tokenizer, std::move(stops), std::move(options));
  if (prompt.continues_text) reader.continue_after(prompt.ids);

  std::span<const TokenId> ends = chat_.tokenizer().end_ids();
  if (request.ignore_eos) ends = {};
  std::shared_ptr<const AdapterMix> adapters;
  if (request.adapters) adapters = std::make_shared<AdapterMix>(*std::move(request.adapters));
  TRY(Stream stream, engine_.submit({.prompt = std::move(prompt.ids),
                                     .max_tokens = request.max_tokens,
                                     .sampling = std::move(request.sampling),
                                     .stop_ids = {ends.begin(), ends.end()},
                                     .constraint = constraint,
                                     .top_logprobs = request.top_logprobs,
                                     .adapters = std::move(adapters),
                                     .user = std::move(request.user),
                                     .goes_first = request.goes_first,
                                     .notify = std::move(request.notify)}));
  return std::unique_ptr<ChatStream>(
      std::make_unique<LocalStream>(std::move(stream), std::move(reader)));
}

}  // namespace

std::unique_ptr<ChatBackend> make_local_backend(const ChatModel& chat, Engine& engine) {
  return std::make_unique<LocalBackend>(chat, engine);
}

}  // namespace jiang
