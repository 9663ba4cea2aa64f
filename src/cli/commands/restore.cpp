// jiang restore: a backup in the database's place.
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "storage/storage.h"

namespace jiang {
namespace {

Result<int> run_restore(const std::vector<std::string>& arguments) {
  std::string file;
  Options options("restore");
  options.positional(file, "FILE", Options::Need::required, "what `jiang backup` wrote");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY(const std::string kept, restore_storage(jiang_home(), file));
  note(kept.empty() ? fmt::format("restored {}", file)
                    : fmt::format("restored {}; what was there before is {}", file, kept));
  return 0;
}

}  // namespace

const Command kRestore = {
    .name = "restore",
    .usage = "usage: jiang restore FILE",
    .summary = "put a backup in the database's place; what is there is kept beside it",
    .examples = "  jiang restore ~/jiang-monday.db    # stop jiang serve first",
    .run = run_restore,
};

}  // namespace jiang
