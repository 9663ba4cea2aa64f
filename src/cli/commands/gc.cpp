// jiang gc: space that no model needs.
#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "hub/store.h"

namespace jiang {
namespace {

Result<int> run_gc(const std::vector<std::string>& arguments) {
  bool as_json = false, partial = false;
  Options options("gc");
  options.flag(partial, "--partial", "also what interrupted pulls left to go on with");
  options.flag(as_json, "--json", "as JSON");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY(const GcReport report,
      Store(jiang_home()).collect(partial ? Store::Partial::remove : Store::Partial::keep));
  if (report.pull_is_running) {
    return fail(ErrorKind::io, "a pull is running, whose files nobody names yet; try again later");
  }
  if (as_json) {
    TRY_STATUS(
        print(to_string(Json{{"files", report.n_files}, {"bytes_freed", report.bytes}}, 2) + "\n"));
    return 0;
  }
  TRY_STATUS(print(
      fmt::format("{} files removed, {} freed\n", report.n_files, human_bytes(report.bytes))));
  return 0;
}

}  // namespace

const Command kGc = {
    .name = "gc",
    .usage = "usage: jiang gc [--partial] [--json]",
    .summary = "remove stored files that no model needs",
    .examples = "  jiang gc --partial",
    .run = run_gc,
};

}  // namespace jiang
