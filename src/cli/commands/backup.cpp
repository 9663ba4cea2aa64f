// jiang backup: the database as one file.
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "storage/storage.h"

namespace jiang {
namespace {

Result<int> run_backup(const std::vector<std::string>& arguments) {
  std::string file;
  Options options("backup");
  options.positional(file, "FILE", Options::Need::required, "where to write; must not exist");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY_STATUS(backup_storage(jiang_home(), file));
  note(
      fmt::format("users, conversations and settings of {} are in {}; agents and models are "
                  "files of their own there",
                  jiang_home(), file));
  return 0;
}

}  // namespace

const Command kBackup = {
    .name = "backup",
    .usage = "usage: jiang backup FILE",
    .summary = "copy the database of conversations and users into one file",
    .examples = "  jiang backup ~/jiang-monday.db     # also while jiang serve runs",
    .run = run_backup,
};

}  // namespace jiang
