// What an agent can do on this machine: its switches, the box and the web as they are here, and
// what its model is able to call.
#pragma once

#include <string>
#include <vector>

#include "agent/agent_spec.h"
#include "agent/loop.h"
#include "agent/search.h"
#include "sandbox/sandbox.h"

namespace jiang {

struct AgentHost {
  Sandbox* sandbox = nullptr;
  std::string no_sandbox = "this program has no box for programs";  // why it is null
  SearchConfig search = {};
};

// "" when agents can have it here, or why not.
std::string missing(Ability ability, const AgentHost& host);

// The tools that the agent's switches turn on and that this machine has. `model`: what it runs on.
// A small model that was never trained on tools is not told of them: the words would crowd out the
// question. Its programs are run all the same, by verifies_code.
struct AgentModel {
  ChatCapabilities capabilities = {};
  bool is_small = false;
};
// Completes `request`: tools, context, verifies_code, locale.
void add_abilities(const AgentSpec& agent, const AgentHost& host, const AgentModel& model,
                   AgentRequest& request);
// Every tool that `request` has may be called unasked: the owner switched it on, and nobody is
// there to be asked.
void allow_all(AgentRequest& request);

}  // namespace jiang
