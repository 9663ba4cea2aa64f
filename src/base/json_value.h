// The whole of nlohmann's json (a heavy header: for .cpp files), and typed look-ups that answer
// with an error naming the key instead of throwing.
#pragma once

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace jiang {

// The member `key` of an object, or nullptr if it is missing or null.
const Json* find_member(const Json& object, std::string_view key);

// Required members. The error names `where`, the key, and what was found instead.
Result<int64_t> get_int(const Json& object, std::string_view key, std::string_view where);
Result<double> get_number(const Json& object, std::string_view key, std::string_view where);
Result<bool> get_bool(const Json& object, std::string_view key, std::string_view where);
Result<std::string> get_string(const Json& object, std::string_view key, std::string_view where);

// Optional members: `otherwise` when missing or null, an error when of another type.
Result<int64_t> get_int_or(const Json& object, std::string_view key, int64_t otherwise,
                           std::string_view where);
Result<double> get_number_or(const Json& object, std::string_view key, double otherwise,
                             std::string_view where);
Result<bool> get_bool_or(const Json& object, std::string_view key, bool otherwise,
                         std::string_view where);
Result<std::string> get_string_or(const Json& object, std::string_view key, std::string otherwise,
                                  std::string_view where);

}  // namespace jiang
