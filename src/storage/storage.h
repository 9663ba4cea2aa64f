// Storage: what jiang remembers in JIANG_HOME/data.db: users, keys, conversations, shares,
// settings, presets. One process holds it at a time.
//
// Open it once; its parts may be used from any thread and live as long as it does. A call takes
// from 10 us (a read) to some ms (a write waits for the disk): not for an I/O thread's hot path.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "storage/conversations.h"
#include "storage/settings.h"
#include "storage/shares.h"
#include "storage/users.h"

namespace jiang {

class Database;

class Storage {
 public:
  // `home`: JIANG_HOME. Answers that were being written when the last process died become
  // "interrupted" here.
  static Result<std::unique_ptr<Storage>> open(const std::string& home);
  explicit Storage(std::unique_ptr<Database> database);
  ~Storage();

  Users& users() { return users_; }
  Conversations& conversations() { return conversations_; }
  Shares& shares() { return shares_; }
  Settings& settings() { return settings_; }

 private:
  std::unique_ptr<Database> database_;
  Users users_;
  Conversations conversations_;
  Shares shares_;
  Settings settings_;
};

// A copy of the database in one file, whole and consistent, also while a server writes. `path`
// must not exist.
Status backup_storage(const std::string& home, const std::string& path);
// Checks the backup, then puts it in place; what was there is kept beside it, under the name that
// is returned ("" when there was nothing). Refused while a server runs.
Result<std::string> restore_storage(const std::string& home, const std::string& path);

}  // namespace jiang
