#include "agent/agent_stream.h"

#include <chrono>
#include <utility>

#include "base/json_value.h"

namespace jiang {
namespace {

const char* name_of(Approval answer) {
  switch (answer) {
    case Approval::once:
      return "once";
    case Approval::always:
      return "always";
    case Approval::deny:
      return "deny";
  }
  return "deny";
}

// What came and was not read yet grows in place of being many events.
bool joins(ChatEvent& last, const ChatEvent& next) {
  auto* text = std::get_if<TextDelta>(&last);
  const auto* more_text = std::get_if<TextDelta>(&next);
  if (text && more_text) {
    text->text += more_text->text;
    text->logprobs.insert(text->logprobs.end(), more_text->logprobs.begin(),
                          more_text->logprobs.end());
    return true;
  }
  auto* thought = std::get_if<ReasoningDelta>(&last);
  const auto* more_thought = std::get_if<ReasoningDelta>(&next);
  if (!thought || !more_thought) return false;
  thought->text += more_thought->text;
  return true;
}

}  // namespace

Result<std::unique_ptr<AgentStream>> AgentStream::start(ChatBackend& backend, AgentRequest request,
                                                        Asking asking,
                                                        std::shared_ptr<void> keeps) {
  TRY(request.first, backend.start(first_turn(request)));
  return std::unique_ptr<AgentStream>(
      new AgentStream(backend, std::move(request), asking, std::move(keeps)));
}

AgentStream::AgentStream(ChatBackend& backend, AgentRequest request, Asking asking,
                         std::shared_ptr<void> keeps)
    : keeps_(std::move(keeps)), notify_(std::move(request.chat.notify)) {
  request.chat.notify = {};
  request.approve = {};
  if (asking == Asking::yes) {
    request.approve = [this](const ApprovalQuestion& question) { return ask(question); };
  }
  thread_ = std::thread([this, &backend, request = std::move(request)]() mutable {
    run(backend, std::move(request));
  });
}

AgentStream::~AgentStream() {
  cancel();
  thread_.join();
}

void AgentStream::run(ChatBackend& backend, AgentRequest request) {
  const AgentEvents events = {
      .on_text = [this](const TextDelta& delta) { push(delta); },
      .on_reasoning = [this](const ReasoningDelta& delta) { push(delta); },
      .on_part = [this](const Json& part) { push(PartEvent{part}); },
      .on_progress =
          [this](const ChatProgress& progress) {
            const std::lock_guard lock(mutex_);
            progress_ = progress;
          },
  };
  auto outcome = run_agent(backend, std::move(request), events, cancelled_);
  if (outcome) return push(std::move(outcome->finish));
  push(ChatFinish{.reason = ChatFinishReason::error, .error = std::move(outcome).error()});
}

void AgentStream::push(ChatEvent event) {
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = has_ended_ || std::holds_alternative<ChatFinish>(event);
    if (events_.empty() || !joins(events_.back(), event)) events_.push_back(std::move(event));
  }
  changed_.notify_all();
  if (notify_) notify_();
}

std::optional<ChatEvent> AgentStream::next_within(double seconds) {
  std::unique_lock lock(mutex_);
  const auto readable = [&] { return !events_.empty() || has_ended_; };
  if (seconds < 0) {
    changed_.wait(lock, readable);
  } else if (seconds > 0) {
    changed_.wait_for(lock, std::chrono::duration<double>(seconds), readable);
  }
  if (events_.empty()) return std::nullopt;
  ChatEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void AgentStream::cancel() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  changed_.notify_all();
}

ChatProgress AgentStream::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

// On the loop's thread: waits for a person.
Approval AgentStream::ask(const ApprovalQuestion& question) {
  Json part = {{"type", "approval"},
               {"id", question.id},
               {"name", question.tool.name},
               {"arguments", question.arguments},
               {"answer", nullptr}};
  {
    const std::lock_guard lock(mutex_);
    waiting_[question.id] = {.tool = question.tool.name, .answer = {}};
  }
  push(PartEvent{part});
  Approval answer = Approval::deny;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_ || waiting_[question.id].answer; });
    answer = waiting_[question.id].answer.value_or(Approval::deny);
    waiting_.erase(question.id);
  }
  part["answer"] = name_of(answer);
  push(PartEvent{std::move(part)});
  return answer;
}

std::optional<std::string> AgentStream::approve(const std::string& id, Approval answer) {
  std::string tool;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(id);
    if (found == waiting_.end() || found->second.answer) return std::nullopt;
    found->second.answer = answer;
    tool = found->second.tool;
  }
  changed_.notify_all();
  return tool;
}

}  // namespace jiang
