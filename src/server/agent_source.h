// AgentSource: agents as models, "agent:NAME", for every dialect: the agent's instructions before
// the conversation, its parameters where the request says nothing, on its own model or the default.
// Its tools run here, unless the request brings tools of its own: those are the client's to run.
//
// Any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/abilities.h"
#include "agent/agent_folder.h"
#include "runtime/model_manager.h"

namespace jiang {

class AgentSource final : public BackendSource {
 public:
  // All outlive the source. The manager is asked for the agent's model when a request comes, so
  // an idle agent keeps no model loaded.
  AgentSource(AgentFolder& agents, ModelManager& models, const AgentHost& host)
      : agents_(agents), models_(models), host_(host) {}

  // "poet" of "agent:poet"; "" of every other name.
  static std::string_view agent_of(std::string_view name);

  std::vector<std::string> names() const override;
  bool knows(const std::string& name) const override;
  std::string provider(const std::string&) const override { return "agent"; }
  Result<std::unique_ptr<ChatBackend>> open(const std::string& name) override;

 private:
  AgentFolder& agents_;
  ModelManager& models_;
  const AgentHost& host_;
};

}  // namespace jiang
