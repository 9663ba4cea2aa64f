// jiang create: a model with a system prompt, parameters, a template of its own; or an agent.
#include "install/create.h"
#include "agent/agent_folder.h"
#include "agent/agent_import.h"
#include "base/file.h"
#include "base/toml.h"
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

constexpr size_t kMaxModelfile = size_t{4} << 20;

// Agents come as TOML or JSON; TOML with a `from` makes a model.
Result<bool> holds_an_agent(const std::string& text, const std::string& file) {
  if (file.ends_with(".json")) return true;
  if (!file.ends_with(".toml")) return false;
  TRY(const TomlDocument document, parse_toml(text, file));
  return !document.value.contains("from");
}

Result<int> create_agent(const std::string& name, const std::string& text,
                         const std::string& file) {
  TRY(const auto agents, AgentFolder::open(jiang_home() + "/agents"));
  auto imported = import_agent(text);
  if (!imported) return fail(imported.error().kind, "{}: {}", file, imported.error().message);
  imported->agent.id = name;
  TRY_STATUS(agents->put(imported->agent));
  for (const std::string& field : imported->dropped) {
    note(fmt::format("{}: {} has no place in an agent here", file, field));
  }
  TRY_STATUS(
      print(fmt::format("created the agent {}: {}/agents/{}.toml\n", name, jiang_home(), name)));
  return 0;
}

Result<int> run_create(const std::vector<std::string>& arguments) {
  std::string name, file = "Modelfile";
  Options options("create");
  options.positional(name, "NAME", Options::Need::required, "the new model's name");
  options.text(file, "-f,--file", "FILE",
               "a Modelfile, the same as .toml, or an agent as .toml or .json (default Modelfile)");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY(const std::string text, read_file(file, kMaxModelfile));
  TRY(const bool is_agent, holds_an_agent(text, file));
  if (is_agent) return create_agent(name, text, file);
  TRY(const Modelfile modelfile,
      file.ends_with(".toml") ? parse_modelfile_toml(text, file) : parse_modelfile(text, file));
  TRY(const Manifest manifest, create_model(Store(jiang_home()), name, modelfile));
  TRY_STATUS(print(fmt::format("created {}: jiang run {}\n", manifest.name, manifest.name)));
  return 0;
}

}  // namespace

const Command kCreate = {
    .name = "create",
    .usage = "usage: jiang create NAME [-f FILE]",
    .summary = "make a model with its own system prompt, template or parameters, or an agent",
    .examples =
        "  jiang create teacher -f Modelfile\n"
        "  jiang create poet -f poet.toml          # an agent: name, instructions, opening, "
        "questions\n"
        "  jiang show teacher --modelfile",
    .run = run_create,
};

}  // namespace jiang
