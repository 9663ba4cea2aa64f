#include "agent/abilities.h"

#include "base/json_value.h"
#include "base/offline.h"

namespace jiang {
namespace {

std::string last_question(const Json& messages) {
  if (!messages.is_array()) return "";
  for (auto it = messages.rbegin(); it != messages.rend(); ++it) {
    const Json* content = find_member(*it, "content");
    if (it->value("role", "") == "user" && content) {
      return content->is_string() ? content->get<std::string>() : to_string(*content);
    }
  }
  return "";
}

bool is_on(const AgentSpec& agent, Ability ability) {
  return ability == Ability::code ? agent.code : agent.web;
}

}  // namespace

std::string missing(Ability ability, const AgentHost& host) {
  if (ability == Ability::code) return host.sandbox ? "" : host.no_sandbox;
  return is_offline() ? "JIANG_OFFLINE=1 forbids the network" : "";
}

void add_abilities(const AgentSpec& agent, const AgentHost& host, const AgentModel& model,
                   AgentRequest& request) {
  request.locale = locale_of(last_question(request.chat.messages));
  request.context.search = &host.search;
  const bool has_code = agent.code && missing(Ability::code, host).empty();
  request.context.sandbox = has_code ? host.sandbox : nullptr;
  request.verifies_code = has_code;
  request.tools.clear();
  if (!model.capabilities.tools && model.is_small) return;
  for (const Tool& tool : tools()) {
    const bool is_here =
        missing(tool.ability, host).empty() && (!tool.is_present || tool.is_present());
    if (is_on(agent, tool.ability) && is_here) request.tools.push_back(&tool);
  }
}

void allow_all(AgentRequest& request) {
  for (const Tool* tool : request.tools) request.allowed.insert(tool->name);
}

}  // namespace jiang
