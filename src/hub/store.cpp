#include "hub/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json_value.h"
#include "base/sha256.h"
#include "hub/download.h"
#include "hub/model_name.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxManifest = size_t{16} << 20;
constexpr const char* kSettingsFile = "jiang-settings.json";

Error io_error(const std::string& path, std::string_view doing) {
  return fail(ErrorKind::io, "{}: {}: {}", path, doing, std::strerror(errno));
}

Status make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail(ErrorKind::io, "{}: cannot make the folder: {}", path, error.message());
  return ok();
}

Status sync_folder(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return io_error(path, "cannot open");
  const int result = ::fsync(folder);
  ::close(folder);
  if (result != 0 && errno != EINVAL) return io_error(path, "cannot flush");
  return ok();
}

std::optional<uint64_t> regular_size(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(status.st_size);
}

uint64_t disk_bytes(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) return 0;
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

std::vector<std::string> entries(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string without_latest(std::string_view name) {
  if (name.ends_with(":latest")) name.remove_suffix(7);
  return std::string(name);
}

}  // namespace

// ---- FileLock

Result<FileLock> FileLock::wait(const std::string& path, Mode mode) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (descriptor < 0) return io_error(path, "cannot open");
  while (::flock(descriptor, mode == Mode::shared ? LOCK_SH : LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const Error error = io_error(path, "cannot lock");
    ::close(descriptor);
    return error;
  }
  return FileLock(descriptor);
}

