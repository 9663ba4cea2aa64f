#include "storage/users.h"

#include "base/secret.h"
#include "base/sha256.h"
#include "base/unicode.h"
#include "storage/clock.h"
#include "storage/database.h"

namespace jiang {
namespace {

constexpr int64_t kSessionMillis = int64_t{30} * 24 * 3600 * 1000;
constexpr int64_t kTouchMillis = 60 * 60 * 1000;  // a session's last use is known to the hour
constexpr int64_t kKeyTouchMillis = 60 * 1000;
constexpr size_t kMaxUserName = 200;

constexpr const char* kUserColumns = "SELECT id, name, role, share, created FROM users ";

User user_from(const SqlRow& row) {
  return {.id = row.text(0),
          .name = row.text(1),
          .role = role_of(row.text(2)).value_or(Role::visitor),
          .share = row.text(3),
          .created = row.integer(4)};
}

ApiKey key_from(const SqlRow& row) {
  return {.id = row.text(0),
          .name = row.text(1),
          .start = row.text(2),
          .created = row.integer(3),
          .used = row.integer(4)};
}

Status check_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxUserName || !is_valid_utf8(name)) {
    return fail(ErrorKind::invalid_argument, "a name has 1 to {} bytes of UTF-8", kMaxUserName);
  }
  return ok();
}

Status require_change(const Result<int64_t>& changed, std::string_view what) {
  if (!changed) return changed.error();
  if (*changed == 0) return fail(ErrorKind::not_found, "there is no such {}", what);
  return ok();
}

Status insert_user(SqlSession& sql, const User& user) {
  const SqlValue share = user.share.empty() ? SqlValue() : SqlValue(std::string_view(user.share));
  TRY_STATUS(
      sql.run("INSERT INTO users (id, name, role, share, created) VALUES (?1, ?2, ?3, ?4, ?5)",
              {std::string_view(user.id), std::string_view(user.name), name_of(user.role), share,
               user.created}));
  return ok();
}

Result<std::string> insert_session(SqlSession& sql, std::string_view user_id) {
  std::string session = random_token();
  const std::string hash = sha256_hex(session);
  const int64_t now = now_millis();
  TRY_STATUS(sql.run("DELETE FROM sessions WHERE expires <= ?1", {now}));
  TRY_STATUS(
      sql.run("INSERT INTO sessions (hash, user_id, created, used, expires) "
              "VALUES (?1, ?2, ?3, ?3, ?4)",
              {std::string_view(hash), user_id, now, now + kSessionMillis}));
  return session;
}

}  // namespace

std::string_view name_of(Role role) {
  static constexpr std::string_view kNames[] = {"owner", "user", "visitor"};
  return kNames[static_cast<size_t>(role)];
}

std::optional<Role> role_of(std::string_view name) {
  for (const Role role : {Role::owner, Role::user, Role::visitor}) {
    if (name == name_of(role)) return role;
  }
  return std::nullopt;
}

Result<User> Users::owner() {
  std::optional<User> found;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(
        sql.each("SELECT id, name, role, share, created FROM users WHERE role = 'owner' "
                 "ORDER BY created, id LIMIT 1",
                 {}, [&](const SqlRow& row) {
                   found = user_from(row);
                   return false;
                 }));
    if (found) return ok();
    found = User{.id = new_id(), .name = "owner", .role = Role::owner, .created = now_millis()};
    return insert_user(sql, *found);
  };
  TRY_STATUS(database_.write(work));
  return *std::move(found);
}

Result<std::vector<User>> Users::list() {
  std::vector<User> users;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT id, name, role, share, created FROM users WHERE role <> 'visitor' "
        "ORDER BY created, id",
        {}, [&](const SqlRow& row) {
          users.push_back(user_from(row));
          return true;
        });
  };
  TRY_STATUS(database_.read(work));
  return users;
}

