#include "hub/catalogue.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"
#include "base/suggest.h"
#include "base/toml.h"

namespace jiang {
namespace {

constexpr const char* kKeys[] = {"title",   "modelscope", "huggingface", "parameters", "bytes",
                                 "licence", "type",       "gated",       "embedding"};

// With the output matrix in 6 bits, as the recipes have it; for small models, where it weighs most.
struct TypeBits {
  const char* name;
  double bits;
};
constexpr TypeBits kBits[] = {
    {"f32", 32},        {"f16", 16},       {"bf16", 16},      {"q8_0", 8.5},      {"q6_k", 6.6},
    {"q5_k_m", 5.7},    {"q5_k_s", 5.6},   {"q5_0", 5.6},     {"q5_1", 6.1},      {"q4_k_m", 5.2},
    {"q4_k_s", 4.7},    {"q4_0", 4.7},     {"q4_1", 5.1},     {"iq4_nl", 4.7},    {"iq4_xs", 4.5},
    {"q3_k_m", 4.0},    {"q2_k", 3.0},     {"sym_int4", 4.7}, {"asym_int4", 5.1}, {"sym_int5", 5.6},
    {"asym_int5", 6.1}, {"sym_int8", 8.5},
};

Result<CatalogueEntry> parse_entry(const std::string& name, const Json& json,
                                   const std::string& where) {
  if (!json.is_object()) return fail(ErrorKind::bad_file, "{}: '{}' is no table", where, name);
  for (const auto& [key, value] : json.items()) {
    static_cast<void>(value);
    if (std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys)) continue;
    const std::vector<std::string> known(std::begin(kKeys), std::end(kKeys));
    const auto near = suggest(key, known);
    return fail(ErrorKind::bad_file, "{}: unknown key '{}' of '{}'{}", where, key, name,
                near ? fmt::format(", did you mean '{}'?", *near) : "");
  }
  CatalogueEntry entry;
  entry.name = name;
  TRY_STATUS(check_store_name(name));
  TRY(entry.title, get_string_or(json, "title", name, where));
  TRY(entry.modelscope, get_string_or(json, "modelscope", "", where));
  TRY(entry.huggingface, get_string_or(json, "huggingface", "", where));
  for (const std::string* repo : {&entry.modelscope, &entry.huggingface}) {
    if (repo->empty()) continue;
    TRY(const ModelName parsed, parse_model_name(*repo));
    if (parsed.repo != *repo) {
      return fail(ErrorKind::bad_file, "{}: '{}' of '{}' is not org/model", where, *repo, name);
    }
  }
  if (entry.modelscope.empty() && entry.huggingface.empty()) {
    return fail(ErrorKind::bad_file, "{}: '{}' is at no hub", where, name);
  }
  TRY(const int64_t parameters, get_int_or(json, "parameters", 0, where));
  TRY(const int64_t bytes, get_int_or(json, "bytes", parameters * 2, where));
  if (parameters < 0 || bytes < 0) {
    return fail(ErrorKind::bad_file, "{}: a size of '{}' is negative", where, name);
  }
  entry.parameters = static_cast<uint64_t>(parameters);
  entry.bytes = static_cast<uint64_t>(bytes);
  TRY(entry.licence, get_string_or(json, "licence", "", where));
  TRY(entry.type, get_string_or(json, "type", "", where));
  TRY(entry.gated, get_bool_or(json, "gated", false, where));
  TRY(entry.embedding, get_bool_or(json, "embedding", false, where));
  return entry;
}

}  // namespace

uint64_t CatalogueEntry::quantised_bytes() const {
  return static_cast<uint64_t>(static_cast<double>(parameters) *
                               bits_per_weight(type.empty() ? "q4_k_m" : type) / 8);
}

const CatalogueEntry* Catalogue::find(std::string_view name) const {
  for (const CatalogueEntry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  if (name.ends_with(":latest")) name.remove_suffix(7);
  if (name.find(':') != std::string_view::npos) return nullptr;
  for (const CatalogueEntry& entry : entries) {
    if (entry.name.starts_with(std::string(name) + ":")) return &entry;
  }
  return nullptr;
}

std::vector<std::string> Catalogue::names() const {
  std::vector<std::string> names;
  for (const CatalogueEntry& entry : entries) names.push_back(entry.name);
  return names;
}

Result<Catalogue> parse_catalogue(std::string_view toml, std::string_view where) {
  TRY(const TomlDocument document, parse_toml(toml, where));
  Catalogue catalogue;
  for (const auto& [name, value] : document.value.items()) {
    const std::string place = fmt::format("{}:{}", where, document.line("/" + name));
    TRY(CatalogueEntry entry, parse_entry(name, value, place));
    catalogue.entries.push_back(std::move(entry));
  }
  return catalogue;
}

Result<Catalogue> load_catalogue(const std::string& home, const std::string& binary) {
  namespace fs = std::filesystem;
  Catalogue catalogue;
  std::vector<std::string> paths = {home + "/catalogue.toml"};
  std::error_code error;
  const fs::path program = fs::canonical(binary, error);
  if (!error) {
    // build/release/jiang in the repository; or bin/jiang with share/jiang beside it.
    const fs::path folder = program.parent_path();
    paths.push_back((folder.parent_path().parent_path() / "catalogue" / "models.toml").string());
    paths.push_back(
        (folder.parent_path() / "share" / "jiang" / "catalogue" / "models.toml").string());
  }
  for (const std::string& path : paths) {
    const auto text = read_file(path, size_t{4} << 20);
    if (!text && text.error().kind == ErrorKind::not_found) continue;
    if (!text) return text.error();
    TRY(Catalogue more, parse_catalogue(*text, path));
    for (CatalogueEntry& entry : more.entries) {
      const auto known = catalogue.names();
      if (std::find(known.begin(), known.end(), entry.name) != known.end()) continue;
      catalogue.entries.push_back(std::move(entry));
    }
  }
  return catalogue;
}

double bits_per_weight(std::string_view type) {
  for (const TypeBits& row : kBits) {
    if (type == row.name) return row.bits;
  }
  return 16;  // unknown: rather too much
}

}  // namespace jiang
