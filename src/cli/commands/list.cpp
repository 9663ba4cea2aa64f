// jiang list: the models under JIANG_HOME/models.
#include <algorithm>
#include <ctime>

#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/sanitizer.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

std::string date_of(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm broken_down = {};
  localtime_r(&time, &broken_down);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &broken_down)};
}

Result<int> run_list(const std::vector<std::string>& arguments) {
  std::string prefix;
  bool as_json = false;
  Options options("list");
  options.positional(prefix, "PREFIX", Options::Need::optional, "only names that begin so");
  options.flag(as_json, "--json", "as a JSON array");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  std::vector<InstalledModel> models = installed_models();
  models.erase(std::remove_if(models.begin(), models.end(),
                              [&](const auto& m) { return m.name.rfind(prefix, 0) != 0; }),
               models.end());
  if (as_json) {
    Json list = Json::array();
    for (const InstalledModel& model : models) {
      list.push_back({{"name", model.name},
                      {"id", model.id},
                      {"path", model.path},
                      {"bytes", model.bytes},
                      {"modified", model.modified}});
    }
    TRY_STATUS(print(to_string(list, 2) + "\n"));
    return 0;
  }
  if (models.empty()) {
    note(
        fmt::format("no models in {}/models; fetch one (jiang pull qwen2:1.5b; jiang pull --list), "
                    "or put .gguf "
                    "files or Hugging Face folders there",
                    jiang_home()));
    return 0;
  }
  size_t width = 4;
  for (const InstalledModel& model : models) width = std::max(width, model.name.size());
  std::string text =
      fmt::format("{:<{}}  {:<12}  {:>9}  {}\n", "NAME", width, "ID", "SIZE", "MODIFIED");
  for (const InstalledModel& model : models) {
    text += fmt::format("{:<{}}  {:<12}  {:>9}  {}\n", visible_line(model.name), width,
                        model.id.substr(0, 12), human_bytes(model.bytes), date_of(model.modified));
  }
  TRY_STATUS(print(text));
  return 0;
}

}  // namespace

const Command kList = {
    .name = "list",
    .usage = "usage: jiang list [PREFIX] [--json]",
    .summary = "the installed models",
    .examples =
        "  jiang list\n"
        "  jiang list qwen --json",
    .run = run_list,
};

}  // namespace jiang
