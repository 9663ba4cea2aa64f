// jiang cp: a second name for an installed model; the files are there once.
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "hub/store.h"

namespace jiang {
namespace {

Result<int> run_cp(const std::vector<std::string>& arguments) {
  std::string from, to;
  Options options("cp");
  options.positional(from, "FROM", Options::Need::required, "an installed model");
  options.positional(to, "TO", Options::Need::required, "its further name");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY_STATUS(Store(jiang_home()).copy(from, to));
  TRY_STATUS(print(fmt::format("{} is also {}\n", from, to)));
  return 0;
}

}  // namespace

const Command kCp = {
    .name = "cp",
    .usage = "usage: jiang cp FROM TO",
    .summary = "give an installed model a second name",
    .examples = "  jiang cp qwen2:1.5b my-qwen",
    .run = run_cp,
};

}  // namespace jiang