Result<User> Users::create(std::string_view name, Role role) {
  TRY_STATUS(check_name(name));
  if (role == Role::visitor) {
    return fail(ErrorKind::invalid_argument, "role is owner or user; visitors come by a link");
  }
  User user{.id = new_id(), .name = std::string(name), .role = role, .created = now_millis()};
  const auto work = [&](SqlSession& sql) -> Status {
    bool taken = false;
    TRY_STATUS(sql.each("SELECT 1 FROM users WHERE name = ?1 AND role <> 'visitor'", {name},
                        [&](const SqlRow&) {
                          taken = true;
                          return false;
                        }));
    if (taken) {
      return fail(ErrorKind::invalid_argument, "there is a user of the name {} already", name);
    }
    return insert_user(sql, user);
  };
  TRY_STATUS(database_.write(work));
  return user;
}

Result<User> Users::find(std::string_view id) {
  std::optional<User> found;
  const std::string statement = std::string(kUserColumns) + "WHERE id = ?1";
  const auto work = [&](SqlSession& sql) {
    return sql.each(statement.c_str(), {id}, [&](const SqlRow& row) {
      found = user_from(row);
      return false;
    });
  };
  TRY_STATUS(database_.read(work));
  if (!found) return fail(ErrorKind::not_found, "there is no such user");
  return *std::move(found);
}

Status Users::remove(std::string_view id) {
  return database_.write([&](SqlSession& sql) -> Status {
    int64_t other_owners = 0;
    bool is_owner = false;
    TRY_STATUS(sql.each("SELECT id FROM users WHERE role = 'owner'", {}, [&](const SqlRow& row) {
      if (row.text(0) == id) {
        is_owner = true;
      } else {
        ++other_owners;
      }
      return true;
    }));
    if (is_owner && other_owners == 0) {
      return fail(ErrorKind::invalid_argument, "the last owner cannot be removed");
    }
    return require_change(sql.run("DELETE FROM users WHERE id = ?1", {id}), "user");
  });
}

Result<std::string> Users::make_login_token(std::string_view user_id, std::chrono::seconds valid) {
  TRY(const User user, find(user_id));
  std::string token = random_token();
  const std::string hash = sha256_hex(token);
  const int64_t now = now_millis();
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(sql.run("DELETE FROM login_tokens WHERE expires <= ?1", {now}));
    TRY_STATUS(
        sql.run("INSERT INTO login_tokens (hash, user_id, expires) VALUES (?1, ?2, ?3)",
                {std::string_view(hash), std::string_view(user.id), now + valid.count() * 1000}));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return token;
}

Result<LogIn> Users::log_in(std::string_view token) {
  const std::string hash = sha256_hex(token);
  LogIn login;
  const auto work = [&](SqlSession& sql) -> Status {
    bool found = false;
    TRY_STATUS(
        sql.each("SELECT u.id, u.name, u.role, u.share, u.created FROM login_tokens t "
                 "JOIN users u ON u.id = t.user_id WHERE t.hash = ?1 AND t.expires > ?2",
                 {std::string_view(hash), now_millis()}, [&](const SqlRow& row) {
                   login.user = user_from(row);
                   found = true;
                   return false;
                 }));
    if (!found) {
      return fail(ErrorKind::not_found,
                  "this link was used already, is too old, or never was one; ask for a new one");
    }
    TRY_STATUS(require_change(
        sql.run("DELETE FROM login_tokens WHERE hash = ?1", {std::string_view(hash)}), "link"));
    TRY(login.session, insert_session(sql, login.user.id));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return login;
}

Result<LogIn> Users::visit(std::string_view share_token) {
  LogIn login;
  const auto work = [&](SqlSession& sql) -> Status {
    bool found = false;
    TRY_STATUS(sql.each("SELECT 1 FROM shares WHERE token = ?1", {share_token}, [&](const SqlRow&) {
      found = true;
      return false;
    }));
    if (!found) return fail(ErrorKind::not_found, "this link is not, or no longer, shared");
    login.user = {.id = new_id(),
                  .name = "visitor",
                  .role = Role::visitor,
                  .share = std::string(share_token),
                  .created = now_millis()};
    TRY_STATUS(insert_user(sql, login.user));
    TRY(login.session, insert_session(sql, login.user.id));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return login;
}

Result<std::optional<User>> Users::user_of_session(std::string_view session) {
  const std::string hash = sha256_hex(session);
  const int64_t now = now_millis();
  std::optional<User> found;
  int64_t used = 0;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT u.id, u.name, u.role, u.share, u.created, s.used FROM sessions s "
        "JOIN users u ON u.id = s.user_id WHERE s.hash = ?1 AND s.expires > ?2",
        {std::string_view(hash), now}, [&](const SqlRow& row) {
          found = user_from(row);
          used = row.integer(5);
          return false;
        });
  };
  TRY_STATUS(database_.read(work));
  if (found && now - used > kTouchMillis) {
    // A full disk must not lock people out: a touch that fails is tried again by the next request.
    (void)(database_.write([&](SqlSession& sql) -> Status {
      TRY_STATUS(sql.run("UPDATE sessions SET used = ?2, expires = ?3 WHERE hash = ?1",
                         {std::string_view(hash), now, now + kSessionMillis}));
      return ok();
    }));
  }
  return found;
}

