// Settings and presets: JSON that belongs to a user. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace jiang {

class Database;

class Settings {
 public:
  explicit Settings(Database& database) : database_(database) {}

  Result<Json> get(std::string_view user_id);  // {} at first
  // RFC 7396: members replace, null removes. At most 64 KiB. Returns the whole.
  Result<Json> merge(std::string_view user_id, const Json& changes);

  // [{"name", ...}], by name.
  Result<Json> presets(std::string_view user_id);
  Status put_preset(std::string_view user_id, std::string_view name, const Json& preset);
  Status remove_preset(std::string_view user_id, std::string_view name);

 private:
  Database& database_;
};

}  // namespace jiang
