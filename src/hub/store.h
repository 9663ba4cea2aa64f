// Store: the installed models, JIANG_HOME/models.
//
//   manifests/NAME.json     one per model ('/' is written %2F)
//   blobs/sha256-HEX        each content once; HEX.part and HEX.part.journal while it is fetched
//   views/ID/               links to blobs under the names that a model's files have
//
// Several processes may use it at once: changes hold models/.lock, a pull holds models/.pulling
// shared, and blobs are only taken away while nobody pulls. A model that is mapped stays readable
// after its removal: the kernel keeps what is mapped.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/manifest.h"

namespace jiang {

// A lock on a file, let go by the destructor or the end of the process.
class FileLock {
 public:
  enum class Mode { shared, exclusive };
  static Result<FileLock> wait(const std::string& path, Mode mode);
  // Nothing when somebody else holds it.
  static Result<std::optional<FileLock>> attempt(const std::string& path, Mode mode);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

struct VerifyProblem {
  std::string file;
  std::string sha256;
  std::string what;  // "is missing", "has the SHA-256 ..."
};
struct VerifyReport {
  uint64_t bytes = 0;
  std::vector<VerifyProblem> problems;
  std::vector<std::string> unverified;  // files whose origin told no hash when they came
};

struct GcReport {
  uint64_t n_files = 0, bytes = 0;
  bool pull_is_running = false;  // then blobs were left alone
};

struct DiskUse {
  uint64_t models = 0;     // blobs that manifests name, each once
  uint64_t originals = 0;  // of those, kept originals alone
  uint64_t unused = 0;     // blobs that nobody names
  uint64_t partial = 0;    // .part files
  uint64_t free = 0;
  std::vector<std::pair<std::string, uint64_t>> by_model;
};

class Store {
 public:
  // Nothing is made before something is written.
  explicit Store(std::string home);

  std::string blobs() const { return root_ + "/blobs"; }
  // For work that must lie on the same disk, removed by gc.
  std::string scratch() const { return root_ + "/scratch"; }
  const std::string& root() const { return root_; }

  // Sorted by name. Damaged manifests are left out; `damaged` gets their errors.
  std::vector<Manifest> list(std::vector<std::string>* damaged = nullptr) const;
  // "name" and "name:latest" are the same model.
  Result<std::optional<Manifest>> find(std::string_view name) const;
  // A .gguf file or a folder.
  std::string model_path(const Manifest& manifest) const;

  // Held while blobs are fetched that no manifest names yet.
  Result<FileLock> begin_pull() const;
  Status make_folders() const;
  // Puts a file that was made here among the blobs; the file is moved.
  Result<ManifestFile> take_file(const std::string& path, const std::string& name) const;
  // Makes the view, then the name; a model of that name is replaced.
  Status add(Manifest manifest) const;
  // Bytes that became free.
  Result<uint64_t> remove(std::string_view name) const;
  Status copy(std::string_view from, const std::string& to) const;

  // `on_progress` is told the bytes read; false stops.
  Result<VerifyReport> verify(
      const Manifest& manifest,
      const std::function<bool(uint64_t done, uint64_t total)>& on_progress) const;
  // Blobs that no manifest names, views, scratch; what interrupted pulls left only when asked.
  enum class Partial { keep, remove };
  Result<GcReport> collect(Partial partial) const;
  // Of these blobs, those that no manifest names (any more).
  Result<GcReport> drop(const std::vector<ManifestFile>& files) const;
  DiskUse disk_use() const;

 private:
  std::string manifest_path(std::string_view name) const;
  Status make_view(const Manifest& manifest) const;
  struct Used;
  Result<Used> used() const;
  Result<GcReport> drop_locked(const std::vector<ManifestFile>& files) const;

  std::string root_;  // HOME/models
};

// The settings that belong to a model at this path, when it is one of a store.
Result<ModelSettings> settings_beside(const std::string& model_path);

uint64_t free_bytes(const std::string& folder);

}  // namespace jiang