Status Users::log_out(std::string_view session) {
  const std::string hash = sha256_hex(session);
  return database_.write([&](SqlSession& sql) -> Status {
    TRY_STATUS(sql.run("DELETE FROM sessions WHERE hash = ?1", {std::string_view(hash)}));
    return ok();
  });
}

Result<Users::NewKey> Users::create_key(std::string_view user_id, std::string_view name) {
  TRY_STATUS(check_name(name));
  TRY(const User user, find(user_id));
  if (user.role == Role::visitor) {
    return fail(ErrorKind::invalid_argument, "a visitor cannot have a key");
  }
  NewKey made;
  made.secret = "jiang-" + random_token();
  made.key = {.id = new_id(),
              .name = std::string(name),
              .start = made.secret.substr(0, 10),
              .created = now_millis()};
  const std::string hash = sha256_hex(made.secret);
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(
        sql.run("INSERT INTO api_keys (id, user_id, name, start, hash, created) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                {std::string_view(made.key.id), user_id, name, std::string_view(made.key.start),
                 std::string_view(hash), made.key.created}));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return made;
}

Result<std::vector<ApiKey>> Users::keys(std::string_view user_id) {
  std::vector<ApiKey> keys;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT id, name, start, created, used FROM api_keys WHERE user_id = ?1 "
        "ORDER BY created, id",
        {user_id}, [&](const SqlRow& row) {
          keys.push_back(key_from(row));
          return true;
        });
  };
  TRY_STATUS(database_.read(work));
  return keys;
}

Status Users::remove_key(std::string_view user_id, std::string_view key_id) {
  return database_.write([&](SqlSession& sql) {
    return require_change(
        sql.run("DELETE FROM api_keys WHERE id = ?1 AND user_id = ?2", {key_id, user_id}), "key");
  });
}

Result<std::optional<User>> Users::user_of_key(std::string_view secret) {
  // The look-up compares hashes: how long it takes tells nothing about a key.
  const std::string hash = sha256_hex(secret);
  const int64_t now = now_millis();
  std::optional<User> found;
  int64_t used = 0;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT u.id, u.name, u.role, u.share, u.created, k.used FROM api_keys k "
        "JOIN users u ON u.id = k.user_id WHERE k.hash = ?1",
        {std::string_view(hash)}, [&](const SqlRow& row) {
          found = user_from(row);
          used = row.integer(5);
          return false;
        });
  };
  TRY_STATUS(database_.read(work));
  if (found && now - used > kKeyTouchMillis) {
    (void)(database_.write([&](SqlSession& sql) -> Status {
      TRY_STATUS(
          sql.run("UPDATE api_keys SET used = ?2 WHERE hash = ?1", {std::string_view(hash), now}));
      return ok();
    }));
  }
  return found;
}

Result<bool> Users::has_keys() {
  bool any = false;
  const auto work = [&](SqlSession& sql) {
    return sql.each("SELECT 1 FROM api_keys LIMIT 1", {}, [&](const SqlRow&) {
      any = true;
      return false;
    });
  };
  TRY_STATUS(database_.read(work));
  return any;
}

}  // namespace jiang
