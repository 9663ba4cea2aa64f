#include "server/agent_source.h"

#include "agent/agent_stream.h"
#include "server/answer_request.h"
#include "server/small_model.h"

namespace jiang {
namespace {

constexpr std::string_view kPrefix = "agent:";

// Keeps the model loaded for as long as the answer takes.
class LeasedStream final : public ChatStream {
 public:
  LeasedStream(ModelLease lease, std::unique_ptr<ChatStream> stream)
      : lease_(std::move(lease)), stream_(std::move(stream)) {}
  std::optional<ChatEvent> next_within(double seconds) override {
    return stream_->next_within(seconds);
  }
  void cancel() override { stream_->cancel(); }
  ChatProgress progress() const override { return stream_->progress(); }

 private:
  ModelLease lease_;  // outlives the stream
  std::unique_ptr<ChatStream> stream_;
};

template <class T>
void take(T& mine, const T& theirs, const T& standard) {
  if (mine == standard) mine = theirs;
}

// The agent's parameters where the request has the usual ones.
Status add_parameters(const AgentSpec& agent, ChatRequest& request) {
  const ChatRequest standard;
  ChatRequest wanted;
  TRY_STATUS(apply_settings(agent.parameters, wanted));
  SamplingParams& mine = request.sampling;
  const SamplingParams& theirs = wanted.sampling;
  take(mine.temperature, theirs.temperature, standard.sampling.temperature);
  take(mine.top_p, theirs.top_p, standard.sampling.top_p);
  take(mine.top_k, theirs.top_k, standard.sampling.top_k);
  take(mine.min_p, theirs.min_p, standard.sampling.min_p);
  take(mine.repeat_penalty, theirs.repeat_penalty, standard.sampling.repeat_penalty);
  take(mine.presence_penalty, theirs.presence_penalty, standard.sampling.presence_penalty);
  take(mine.frequency_penalty, theirs.frequency_penalty, standard.sampling.frequency_penalty);
  take(mine.seed, theirs.seed, standard.sampling.seed);
  take(request.max_tokens, wanted.max_tokens, standard.max_tokens);
  take(request.stop, wanted.stop, standard.stop);
  take(request.thinking, wanted.thinking, standard.thinking);
  return ok();
}

// What the client's own system message says comes after the agent's.
void add_instructions(const AgentSpec& agent, Json& messages) {
  if (agent.instructions.empty() || !messages.is_array()) return;
  const bool has_system = !messages.empty() && messages.front().is_object() &&
                          messages.front().value("role", "") == "system" &&
                          messages.front().contains("content") &&
                          messages.front()["content"].is_string();
  if (has_system) {
    Json& content = messages.front()["content"];
    content = agent.instructions + "\n\n" + content.get<std::string>();
  } else {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", agent.instructions}});
  }
}

class AgentBackend final : public ChatBackend {
 public:
  AgentBackend(AgentFolder& agents, ModelManager& models, const AgentHost& host, std::string id)
      : agents_(agents), models_(models), host_(host), id_(std::move(id)) {}

  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override {
    TRY(const ModelLease lease, prepare(request));
    const auto agent = agents_.find(id_);
    // A JSON answer has no room for tools and their words; a client's tools are the client's.
    const bool has_hands = agent && (agent->code || agent->web) && !has_entries(request.tools) &&
                           request.format.kind == ResponseFormat::Kind::text;
    if (has_hands) {
      AgentRequest wanted;
      wanted.chat = std::move(request);
      add_abilities(*agent, host_, agent_model(models_, *lease), wanted);
      allow_all(wanted);
      TRY(auto stream,
          AgentStream::start(lease->backend(), std::move(wanted), AgentStream::Asking::no, lease));
      return std::unique_ptr<ChatStream>(std::move(stream));
    }
    TRY(auto stream, lease->backend().start(std::move(request)));
    return std::unique_ptr<ChatStream>(std::make_unique<LeasedStream>(lease, std::move(stream)));
  }
  Result<int32_t> count_tokens(const ChatRequest& request) override {
    ChatRequest copy = request;
    TRY(const ModelLease lease, prepare(copy));
    return lease->backend().count_tokens(copy);
  }
  ChatCapabilities capabilities() const override {
    const auto agent = agents_.find(id_);
    if (!agent) return {};
    const auto lease = models_.acquire_loaded(model_of(*agent));
    return lease ? (*lease)->backend().capabilities() : ChatCapabilities{};
  }

 private:
  std::string model_of(const AgentSpec& agent) const {
    return agent.model.empty() ? models_.default_model() : agent.model;
  }
  static bool has_entries(const Json& tools) { return tools.is_array() && !tools.empty(); }
  // The agent as its file is now.
  Result<ModelLease> prepare(ChatRequest& request) {
    const auto agent = agents_.find(id_);
    if (!agent) return fail(ErrorKind::not_found, "the agent {} is gone", id_);
    if (request.raw_text || !request.raw_ids.empty()) {
      return fail(ErrorKind::unsupported, "an agent answers messages, it does not complete text");
    }
    const std::string model = model_of(*agent);
    if (!AgentSource::agent_of(model).empty()) {
      return fail(ErrorKind::invalid_argument, "the model of agent {} is an agent itself", id_);
    }
    TRY_STATUS(add_parameters(*agent, request));
    add_instructions(*agent, request.messages);
    return models_.acquire(model, std::nullopt);
  }

  AgentFolder& agents_;
  ModelManager& models_;
  const AgentHost& host_;
  const std::string id_;
};

}  // namespace

std::string_view AgentSource::agent_of(std::string_view name) {
  return name.substr(0, kPrefix.size()) == kPrefix ? name.substr(kPrefix.size())
                                                   : std::string_view();
}

std::vector<std::string> AgentSource::names() const {
  std::vector<std::string> names;
  for (const AgentSpec& agent : agents_.agents()) names.push_back(std::string(kPrefix) + agent.id);
  return names;
}

bool AgentSource::knows(const std::string& name) const {
  const std::string_view agent = agent_of(name);
  return !agent.empty() && agents_.find(agent).has_value();
}

Result<std::unique_ptr<ChatBackend>> AgentSource::open(const std::string& name) {
  const auto agent = agents_.find(agent_of(name));
  if (!agent) return fail(ErrorKind::not_found, "there is no agent {}", agent_of(name));
  return std::unique_ptr<ChatBackend>(
      std::make_unique<AgentBackend>(agents_, models_, host_, agent->id));
}

}  // namespace jiang
