#include "hub/model_ref.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <sys/stat.h>

#include "base/file.h"
#include "base/suggest.h"
#include "hub/catalogue.h"
#include "hub/model_name.h"
#include "hub/store.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".gguf";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// "name-00002-of-00003.gguf": the first part stands for all.
bool is_later_part(std::string_view file) {
  const size_t of = file.rfind("-of-");
  return of != std::string_view::npos && of >= 6 && file[of - 6] == '-' &&
         file.substr(of - 5, 5) != "00001" &&
         std::all_of(file.begin() + static_cast<std::ptrdiff_t>(of - 5),
                     file.begin() + static_cast<std::ptrdiff_t>(of),
                     [](char c) { return c >= '0' && c <= '9'; });
}

uint64_t size_of(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) {
    const auto size = fs::file_size(path, ignored);
    return ignored ? 0 : size;
  }
  uint64_t total = 0;
  for (fs::directory_iterator it(path, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    std::error_code unreadable;
    const auto size = it->is_regular_file(unreadable) ? it->file_size(unreadable) : 0;
    if (!unreadable) total += size;
  }
  return total;
}

}  // namespace

std::string jiang_home() {
  if (const char* home = std::getenv("JIANG_HOME"); home && *home) return home;
  const char* user = std::getenv("HOME");
  return std::string(user && *user ? user : ".") + "/.jiang";
}

namespace {

// What `jiang pull TEXT` made, if it did: the store's name, from the same hub if one was named.
Result<std::optional<std::string>> find_in_store(const std::string& text, const std::string& home) {
  const Store store(home);
  TRY(std::optional<Manifest> found, store.find(text));
  if (!found) {
    const auto name = parse_model_name(text);
    if (!name) return std::optional<std::string>();
    std::string wanted = name->store_name();
    if (name->repo.empty() && name->hub == Hub::any) {
      const auto catalogue = load_catalogue(home);
      const CatalogueEntry* entry = catalogue ? catalogue->find(text) : nullptr;
      if (!entry) return std::optional<std::string>();
      wanted = entry->name;
    }
    TRY(found, store.find(wanted));
    if (found && name->hub != Hub::any && found->hub != hub_prefix(name->hub)) found.reset();
    if (found && name->hub == Hub::url && found->repo != name->url) found.reset();
  }
  if (!found) return std::optional<std::string>();
  std::string path = store.model_path(*found);
  std::error_code error;
  if (!fs::exists(path, error)) {
    return fail(ErrorKind::not_found,
                "{}: the files of {} are missing; pull it again: jiang pull {}", path, found->name,
                found->wanted.empty() ? found->name : found->wanted);
  }
  return std::optional<std::string>(std::move(path));
}

}  // namespace

std::vector<InstalledModel> installed_models(const std::string& home) {
  std::vector<InstalledModel> models;
  std::error_code error;
  for (fs::directory_iterator it(home + "/models", error), end; !error && it != end;
       it.increment(error)) {
    std::string name = it->path().filename().string();
    std::error_code ignored;
    const bool is_folder = it->is_directory(ignored);
    if (name.empty() || name[0] == '.') continue;
    if (is_folder ? !fs::exists(it->path() / "config.json", ignored)
                  : !ends_with(name, kSuffix) || is_later_part(name)) {
      continue;
    }
    if (!is_folder) name.resize(name.size() - kSuffix.size());
    struct stat status = {};
    stat(it->path().c_str(), &status);
    models.push_back({std::move(name), it->path().string(), size_of(it->path()),
                      static_cast<int64_t>(status.st_mtime)});
  }
  const Store store(home);
  for (const Manifest& manifest : store.list()) {
    models.push_back({manifest.name, store.model_path(manifest), manifest.bytes(), manifest.created,
                      manifest.id()});
  }
  std::sort(models.begin(), models.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

std::optional<std::string> bundled_model(const std::string& binary) {
  std::error_code error;
  const fs::path program = fs::canonical(binary, error);
  if (error) return std::nullopt;
  // build/release/jiang
  const fs::path folder = program.parent_path().parent_path().parent_path() / "models";
  std::optional<std::string> first;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path().string();
    if (ends_with(path, kSuffix) && !is_later_part(path) && (!first || path < *first)) first = path;
  }
  return first;
}

Result<std::string> find_model(std::string_view reference, const std::string& home) {
  const std::string text(reference);
  if (text.empty()) {
    return fail(ErrorKind::invalid_argument,
                "the name of the model is empty; give a .gguf file, a "
                "folder or an installed name");
  }
  std::error_code ignored;
  if (fs::exists(text, ignored)) return text;

  const std::vector<InstalledModel> models = installed_models(home);
  for (const InstalledModel& model : models) {
    if (model.name == text) return model.path;
  }
  TRY(std::optional<std::string> in_store, find_in_store(text, home));
  if (in_store) return *std::move(in_store);
  const bool pullable = is_pullable(text, home);
  if (text.find('/') != std::string::npos || ends_with(text, kSuffix)) {
    // A path: the slip is likely in its last word.
    const fs::path path(text);
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::vector<std::string> beside;
    for (fs::directory_iterator it(folder, ignored), end;
         !ignored && it != end && beside.size() < 1000; it.increment(ignored)) {
      beside.push_back(it->path().filename().string());
    }
    if (const auto near = suggest(path.filename().string(), beside)) {
      const fs::path meant = path.has_parent_path() ? folder / *near : fs::path(*near);
      return fail(ErrorKind::not_found, "{}: no such file; did you mean {}?", text, meant.string());
    }
    if (!pullable) {
      return fail(ErrorKind::not_found, "{}: no such file or folder; check the path", text);
    }
    return fail(ErrorKind::not_found,
                "{} is neither a file nor installed; to fetch it from a hub: jiang pull {}", text,
                text);
  }
  if (pullable) {
    return fail(ErrorKind::not_found, "{} is not installed; to fetch it: jiang pull {}", text,
                text);
  }
  std::vector<std::string> names;
  for (const InstalledModel& model : models) names.push_back(model.name);
  const auto catalogue = load_catalogue(home);
  if (catalogue && !suggest(text, names)) {
    if (const auto near = suggest(text, catalogue->names())) {
      return fail(ErrorKind::not_found,
                  "no model '{}' is installed or in the catalogue; did you mean '{}'? (jiang pull "
                  "{})",
                  text, *near, *near);
    }
  }
  if (const auto near = suggest(text, names)) {
    return fail(ErrorKind::not_found, "no model '{}' is installed; did you mean '{}'?", text,
                *near);
  }
  return fail(
      ErrorKind::not_found,
      "no model '{}' is installed under {}/models and no such file exists; give the path of "
      "a .gguf file or of a Hugging Face folder, or see 'jiang list'",
      text, home);
}

bool is_pullable(std::string_view reference, const std::string& home) {
  if (reference.empty() || reference.front() == '.' || reference.front() == '/' ||
      reference.front() == '~') {
    return false;
  }
  const auto name = parse_model_name(reference);
  if (!name) return false;
  if (name->hub == Hub::url) return true;
  if (!name->repo.empty()) {
    // "folder/model.gguf" is a path that is not there, rather than a hub's model.
    return name->hub != Hub::any || !ends_with(reference, kSuffix);
  }
  const auto catalogue = load_catalogue(home);
  return catalogue && catalogue->find(name->short_name);
}

}  // namespace jiang
