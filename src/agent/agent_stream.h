// AgentStream: the agent loop as a ChatStream, on a thread of its own: the page's runs, the public
// dialects and the terminal read an agent as they read a model.
//
// The first turn begins in start(), whose errors are those of the model at once. Destroying it
// stops what the agent does, a program in its box too, and waits for that.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/loop.h"

namespace jiang {

class AgentStream final : public ChatStream {
 public:
  enum class Asking : uint8_t { yes, no };  // whether somebody can answer approvals
  // `keeps` lives as long as the stream: the lease of the backend's model.
  static Result<std::unique_ptr<AgentStream>> start(ChatBackend& backend, AgentRequest request,
                                                    Asking asking,
                                                    std::shared_ptr<void> keeps = {});
  ~AgentStream() override;

  std::optional<ChatEvent> next_within(double seconds) override;
  void cancel() override;
  ChatProgress progress() const override;

  // Answers an "approval" part that waits; the name of its tool. nullopt: none waits by this id.
  std::optional<std::string> approve(const std::string& id, Approval answer);

 private:
  AgentStream(ChatBackend& backend, AgentRequest request, Asking asking,
              std::shared_ptr<void> keeps);
  void run(ChatBackend& backend, AgentRequest request);
  void push(ChatEvent event);
  Approval ask(const ApprovalQuestion& question);

  const std::shared_ptr<void> keeps_;
  const std::function<void()> notify_;
  std::atomic<bool> cancelled_ = false;

  mutable std::mutex mutex_;  // guards the following
  std::condition_variable changed_;
  std::deque<ChatEvent> events_;
  bool has_ended_ = false;  // events_ has, or had, the ChatFinish
  ChatProgress progress_;
  struct Waiting {
    std::string tool;
    std::optional<Approval> answer;
  };
  std::map<std::string, Waiting> waiting_;  // approvals, by id

  std::thread thread_;  // last: it uses all the others
};

}  // namespace jiang
