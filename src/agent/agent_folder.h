// AgentFolder: the agents of JIANG_HOME/agents/*.toml and the built-in ones, kept up to date as
// the files change.
//
// A file that cannot be read as an agent is a problem to show, with its line; the agent that it
// was before stays as it was. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent_spec.h"
#include "base/result.h"

namespace jiang {

struct AgentProblem {
  std::string file;  // "craftsman.toml"
  int line = 0;      // 0: of the file as a whole
  std::string message;
};

class AgentFolder {
 public:
  // `folder` need not exist. `changed` is called from a thread of the folder's own, under no lock,
  // after the agents or the problems have become others.
  static Result<std::unique_ptr<AgentFolder>> open(std::string folder,
                                                   std::function<void()> changed = {});
  virtual ~AgentFolder() = default;

  virtual std::vector<AgentSpec> agents() const = 0;  // built-in ones first, then by id
  virtual std::vector<AgentProblem> problems() const = 0;
  // By id, or else by name.
  virtual std::optional<AgentSpec> find(std::string_view id_or_name) const = 0;
  virtual bool has_file(std::string_view id) const = 0;
  // Writes ID.toml; at once visible. Built-in ones are refused.
  virtual Status put(const AgentSpec& spec) = 0;
  virtual Status remove(std::string_view id) = 0;
};

}  // namespace jiang
