#include "storage/shares.h"

#include "base/secret.h"
#include "storage/clock.h"
#include "storage/database.h"

namespace jiang {
namespace {

Share share_from(const SqlRow& row) {
  return {.token = row.text(0),
          .user_id = row.text(1),
          .kind = row.text(2) == "agent" ? Share::Kind::agent : Share::Kind::conversation,
          .id = row.text(3),
          .level = row.text(4) == "server" ? Share::Level::server : Share::Level::link,
          .created = row.integer(5)};
}

}  // namespace

std::string_view name_of(Share::Kind kind) {
  return kind == Share::Kind::agent ? "agent" : "conversation";
}

std::string_view name_of(Share::Level level) {
  return level == Share::Level::server ? "server" : "link";
}

Result<Share> Shares::create(std::string_view user_id, Share::Kind kind, std::string_view id,
                             Share::Level level) {
  const std::string token = random_token(24);
  std::optional<Share> share;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(sql.run(
        "INSERT INTO shares (token, user_id, kind, item, level, created) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
        "ON CONFLICT (user_id, kind, item) DO UPDATE SET level = excluded.level",
        {std::string_view(token), user_id, name_of(kind), id, name_of(level), now_millis()}));
    return sql.each(
        "SELECT token, user_id, kind, item, level, created FROM shares "
        "WHERE user_id = ?1 AND kind = ?2 AND item = ?3",
        {user_id, name_of(kind), id}, [&](const SqlRow& row) {
          share = share_from(row);
          return false;
        });
  };
  TRY_STATUS(database_.write(work));
  JIANG_CHECK(share.has_value(), "a share that was just written");
  return *std::move(share);
}

Result<std::vector<Share>> Shares::list(std::string_view user_id) {
  std::vector<Share> shares;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT token, user_id, kind, item, level, created FROM shares "
        "WHERE user_id = ?1 ORDER BY created, token",
        {user_id}, [&](const SqlRow& row) {
          shares.push_back(share_from(row));
          return true;
        });
  };
  TRY_STATUS(database_.read(work));
  return shares;
}

Result<std::optional<Share>> Shares::find(std::string_view token) {
  std::optional<Share> share;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT token, user_id, kind, item, level, created FROM shares "
        "WHERE token = ?1",
        {token}, [&](const SqlRow& row) {
          share = share_from(row);
          return false;
        });
  };
  TRY_STATUS(database_.read(work));
  return share;
}

Result<std::vector<Share>> Shares::on_server() {
  std::vector<Share> shares;
  const auto work = [&](SqlSession& sql) {
    return sql.each(
        "SELECT token, user_id, kind, item, level, created FROM shares "
        "WHERE level = 'server' ORDER BY created, token",
        {}, [&](const SqlRow& row) {
          shares.push_back(share_from(row));
          return true;
        });
  };
  TRY_STATUS(database_.read(work));
  return shares;
}

Status Shares::remove(std::string_view user_id, std::string_view token) {
  return database_.write([&](SqlSession& sql) -> Status {
    TRY(const int64_t removed,
        sql.run("DELETE FROM shares WHERE token = ?1 AND user_id = ?2", {token, user_id}));
    if (removed == 0) return fail(ErrorKind::not_found, "there is no such share");
    return ok();
  });
}

}  // namespace jiang
