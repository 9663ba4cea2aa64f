#include "storage/settings.h"

#include "base/json_value.h"
#include "storage/database.h"

namespace jiang {
namespace {

constexpr size_t kMaxBytes = 64 * 1024;
constexpr size_t kMaxPresetName = 200;

Status read_settings(SqlSession& sql, std::string_view user_id, Json* settings) {
  std::string text;
  TRY_STATUS(
      sql.each("SELECT settings FROM users WHERE id = ?1", {user_id}, [&](const SqlRow& row) {
        text = row.text(0);
        return false;
      }));
  if (text.empty()) return fail(ErrorKind::not_found, "there is no such user");
  TRY(*settings, parse_json(text, "settings"));
  return ok();
}

Result<std::string> checked_text(const Json& value, std::string_view what) {
  if (!value.is_object()) {
    return fail(ErrorKind::invalid_argument, "{} are a JSON object", what);
  }
  std::string text = to_string(value);
  if (text.size() > kMaxBytes) {
    return fail(ErrorKind::too_large, "{}: {} bytes, at most {} are kept", what, text.size(),
                kMaxBytes);
  }
  return text;
}

}  // namespace

Result<Json> Settings::get(std::string_view user_id) {
  Json settings;
  TRY_STATUS(
      database_.read([&](SqlSession& sql) { return read_settings(sql, user_id, &settings); }));
  return settings;
}

Result<Json> Settings::merge(std::string_view user_id, const Json& changes) {
  TRY_STATUS(checked_text(changes, "settings"));
  Json settings;
  const auto work = [&](SqlSession& sql) -> Status {
    TRY_STATUS(read_settings(sql, user_id, &settings));
    settings.merge_patch(changes);
    TRY(const std::string text, checked_text(settings, "settings"));
    TRY_STATUS(
        sql.run("UPDATE users SET settings = ?2 WHERE id = ?1", {user_id, std::string_view(text)}));
    return ok();
  };
  TRY_STATUS(database_.write(work));
  return settings;
}

Result<Json> Settings::presets(std::string_view user_id) {
  Json presets = Json::array();
  Status parsed = ok();
  const auto work = [&](SqlSession& sql) {
    return sql.each("SELECT name, value FROM presets WHERE user_id = ?1 ORDER BY name", {user_id},
                    [&](const SqlRow& row) {
                      auto value = parse_json(row.text(1), "preset");
                      if (!value) {
                        parsed = value.error();
                        return false;
                      }
                      Json preset = {{"name", row.text(0)}};
                      preset.update(*value);
                      preset["name"] = row.text(0);
                      presets.push_back(std::move(preset));
                      return true;
                    });
  };
  TRY_STATUS(database_.read(work));
  TRY_STATUS(parsed);
  return presets;
}

Status Settings::put_preset(std::string_view user_id, std::string_view name, const Json& preset) {
  if (name.empty() || name.size() > kMaxPresetName) {
    return fail(ErrorKind::invalid_argument, "a preset's name has 1 to {} bytes", kMaxPresetName);
  }
  TRY(const std::string text, checked_text(preset, "a preset's values"));
  return database_.write([&](SqlSession& sql) -> Status {
    TRY_STATUS(
        sql.run("INSERT INTO presets (user_id, name, value) VALUES (?1, ?2, ?3) "
                "ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value",
                {user_id, name, std::string_view(text)}));
    return ok();
  });
}

Status Settings::remove_preset(std::string_view user_id, std::string_view name) {
  return database_.write([&](SqlSession& sql) -> Status {
    TRY(const int64_t removed,
        sql.run("DELETE FROM presets WHERE user_id = ?1 AND name = ?2", {user_id, name}));
    if (removed == 0) return fail(ErrorKind::not_found, "there is no preset of the name {}", name);
    return ok();
  });
}

}  // namespace jiang
