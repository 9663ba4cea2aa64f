// Authenticator: whose key, whose session. Storage implements it; tests fake it.
//
// Any thread. of_key and of_session may read a database: they are called on a worker, never on an
// I/O thread. has_keys() is asked for every request and answers from memory.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "server/access.h"

namespace jiang {

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // nullopt: no such key or session. Comparing takes the same time for every wrong one.
  virtual Result<std::optional<Caller>> of_key(std::string_view key) = 0;
  virtual Result<std::optional<Caller>> of_session(std::string_view session) = 0;
  // Once a key exists, everybody needs one (or a session).
  virtual bool has_keys() = 0;
};

}  // namespace jiang
