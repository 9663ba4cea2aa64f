// jiang rm: installed models go away.
#include "base/json_value.h"
#include "base/quantity.h"
#include "base/suggest.h"
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "hub/store.h"

namespace jiang {
namespace {

Result<int> run_rm(const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  bool as_json = false;
  Options options("rm");
  options.rest(names, "NAME", "the models");
  options.flag(as_json, "--json", "what was removed, as JSON");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (names.empty()) return fail(ErrorKind::invalid_argument, "NAME is missing; see 'jiang list'");
  const Store store(jiang_home());
  // All or none: a slip in the second name must not cost the first model.
  for (const std::string& name : names) {
    TRY(const auto found, store.find(name));
    if (found) continue;
    std::vector<std::string> known;
    for (const InstalledModel& model : installed_models()) {
      if (model.id.empty() && model.name == name) {
        return fail(ErrorKind::invalid_argument,
                    "{} was put there by hand and is yours to delete: {}", name, model.path);
      }
      known.push_back(model.name);
    }
    const auto near = suggest(name, known);
    return fail(ErrorKind::not_found, "no model '{}' is installed{}", name,
                near ? fmt::format("; did you mean '{}'?", *near) : "; see 'jiang list'");
  }
  Json removed = Json::array();
  for (const std::string& name : names) {
    TRY(const uint64_t bytes, store.remove(name));
    removed.push_back({{"name", name}, {"bytes_freed", bytes}});
    if (!as_json) {
      TRY_STATUS(print(fmt::format("removed {}, {} freed\n", name, human_bytes(bytes))));
    }
  }
  if (as_json) TRY_STATUS(print(to_string(removed, 2) + "\n"));
  return 0;
}

}  // namespace

const Command kRm = {
    .name = "rm",
    .usage = "usage: jiang rm NAME... [--json]",
    .summary = "remove installed models",
    .examples = "  jiang rm qwen2:1.5b",
    .run = run_rm,
};

}  // namespace jiang
