#include "weights/gguf_source.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "base/file.h"
#include "base/json_value.h"
#include "weights/gguf_config.h"
#include "weights/gguf_file.h"
#include "weights/gguf_names.h"
#include "weights/guarded_file.h"
#include "weights/json_reader.h"

namespace jiang {
namespace {

constexpr int64_t kMaxParts = 1000;

struct Part {
  GuardedFile file;
  GgufFile gguf;
};

// "dir/NAME-00002-of-00005.gguf" taken apart.
struct SplitName {
  std::string prefix;  // "dir/NAME"
  int64_t number = 0;  // 1-based
  int64_t count = 0;

  std::string path_of(int64_t number_of_part) const {
    return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, number_of_part, count);
  }
};

std::optional<SplitName> parse_split_name(const std::string& path) {
  constexpr std::string_view kShape = "-00000-of-00000.gguf";
  if (path.size() <= kShape.size()) return std::nullopt;
  const std::string_view tail = std::string_view(path).substr(path.size() - kShape.size());
  int64_t numbers[2] = {0, 0};
  int which = 0;
  for (size_t i = 0; i < kShape.size(); ++i) {
    if (i == 6) which = 1;
    if (kShape[i] != '0') {
      if (tail[i] != kShape[i]) return std::nullopt;
      continue;
    }
    if (tail[i] < '0' || tail[i] > '9') return std::nullopt;
    numbers[which] = numbers[which] * 10 + (tail[i] - '0');
  }
  return SplitName{path.substr(0, path.size() - kShape.size()), numbers[0], numbers[1]};
}

Result<Part> open_part(const std::string& path) {
  Part part;
  TRY(part.file, GuardedFile::open(path));
  TRY(part.gguf, parse_gguf(part.file.bytes(), path));
  return part;
}

// What a part says of itself must be what its name says.
Status check_part(const Part& part, const SplitName& name, int64_t number, int64_t n_tensors) {
  const Metadata& metadata = part.gguf.metadata;
  const auto no = metadata.get_int("split.no");
  const auto count = metadata.get_int("split.count");
  const auto tensors = metadata.get_int("split.tensors.count");
  if (!no || !count || !tensors) {
    return fail(ErrorKind::bad_file,
                "{}: named like a part of a split model, but it has no split.no, split.count and "
                "split.tensors.count",
                part.file.path());
  }
  if (*no != number - 1 || *count != name.count || *tensors != n_tensors) {
    return fail(ErrorKind::bad_file,
                "{}: says it is part {} of {} with {} tensors in all, expected part {} of {} with "
                "{}; parts are mixed up or of different models",
                part.file.path(), *no + 1, *count, *tensors, number, name.count, n_tensors);
  }
  return ok();
}

Result<std::vector<Part>> open_parts(const SplitName& name) {
  if (name.count < 1 || name.count > kMaxParts || name.number < 1 || name.number > name.count) {
    return fail(ErrorKind::bad_file, "{}: part {} of {}; at most {} parts are read",
                name.path_of(name.number), name.number, name.count, kMaxParts);
  }
  std::string missing;
  for (int64_t i = 1; i <= name.count; ++i) {
    if (is_regular_file(name.path_of(i))) continue;
    missing += missing.empty() ? "" : ", ";
    missing += std::filesystem::path(name.path_of(i)).filename().string();
    if (missing.size() > 2000) {
      missing += ", ...";
      break;
    }
  }
  if (!missing.empty()) {
    return fail(ErrorKind::not_found, "{}: parts of this split model are missing: {}",
                name.path_of(name.number), missing);
  }

  std::vector<Part> parts;
  TRY(Part first, open_part(name.path_of(1)));
  parts.push_back(std::move(first));
  TRY(const int64_t n_tensors, parts[0].gguf.metadata.get_int_or("split.tensors.count", -1));
  TRY_STATUS(check_part(parts[0], name, 1, n_tensors));
  for (int64_t i = 2; i <= name.count; ++i) {
    TRY(Part part, open_part(name.path_of(i)));
    TRY_STATUS(check_part(part, name, i, n_tensors));
    // Later parts carry little metadata, but what they carry must not be another model's.
    for (const char* key : {"general.architecture", "general.name"}) {
      const MetaValue* here = part.gguf.metadata.find(key);
      const MetaValue* there = parts[0].gguf.metadata.find(key);
      if (here && (!there || *here != *there)) {
        return fail(ErrorKind::bad_file,
                    "{}: its {} is not that of {}; these are parts of different models",
                    part.file.path(), key, name.path_of(1));
      }
    }
    parts.push_back(std::move(part));
  }
  int64_t found = 0;
  for (const Part& part : parts) found += static_cast<int64_t>(part.gguf.tensors.size());
  if (found != n_tensors) {
    return fail(ErrorKind::bad_file,
                "{}: its {} parts hold {} tensors, split.tensors.count promises {}",
                name.path_of(1), name.count, found, n_tensors);
  }
  return parts;
}

// The files that belong to `path`: itself, or all parts of the split model.
Result<std::vector<Part>> open_all(const std::string& path) {
  if (const auto name = parse_split_name(path)) return open_parts(*name);
  std::vector<Part> parts;
  TRY(Part part, open_part(path));
  TRY(const int64_t count, part.gguf.metadata.get_int_or("split.count", 0));
  if (count > 1) {
    return fail(
        ErrorKind::bad_file,
        "{}: one of {} parts of a split model; give it back its name NAME-00001-of-{:05}.gguf",
        path, count, count);
  }
  parts.push_back(std::move(part));
  return parts;
}

class GgufSource final : public TensorSource {
 public:
  static Result<std::shared_ptr<const TensorSource>> open(const std::string& path) {
    auto source = std::make_shared<GgufSource>();
    source->path_ = path;
    TRY(source->parts_, open_all(path));
    TRY_STATUS(source->translate());
    if (!source->still_whole())
      return fail(ErrorKind::io, "{}: became shorter while it was read", path);
    return std::shared_ptr<const TensorSource>(std::move(source));
  }

