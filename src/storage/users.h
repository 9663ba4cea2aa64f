// Users: people, their sessions and their API keys. Tokens and keys are random (256 bits), shown
// once, and stored as SHA-256 only.
//
// Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

class Database;

// A visitor is who came by a share link: no name, no key, gone with the link.
enum class Role : uint8_t { owner, user, visitor };
std::string_view name_of(Role role);
std::optional<Role> role_of(std::string_view name);

struct User {
  std::string id = {};
  std::string name = {};
  Role role = Role::user;
  std::string share = {};  // a visitor's link
  int64_t created = 0;     // ms since 1970, as all times here
};

struct ApiKey {
  std::string id = {};
  std::string name = {};
  std::string start = {};  // "jiang-Ab3d": its first characters, to tell keys apart
  int64_t created = 0;
  int64_t used = 0;  // to the minute; 0: never
};

struct LogIn {
  User user = {};
  std::string session = {};  // the cookie's value
};

class Users {
 public:
  explicit Users(Database& database) : database_(database) {}

  // The first owner; made by the first call.
  Result<User> owner();
  Result<std::vector<User>> list();  // without visitors
  Result<User> create(std::string_view name, Role role);
  Result<User> find(std::string_view id);
  // With everything of theirs. The last owner stays.
  Status remove(std::string_view id);

  // A link's token: good once, for `valid`.
  Result<std::string> make_login_token(std::string_view user_id, std::chrono::seconds valid);
  // Uses the token up. One sentence for wrong, used and old ones.
  Result<LogIn> log_in(std::string_view token);
  // Makes a visitor of this share.
  Result<LogIn> visit(std::string_view share_token);
  // nullopt: no such session, or it has ended (30 days after its last use), or its user is gone.
  Result<std::optional<User>> user_of_session(std::string_view session);
  Status log_out(std::string_view session);

  struct NewKey {
    ApiKey key = {};
    std::string secret = {};  // "jiang-...": only here
  };
  Result<NewKey> create_key(std::string_view user_id, std::string_view name);
  Result<std::vector<ApiKey>> keys(std::string_view user_id);
  // At once, for every later request.
  Status remove_key(std::string_view user_id, std::string_view key_id);
  Result<std::optional<User>> user_of_key(std::string_view secret);
  // Whether any key exists: then the API asks for one.
  Result<bool> has_keys();

 private:
  Database& database_;
};

}  // namespace jiang
