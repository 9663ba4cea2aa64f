#include "hub/manifest.h"

#include "base/json_value.h"
#include "base/sha256.h"
#include "hub/file_name.h"
#include "hub/model_name.h"

namespace jiang {
namespace {

constexpr int64_t kVersion = 1;
constexpr size_t kMaxFiles = 10000;

Json files_json(const std::vector<ManifestFile>& files) {
  Json list = Json::array();
  for (const ManifestFile& file : files) {
    list.push_back({{"name", file.name},
                    {"sha256", file.sha256},
                    {"bytes", file.bytes},
                    {"verified", file.verified}});
  }
  return list;
}

Result<std::vector<ManifestFile>> parse_files(const Json& json, std::string_view key,
                                              std::string_view where) {
  std::vector<ManifestFile> files;
  const Json* list = find_member(json, key);
  if (!list) return files;
  if (!list->is_array() || list->size() > kMaxFiles) {
    return fail(ErrorKind::bad_file, "{}: \"{}\" is not a list of files", where, key);
  }
  std::vector<std::string> names;
  for (const Json& entry : *list) {
    if (!entry.is_object()) return fail(ErrorKind::bad_file, "{}: \"{}\" is damaged", where, key);
    ManifestFile file;
    TRY(file.name, get_string(entry, "name", where));
    TRY(file.sha256, get_string(entry, "sha256", where));
    TRY(const int64_t bytes, get_int(entry, "bytes", where));
    TRY(file.verified, get_string_or(entry, "verified", "size", where));
    if (!is_sha256_hex(file.sha256) || bytes < 0) {
      return fail(ErrorKind::bad_file, "{}: the entry of {} is damaged", where, file.name);
    }
    file.bytes = static_cast<uint64_t>(bytes);
    names.push_back(file.name);
    files.push_back(std::move(file));
  }
  TRY_STATUS(check_file_names(names));
  return files;
}

Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json list = Json::array();
  for (const auto& [first, second] : pairs) list.push_back(Json::array({first, second}));
  return list;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(const Json& json,
                                                                     std::string_view key,
                                                                     std::string_view where) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const Json* list = find_member(json, key);
  if (!list) return pairs;
  if (!list->is_array()) return fail(ErrorKind::bad_file, "{}: \"{}\" is damaged", where, key);
  for (const Json& entry : *list) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_string()) {
      return fail(ErrorKind::bad_file, "{}: \"{}\" is damaged", where, key);
    }
    pairs.emplace_back(entry[0].get<std::string>(), entry[1].get<std::string>());
  }
  return pairs;
}

// The part that the id covers comes first.
Json content_json(const Manifest& manifest) {
  Json json = {{"files", files_json(manifest.files)}};
  if (!manifest.settings.is_empty()) json["settings"] = settings_json(manifest.settings);
  return json;
}

Json manifest_json(const Manifest& manifest) {
  Json json = {{"format", "jiang-model"},   {"version", kVersion},
               {"name", manifest.name},     {"hub", manifest.hub},
               {"repo", manifest.repo},     {"revision", manifest.revision},
               {"wanted", manifest.wanted}, {"licence", manifest.licence},
               {"type", manifest.type},     {"created", manifest.created}};
  const Json content = content_json(manifest);
  for (const auto& [key, value] : content.items()) json[key] = value;
  json["quantised_from"] = files_json(manifest.quantised_from);
  json["originals_kept"] = manifest.originals_kept;
  return json;
}

}  // namespace

std::string Manifest::id() const { return sha256_hex(to_string(content_json(*this))); }

std::string Manifest::gguf_name() const {
  for (const ManifestFile& file : files) {
    const bool is_gguf = file.name.size() > 5 && file.name.ends_with(".gguf");
    if (is_gguf) return file.name;  // of a split model the first part comes first
  }
  return "";
}

uint64_t Manifest::bytes() const {
  uint64_t total = 0;
  for (const ManifestFile& file : files) total += file.bytes;
  return total;
}

Json settings_json(const ModelSettings& settings) {
  return {{"system", settings.system},
          {"template", settings.chat_template},
          {"parameters", pairs_json(settings.parameters)},
          {"messages", pairs_json(settings.messages)},
          {"licence", settings.licence}};
}

Result<ModelSettings> parse_settings(const Json& json, std::string_view where) {
  if (!json.is_object()) return fail(ErrorKind::bad_file, "{}: \"settings\" is damaged", where);
  ModelSettings settings;
  TRY(settings.system, get_string_or(json, "system", "", where));
  TRY(settings.chat_template, get_string_or(json, "template", "", where));
  TRY(settings.parameters, parse_pairs(json, "parameters", where));
  TRY(settings.messages, parse_pairs(json, "messages", where));
  TRY(settings.licence, get_string_or(json, "licence", "", where));
  return settings;
}

std::string manifest_text(const Manifest& manifest) {
  Json json = manifest_json(manifest);
  json["checksum"] = sha256_hex(to_string(json));
  return to_string(json, 2) + "\n";
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view where) {
  TRY(Json json, parse_json(text, where, {.max_bytes = 16 << 20, .max_depth = 16}));
  TRY(const std::string format, get_string_or(json, "format", "", where));
  if (format != "jiang-model") {
    return fail(ErrorKind::bad_file, "{}: not a manifest of jiang", where);
  }
  TRY(const int64_t version, get_int(json, "version", where));
  if (version > kVersion) {
    return fail(ErrorKind::unsupported,
                "{}: written by a newer jiang (version {}, this one knows "
                "{}); update jiang",
                where, version, kVersion);
  }
  TRY(const std::string checksum, get_string(json, "checksum", where));
  json.erase("checksum");
  if (sha256_hex(to_string(json)) != checksum) {
    return fail(ErrorKind::bad_file, "{}: its checksum does not fit; pull the model again", where);
  }
  Manifest manifest;
  TRY(manifest.name, get_string(json, "name", where));
  TRY_STATUS(check_store_name(manifest.name));
  TRY(manifest.hub, get_string_or(json, "hub", "", where));
  TRY(manifest.repo, get_string_or(json, "repo", "", where));
  TRY(manifest.revision, get_string_or(json, "revision", "", where));
  TRY(manifest.wanted, get_string_or(json, "wanted", "", where));
  TRY(manifest.licence, get_string_or(json, "licence", "", where));
  TRY(manifest.type, get_string_or(json, "type", "", where));
  TRY(manifest.created, get_int_or(json, "created", 0, where));
  TRY(manifest.files, parse_files(json, "files", where));
  TRY(manifest.quantised_from, parse_files(json, "quantised_from", where));
  TRY(manifest.originals_kept, get_bool_or(json, "originals_kept", false, where));
  if (const Json* settings = find_member(json, "settings")) {
    TRY(manifest.settings, parse_settings(*settings, where));
  }
  if (manifest.files.empty()) return fail(ErrorKind::bad_file, "{}: names no files", where);
  return manifest;
}

}  // namespace jiang