  const std::string& path() const override { return path_; }
  const Json& config() const override { return config_; }
  const Json& generation_config() const override { return generation_config_; }
  const Metadata* metadata() const override { return &parts_[0].gguf.metadata; }
  const SourceConventions& conventions() const override { return conventions_; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const TensorInfo* find(std::string_view hf_name) const override {
    const auto found = by_name_.find(hf_name);
    return found == by_name_.end() ? nullptr : &tensors_[found->second];
  }
  std::string identity() const override {
    std::string all;
    for (const Part& part : parts_) all += part.file.identity() + ";";
    return all;
  }
  bool still_whole() const override {
    return std::all_of(parts_.begin(), parts_.end(),
                       [](const Part& part) { return part.file.still_whole(); });
  }
  void forget(std::span<const std::byte> bytes) const override {
    for (const Part& part : parts_) part.file.forget(bytes);
  }

 private:
  Status translate() {
    std::vector<GgufTensorEntry> entries;
    for (Part& part : parts_) {
      std::move(part.gguf.tensors.begin(), part.gguf.tensors.end(), std::back_inserter(entries));
      part.gguf.tensors.clear();
    }
    const Metadata& metadata = parts_[0].gguf.metadata;
    TRY_STATUS(check_is_model(metadata));
    TRY(config_, with_path(config_from_gguf(metadata, entries, path_)));
    TRY(generation_config_, with_path(generation_config_from_gguf(metadata)));

    TRY(const std::string name, metadata.get_string("general.architecture"));
    const GgufArchitecture* architecture = find_gguf_architecture(name);
    if (architecture) conventions_ = architecture->conventions;
    tensors_.reserve(entries.size());
    for (GgufTensorEntry& entry : entries) {
      std::string hf_name = hf_tensor_name(architecture, entry.name);
      if (!by_name_.emplace(hf_name, tensors_.size()).second) {
        return fail(ErrorKind::bad_file, "{}: two tensors are {}", path_, hf_name);
      }
      tensors_.push_back({.name = std::move(hf_name),
                          .source_name = std::move(entry.name),
                          .format = entry.format,
                          .shape = entry.shape,
                          .bytes = entry.bytes});
    }
    return ok();
  }

  // GGUF also carries LoRA adapters, importance matrices and the eyes of other models.
  Status check_is_model(const Metadata& metadata) const {
    const auto type = metadata.get_string_or("general.type", "model");
    if (type && (*type == "model" || *type == "vocab")) return ok();
    return fail(ErrorKind::unsupported, "{}: not a model, its general.type is \"{}\"", path_,
                type ? printable(*type) : "no string");
  }

  // Metadata does not know which file it came from.
  Result<Json> with_path(Result<Json> result) const {
    if (result || result.error().message.starts_with(path_)) return result;
    return fail(result.error().kind, "{}: {}", path_, result.error().message);
  }

  std::string path_;
  std::vector<Part> parts_;
  Json config_;
  Json generation_config_;
  SourceConventions conventions_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace

Result<std::shared_ptr<const TensorSource>> open_gguf(const std::string& path) {
  return GgufSource::open(path);
}

}  // namespace jiang
