#include "install/create.h"

#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "base/file.h"
#include "base/quantity.h"
#include "hub/select_files.h"
#include "weights/tensor_source.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;

// Copies a file of the person's into the blobs.
Result<ManifestFile> import_file(const Store& store, const std::string& path,
                                 const std::string& name) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) return fail(ErrorKind::io, "{}: {}", path, error.message());
  if (bytes > free_bytes(store.root())) {
    return fail(ErrorKind::io, "{} needs {} in {}, and {} are free there", path, human_bytes(bytes),
                store.root(), human_bytes(free_bytes(store.root())));
  }
  const std::string copy = fmt::format("{}/import-{}-{}", store.scratch(), ::getpid(),
                                       fs::path(name).filename().string());
  fs::copy_file(path, copy, fs::copy_options::overwrite_existing, error);
  if (error) return fail(ErrorKind::io, "{}: cannot copy: {}", path, error.message());
  auto taken = store.take_file(copy, name);
  if (!taken) fs::remove(copy, error);
  return taken;
}

// The files of a folder that `jiang pull` would have taken.
Result<std::vector<std::string>> folder_files(const std::string& folder) {
  Repository repository;
  repository.repo = folder;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (!it->is_regular_file(error)) continue;
    RepoFile file;
    file.name = fs::relative(it->path(), folder, error).string();
    file.bytes = it->file_size(error);
    repository.files.push_back(std::move(file));
    if (repository.files.size() > 10000)
      return fail(ErrorKind::too_large, "{}: too many files", folder);
  }
  TRY(const FileSelection selection, select_files(repository, "", {}));
  std::vector<std::string> names;
  for (const RepoFile* file : selection.files) names.push_back(file->name);
  return names;
}

Result<Manifest> begin_with_files(const Store& store, const std::string& from) {
  TRY(const auto source, open_tensor_source(from));  // it is a model at all
  Manifest manifest;
  manifest.hub = "file";
  manifest.repo = fs::absolute(from).string();
  if (!is_directory(from)) {
    TRY(ManifestFile file, import_file(store, from, fs::path(from).filename().string()));
    manifest.files.push_back(std::move(file));
    return manifest;
  }
  TRY(const std::vector<std::string> names, folder_files(from));
  for (const std::string& name : names) {
    TRY(ManifestFile file, import_file(store, from + "/" + name, name));
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

}  // namespace

Result<Manifest> create_model(const Store& store, const std::string& name,
                              const Modelfile& modelfile) {
  TRY_STATUS(check_settings(modelfile.settings));
  TRY(const FileLock lock, store.begin_pull());  // what is copied has no name yet
  TRY(std::optional<Manifest> base, store.find(modelfile.from));
  if (!base) {
    std::error_code error;
    if (!fs::exists(modelfile.from, error)) {
      return fail(ErrorKind::not_found,
                  "FROM {}: neither installed nor a file; fetch it first: jiang pull {}",
                  modelfile.from, modelfile.from);
    }
    TRY(base, begin_with_files(store, modelfile.from));
  }
  Manifest manifest = *std::move(base);
  manifest.name = name;
  manifest.created = std::time(nullptr);
  ModelSettings& settings = manifest.settings;
  const ModelSettings& wanted = modelfile.settings;
  if (!wanted.system.empty()) settings.system = wanted.system;
  if (!wanted.chat_template.empty()) settings.chat_template = wanted.chat_template;
  if (!wanted.licence.empty()) settings.licence = wanted.licence;
  if (!wanted.messages.empty()) settings.messages = wanted.messages;
  // Of a name that is given anew all former values go.
  for (const auto& parameter : wanted.parameters) {
    std::erase_if(settings.parameters,
                  [&](const auto& old) { return old.first == parameter.first; });
  }
  settings.parameters.insert(settings.parameters.end(), wanted.parameters.begin(),
                             wanted.parameters.end());
  if (manifest.name.ends_with(":latest")) manifest.name.resize(manifest.name.size() - 7);
  TRY_STATUS(store.add(manifest));
  return manifest;
}

Modelfile modelfile_of(const Store& store, const Manifest& manifest) {
  Modelfile modelfile;
  modelfile.from = store.model_path(manifest);
  modelfile.settings = manifest.settings;
  return modelfile;
}

}  // namespace jiang