Result<std::optional<FileLock>> FileLock::attempt(const std::string& path, Mode mode) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (descriptor < 0) return io_error(path, "cannot open");
  if (::flock(descriptor, (mode == Mode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    ::close(descriptor);
    return std::optional<FileLock>();
  }
  return std::optional<FileLock>(FileLock(descriptor));
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// ---- reading

Store::Store(std::string home) : root_(std::move(home) + "/models") {}

std::string Store::manifest_path(std::string_view name) const {
  std::string file;
  for (const char c : name) file += c == '/' ? "%2F" : std::string(1, c);
  return root_ + "/manifests/" + file + ".json";
}

std::vector<Manifest> Store::list(std::vector<std::string>* damaged) const {
  std::vector<Manifest> manifests;
  for (const std::string& entry : entries(root_ + "/manifests")) {
    if (!entry.ends_with(".json") || entry.front() == '.') continue;
    const std::string path = root_ + "/manifests/" + entry;
    const auto text = read_file(path, kMaxManifest);
    auto manifest = text ? parse_manifest(*text, path) : Result<Manifest>(text.error());
    if (manifest) {
      manifests.push_back(*std::move(manifest));
    } else if (damaged && manifest.error().kind != ErrorKind::not_found) {
      damaged->push_back(manifest.error().message);
    }
  }
  std::sort(manifests.begin(), manifests.end(),
            [](const Manifest& a, const Manifest& b) { return a.name < b.name; });
  return manifests;
}

Result<std::optional<Manifest>> Store::find(std::string_view name) const {
  const std::string wanted = without_latest(name);
  if (!check_store_name(wanted)) return std::optional<Manifest>();
  const std::string path = manifest_path(wanted);
  const auto text = read_file(path, kMaxManifest);
  if (!text && text.error().kind == ErrorKind::not_found) return std::optional<Manifest>();
  if (!text) return text.error();
  TRY(Manifest manifest, parse_manifest(*text, path));
  return std::optional<Manifest>(std::move(manifest));
}

std::string Store::model_path(const Manifest& manifest) const {
  const std::string view = root_ + "/views/" + manifest.view_id();
  const std::string gguf = manifest.gguf_name();
  return gguf.empty() ? view : view + "/" + gguf;
}

// ---- changing

Status Store::make_folders() const {
  for (const char* folder : {"/blobs", "/manifests", "/views", "/scratch"}) {
    TRY_STATUS(make_folder(root_ + folder));
  }
  return ok();
}

Result<FileLock> Store::begin_pull() const {
  TRY_STATUS(make_folders());
  return FileLock::wait(root_ + "/.pulling", FileLock::Mode::shared);
}

Result<ManifestFile> Store::take_file(const std::string& path, const std::string& name) const {
  TRY(std::string sha256, sha256_of_file(path));
  const auto bytes = regular_size(path);
  if (!bytes) return fail(ErrorKind::bad_file, "{}: not a regular file", path);
  const std::string target = blob_path(blobs(), sha256);
  if (regular_size(target) == bytes) {
    ::unlink(path.c_str());
  } else {
    ::chmod(path.c_str(), 0444);
    if (::rename(path.c_str(), target.c_str()) != 0) return io_error(target, "cannot rename to");
    TRY_STATUS(sync_folder(blobs()));
  }
  return ManifestFile{name, std::move(sha256), *bytes, "made"};
}

Status Store::make_view(const Manifest& manifest) const {
  const std::string view = root_ + "/views/" + manifest.view_id();
  const std::string fresh = fmt::format("{}/views/.new-{}", root_, ::getpid());
  std::error_code ignored;
  fs::remove_all(fresh, ignored);
  TRY_STATUS(make_folder(fresh));
  for (const ManifestFile& file : manifest.files) {
    const std::string blob = blob_path(blobs(), file.sha256);
    if (regular_size(blob) != file.bytes) {
      return fail(ErrorKind::not_found, "{}: the blob of {} is missing; pull the model again", blob,
                  file.name);
    }
    const std::string link = fresh + "/" + file.name;
    TRY_STATUS(make_folder(fs::path(link).parent_path().string()));
    if (::link(blob.c_str(), link.c_str()) == 0) continue;
    // A file system without hard links, or too many of them.
    const std::string relative = fs::relative(blob, fs::path(link).parent_path(), ignored).string();
    if (::symlink(relative.c_str(), link.c_str()) != 0) return io_error(link, "cannot link");
  }
  if (!manifest.settings.is_empty()) {
    TRY_STATUS(write_file(fresh + "/" + kSettingsFile,
                          to_string(settings_json(manifest.settings), 2) + "\n"));
  }
  TRY_STATUS(sync_folder(fresh));
  if (::rename(fresh.c_str(), view.c_str()) != 0) {
    if (errno != EEXIST && errno != ENOTEMPTY) return io_error(view, "cannot rename to");
    // There already: the same content, unless somebody damaged it. The new one is known good.
    const std::string old = fresh + "-old";
    fs::remove_all(old, ignored);
    if (::rename(view.c_str(), old.c_str()) != 0 || ::rename(fresh.c_str(), view.c_str()) != 0) {
      return io_error(view, "cannot replace");
    }
    fs::remove_all(old, ignored);
  }
  return sync_folder(root_ + "/views");
}

Status Store::add(Manifest manifest) const {
  TRY_STATUS(check_store_name(manifest.name));
  TRY_STATUS(make_folders());
  TRY(const FileLock lock, FileLock::wait(root_ + "/.lock", FileLock::Mode::exclusive));
  TRY_STATUS(make_view(manifest));
  return write_file(manifest_path(manifest.name), manifest_text(manifest));
}

Status Store::copy(std::string_view from, const std::string& to) const {
  TRY(std::optional<Manifest> found, find(from));
  if (!found)
    return fail(ErrorKind::not_found, "no model '{}' is installed; see 'jiang list'", from);
  found->name = without_latest(to);
  return add(*std::move(found));
}

Result<uint64_t> Store::remove(std::string_view name) const {
  TRY(const std::optional<Manifest> found, find(name));
  if (!found) {
    return fail(ErrorKind::not_found, "no model '{}' is installed; see 'jiang list'", name);
  }
  TRY(const FileLock lock, FileLock::wait(root_ + "/.lock", FileLock::Mode::exclusive));
  // The name goes first, at once: from here on what is left is only space.
  const std::string path = manifest_path(found->name);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return io_error(path, "cannot remove");
  TRY_STATUS(sync_folder(root_ + "/manifests"));
  std::vector<ManifestFile> files = found->files;
  if (found->originals_kept) {
    files.insert(files.end(), found->quantised_from.begin(), found->quantised_from.end());
  }
  TRY(const GcReport report, drop_locked(files));
  return report.bytes;
}

struct Store::Used {
  std::set<std::string> views, blobs;
};

Result<Store::Used> Store::used() const {
  std::vector<std::string> damaged;
  Used used;
  for (const Manifest& manifest : list(&damaged)) {
    used.views.insert(manifest.view_id());
    for (const ManifestFile& file : manifest.files) used.blobs.insert("sha256-" + file.sha256);
    if (!manifest.originals_kept) continue;
    for (const ManifestFile& file : manifest.quantised_from) {
      used.blobs.insert("sha256-" + file.sha256);
    }
  }
  if (!damaged.empty()) {
    return fail(ErrorKind::bad_file,
                "{}; while a manifest cannot be read nothing is taken away: remove that file or "
                "pull its model again",
                damaged.front());
  }
  return used;
}

namespace {

void take_away(const std::string& path, GcReport& report) {
  const uint64_t bytes = disk_bytes(path);
  if (::unlink(path.c_str()) != 0) return;
  ++report.n_files;
  report.bytes += bytes;
}

void remove_unused_views(const std::string& folder, const std::set<std::string>& used) {
  std::error_code ignored;
  for (const std::string& view : entries(folder)) {
    if (used.count(view) == 0) fs::remove_all(folder + "/" + view, ignored);
  }
}

}  // namespace

Result<GcReport> Store::drop(const std::vector<ManifestFile>& files) const {
  TRY(const FileLock lock, FileLock::wait(root_ + "/.lock", FileLock::Mode::exclusive));
  return drop_locked(files);
}

Result<GcReport> Store::drop_locked(const std::vector<ManifestFile>& files) const {
  GcReport report;
  TRY(const Used in_use, used());
  remove_unused_views(root_ + "/views", in_use.views);
  TRY(const auto alone, FileLock::attempt(root_ + "/.pulling", FileLock::Mode::exclusive));
  report.pull_is_running = !alone;
  if (!alone) return report;
  for (const ManifestFile& file : files) {
    if (in_use.blobs.count("sha256-" + file.sha256) > 0) continue;
    take_away(blob_path(blobs(), file.sha256), report);
  }
  return report;
}

Result<GcReport> Store::collect(Partial partial) const {
  GcReport report;
  if (!is_directory(root_ + "/blobs")) return report;
  TRY(const FileLock lock, FileLock::wait(root_ + "/.lock", FileLock::Mode::exclusive));
  TRY(const Used in_use, used());
  remove_unused_views(root_ + "/views", in_use.views);
  TRY(const auto alone, FileLock::attempt(root_ + "/.pulling", FileLock::Mode::exclusive));
  report.pull_is_running = !alone;
  if (!alone) return report;
  for (const std::string& blob : entries(blobs())) {
    const bool is_partial = blob.ends_with(".part") || blob.ends_with(".part.journal");
    if (in_use.blobs.count(blob) > 0 || (is_partial && partial == Partial::keep)) continue;
    take_away(blobs() + "/" + blob, report);
  }
  std::error_code ignored;
  for (const std::string& entry : entries(scratch())) {
    report.bytes += disk_bytes(scratch() + "/" + entry);
    fs::remove_all(scratch() + "/" + entry, ignored);
  }
  return report;
}

// ---- looking

Result<VerifyReport> Store::verify(
    const Manifest& manifest,
    const std::function<bool(uint64_t done, uint64_t total)>& on_progress) const {
  VerifyReport report;
  std::vector<ManifestFile> files = manifest.files;
  if (manifest.originals_kept) {
    files.insert(files.end(), manifest.quantised_from.begin(), manifest.quantised_from.end());
  }
  uint64_t total = 0;
  for (const ManifestFile& file : files) total += file.bytes;
  for (const ManifestFile& file : files) {
    const std::string blob = blob_path(blobs(), file.sha256);
    if (file.verified == "size") report.unverified.push_back(file.name);
    const auto problem = [&](std::string what) {
      report.problems.push_back({file.name, file.sha256, std::move(what)});
    };
    const auto bytes = regular_size(blob);
    if (!bytes) {
      problem("is missing");
    } else if (*bytes != file.bytes) {
      problem(fmt::format("has {} bytes instead of {}", *bytes, file.bytes));
    } else {
      TRY(const std::string sha256, sha256_of_file(blob));
      if (sha256 != file.sha256) problem(fmt::format("has the SHA-256 {}", sha256));
    }
    report.bytes += file.bytes;
    if (on_progress && !on_progress(report.bytes, total)) {
      return Error{ErrorKind::cancelled, "stopped"};
    }
  }
  // The view must be of those very blobs.
  for (const ManifestFile& file : manifest.files) {
    struct stat blob = {}, view = {};
    const std::string path = root_ + "/views/" + manifest.view_id() + "/" + file.name;
    const std::string blob_file = blob_path(blobs(), file.sha256);
    if (::stat(blob_file.c_str(), &blob) != 0) continue;  // told above
    if (::stat(path.c_str(), &view) != 0) {
      report.problems.push_back({file.name, file.sha256, "is missing from the model's folder"});
    } else if (view.st_ino != blob.st_ino || view.st_dev != blob.st_dev) {
      report.problems.push_back({file.name, file.sha256, "was replaced in the model's folder"});
    }
  }
  return report;
}

DiskUse Store::disk_use() const {
  DiskUse use;
  std::set<std::string> models, originals;
  for (const Manifest& manifest : list()) {
    uint64_t bytes = 0;
    for (const ManifestFile& file : manifest.files) {
      models.insert("sha256-" + file.sha256);
      bytes += file.bytes;
    }
    if (manifest.originals_kept) {
      for (const ManifestFile& file : manifest.quantised_from) {
        originals.insert("sha256-" + file.sha256);
        bytes += file.bytes;
      }
    }
    use.by_model.emplace_back(manifest.name, bytes);
  }
  for (const std::string& blob : entries(blobs())) {
    const uint64_t bytes = disk_bytes(blobs() + "/" + blob);
    if (models.count(blob) > 0) {
      use.models += bytes;
    } else if (originals.count(blob) > 0) {
      use.models += bytes;
      use.originals += bytes;
    } else if (blob.ends_with(".part") || blob.ends_with(".part.journal")) {
      use.partial += bytes;
    } else {
      use.unused += bytes;
    }
  }
  use.free = free_bytes(root_);
  return use;
}

Result<ModelSettings> settings_beside(const std::string& model_path) {
  const fs::path path(model_path);
  const std::string folder = is_directory(model_path) ? model_path : path.parent_path().string();
  const std::string file = folder + "/" + kSettingsFile;
  const auto text = read_file(file, kMaxManifest);
  if (!text) {
    if (text.error().kind == ErrorKind::not_found) return ModelSettings();
    return text.error();
  }
  TRY(const Json json, parse_json(*text, file));
  return parse_settings(json, file);
}

uint64_t free_bytes(const std::string& folder) {
  // The nearest folder that exists: the store may not be there yet.
  fs::path path(folder);
  struct statvfs space = {};
  while (::statvfs(path.c_str(), &space) != 0) {
    if (!path.has_relative_path() || path == path.parent_path()) return 0;
    path = path.parent_path();
  }
  return uint64_t{space.f_bavail} * space.f_frsize;
}

}  // namespace jiang
