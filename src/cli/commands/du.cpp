// jiang du: what the models take of the disk.
#include <algorithm>

#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "hub/store.h"

namespace jiang {
namespace {

Result<int> run_du(const std::vector<std::string>& arguments) {
  bool as_json = false;
  Options options("du");
  options.flag(as_json, "--json", "as JSON");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  const Store store(jiang_home());
  const DiskUse use = store.disk_use();
  if (as_json) {
    Json models = Json::array();
    for (const auto& [name, bytes] : use.by_model)
      models.push_back({{"name", name}, {"bytes", bytes}});
    TRY_STATUS(print(to_string(Json{{"folder", store.root()},
                                    {"models", use.models},
                                    {"originals", use.originals},
                                    {"unused", use.unused},
                                    {"partial", use.partial},
                                    {"free", use.free},
                                    {"by_model", models}},
                               2) +
                     "\n"));
    return 0;
  }
  std::string text;
  for (const auto& [name, bytes] : use.by_model) {
    text += fmt::format("{:>10}  {}\n", human_bytes(bytes), name);
  }
  text += fmt::format("{:>10}  all models, shared files once, in {}\n", human_bytes(use.models),
                      store.root());
  const auto row = [&](uint64_t bytes, const char* what) {
    if (bytes > 0) text += fmt::format("{:>10}  {}\n", human_bytes(bytes), what);
  };
  row(use.originals, "of that, originals that were kept after quantising");
  row(use.unused, "needed by no model (jiang gc)");
  row(use.partial, "left by interrupted pulls, which go on from there (jiang gc --partial)");
  text += fmt::format("{:>10}  free on that disk\n", human_bytes(use.free));
  TRY_STATUS(print(text));
  return 0;
}

}  // namespace

const Command kDu = {
    .name = "du",
    .usage = "usage: jiang du [--json]",
    .summary = "the disk space that the models take",
    .examples = "  jiang du",
    .run = run_du,
};

}  // namespace jiang
