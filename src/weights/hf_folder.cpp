#include "weights/hf_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "base/file.h"
#include "base/json_value.h"
#include "weights/gguf_names.h"
#include "weights/guarded_file.h"
#include "weights/safetensors.h"

namespace jiang {
namespace {

constexpr size_t kMaxIndexBytes = 200'000'000;
constexpr JsonLimits kConfigLimits{.max_bytes = 16 << 20, .max_depth = 32};

// What checkpoints hold and a forward pass does not: buffers that are computed, heads of training.
struct LeftOut {
  const char* model_type;  // "": any
  const char* prefix;
  const char* suffix;
};
constexpr LeftOut kLeftOut[] = {
    {"", "", ".rotary_emb.inv_freq"},
    {"chatglm", "", ".rotary_pos_emb.inv_freq"},
    {"gpt2", "transformer.h.", ".attn.bias"},  // the causal mask
    {"gpt2", "transformer.h.", ".attn.masked_bias"},
    {"bert", "", ".embeddings.position_ids"},
    {"bert", "bert.pooler.", ""},
    {"bert", "cls.", ""},
};

bool is_left_out(std::string_view model_type, std::string_view name) {
  return std::any_of(std::begin(kLeftOut), std::end(kLeftOut), [&](const LeftOut& row) {
    return (!*row.model_type || row.model_type == model_type) && name.starts_with(row.prefix) &&
           name.ends_with(row.suffix);
  });
}

std::string file_in(const std::string& folder, std::string_view name) {
  return (std::filesystem::path(folder) / name).string();
}

// Why a folder without safetensors has none, as far as its files tell.
Error no_weights(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".gguf")) {
      return fail(ErrorKind::invalid_argument,
                  "{}: a folder with GGUF files; name the file, for example {}", folder,
                  entry.path().string());
    }
    if (name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth")) {
      return fail(ErrorKind::unsupported,
                  "{}: its weights ({}) are Python pickles, which can run code and are never read; "
                  "get or convert to safetensors",
                  folder, name);
    }
  }
  return fail(ErrorKind::not_found,
              "{}: neither model.safetensors nor model.safetensors.index.json is there", folder);
}

class HfFolder final : public TensorSource {
 public:
  static Result<std::shared_ptr<const TensorSource>> open(const std::string& path) {
    auto source = std::make_shared<HfFolder>();
    source->path_ = path;
    TRY_STATUS(source->read_configs());
    TRY_STATUS(source->read_weights());
    if (!source->still_whole())
      return fail(ErrorKind::io, "{}: became shorter while it was read", path);
    return std::shared_ptr<const TensorSource>(std::move(source));
  }

  const std::string& path() const override { return path_; }
  const Json& config() const override { return config_; }
  const Json& generation_config() const override { return generation_config_; }
  const Metadata* metadata() const override { return nullptr; }
  const SourceConventions& conventions() const override { return conventions_; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  std::span<const UnusableTensor> unusable() const override { return unusable_; }
  const TensorInfo* find(std::string_view hf_name) const override {
    const auto found = by_name_.find(hf_name);
    return found == by_name_.end() ? nullptr : &tensors_[found->second];
  }
  bool still_whole() const override {
    return std::all_of(files_.begin(), files_.end(),
                       [](const GuardedFile& file) { return file.still_whole(); });
  }
  std::string identity() const override {
    std::string all;
    for (const GuardedFile& file : files_) all += file.identity() + ";";
    return all;
  }
  void forget(std::span<const std::byte> bytes) const override {
    for (const GuardedFile& file : files_) file.forget(bytes);
  }

 private:
  // ---- configs

  Status read_configs() {
    const std::string config_path = file_in(path_, "config.json");
    if (!std::filesystem::exists(config_path)) {
      const Error why = no_weights(path_);
      if (why.kind != ErrorKind::not_found) return why;
      return fail(ErrorKind::not_found,
                  "{}: no config.json there; MODEL is a GGUF file or a Hugging Face folder", path_);
    }
    TRY(config_, parse_json_file(config_path, kConfigLimits));
    if (!config_.is_object())
      return fail(ErrorKind::bad_file, "{}: not a JSON object", config_path);
    hoist_text_config();
    hoist_rope_parameters();
    const std::string pooling_path = file_in(path_, "1_Pooling/config.json");
    if (std::filesystem::exists(pooling_path)) {
      TRY(const Json pooling, parse_json_file(pooling_path, kConfigLimits));
      for (const auto& [key, kind] : {std::pair{"pooling_mode_cls_token", "cls"},
                                      {"pooling_mode_mean_tokens", "mean"},
                                      {"pooling_mode_lasttoken", "last"}}) {
        TRY(const bool is_set, get_bool_or(pooling, key, false, pooling_path));
        if (is_set) config_["pooling_type"] = kind;
      }
    }
    generation_config_ = Json::object();
    const std::string generation_path = file_in(path_, "generation_config.json");
    if (std::filesystem::exists(generation_path)) {
      TRY(generation_config_, parse_json_file(generation_path, kConfigLimits));
      if (!generation_config_.is_object())
        return fail(ErrorKind::bad_file, "{}: not a JSON object", generation_path);
    }
    const Json* type = find_member(config_, "model_type");
    if (type && type->is_string()) model_type_ = type->get<std::string>();
    architecture_ = gguf_architecture_of(config_);
    conventions_.conv1d_transposed = model_type_ == "gpt2";
    return ok();
  }

  // Gemma 3 with eyes: {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {...}}.
  void hoist_text_config() {
    const Json* inner = find_member(config_, "text_config");
    if (!inner || !inner->is_object()) return;
    is_multimodal_ = true;
    Json text = *inner;
    if (!find_member(text, "architectures")) {
      const GgufArchitecture* row = gguf_architecture_of(text);
      text["architectures"] = Json::array();
      if (row) text["architectures"].push_back(row->hf_class);
    }
    for (const char* key :
         {"tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"}) {
      if (!find_member(text, key) && find_member(config_, key)) text[key] = config_[key];
    }
    config_ = std::move(text);
  }

  // transformers 5: {"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, ...}}, for Gemma
  // 3 one such object for each type of layer.
  void hoist_rope_parameters() {
    const Json* found = find_member(config_, "rope_parameters");
    if (!found || !found->is_object()) return;
    Json rope = *found;
    if (const Json* full = find_member(rope, "full_attention"); full && full->is_object()) {
      if (const Json* sliding = find_member(rope, "sliding_attention");
          sliding && find_member(*sliding, "rope_theta")) {
        config_["rope_local_base_freq"] = (*sliding)["rope_theta"];
      }
      const Json inner = *full;
      rope = inner;
    }
    if (find_member(rope, "rope_theta")) config_["rope_theta"] = rope["rope_theta"];
    if (find_member(rope, "partial_rotary_factor"))
      config_["partial_rotary_factor"] = rope["partial_rotary_factor"];
    const Json* type = find_member(rope, "rope_type");
    if (type && *type != "default") {
      rope.erase("rope_theta");
      config_["rope_scaling"] = std::move(rope);
    }
  }

  // ---- weights

  Status read_weights() {
    const std::string single = file_in(path_, "model.safetensors");
    const std::string index_path = file_in(path_, "model.safetensors.index.json");
    if (std::filesystem::exists(single)) return read_file_of(single, nullptr, 0);
    if (!std::filesystem::exists(index_path)) return no_weights(path_);

    TRY(const std::string json, read_file(index_path, kMaxIndexBytes));
    TRY(const ShardIndex index, parse_shard_index(json, index_path));
    std::string missing;
    for (const std::string& file : index.files) {
      if (!is_regular_file(file_in(path_, file)) && missing.size() < 2000)
        missing += (missing.empty() ? "" : ", ") + file;
    }
    if (!missing.empty()) {
      return fail(ErrorKind::not_found, "{}: shards are missing: {}; download them again", path_,
                  missing);
    }
    std::map<std::string, size_t, std::less<>> expected(index.tensors.begin(), index.tensors.end());
    for (size_t i = 0; i < index.files.size(); ++i)
      TRY_STATUS(read_file_of(file_in(path_, index.files[i]), &expected, i));
    std::string absent;
    for (const auto& [name, shard] : expected) {
      if (absent.size() < 2000)
        absent += fmt::format("{}{} in {}", absent.empty() ? "" : ", ", name, index.files[shard]);
    }
    if (absent.empty()) return ok();
    return fail(ErrorKind::bad_file, "{}: the index promises tensors that are not there: {}", path_,
                absent);
  }

  // Takes what it finds out of `expected` (tensor -> shard), if there is an index.
  Status read_file_of(const std::string& path, std::map<std::string, size_t, std::less<>>* expected,
                      size_t shard) {
    TRY(GuardedFile file, GuardedFile::open(path));
    TRY(auto entries, parse_safetensors(file.bytes(), path));
    files_.push_back(std::move(file));
    for (SafetensorsEntry& entry : entries) {
      if (expected) {
        const auto promised = expected->find(entry.name);
        if (promised == expected->end() || promised->second != shard) {
          return fail(ErrorKind::bad_file,
                      "{}: tensor {} is not in this shard by the index; shards of different models "
                      "are mixed up",
                      path, entry.name);
        }
        expected->erase(promised);
      }
      TRY_STATUS(add(entry, path));
    }
    return ok();
  }

  Status add(SafetensorsEntry& entry, const std::string& file) {
    const std::string name = canonical_name(entry.name);
    if (name.empty() || is_left_out(model_type_, name)) return ok();
    if (!entry.format || entry.shape.size() > Shape::kMaxRank || entry.bytes.empty()) {
      unusable_.push_back({name, fmt::format("its dtype is {}, it has {} dimensions and {} bytes",
                                             entry.dtype, entry.shape.size(), entry.bytes.size())});
      return ok();
    }
    TRY(const Shape shape,
        Shape::make(entry.shape, fmt::format("{}: tensor {}", file, entry.name)));
    if (!by_name_.emplace(name, tensors_.size()).second) {
      return fail(ErrorKind::bad_file, "{}: two tensors are {}", path_, name);
    }
    tensors_.push_back({.name = name,
                        .source_name = std::move(entry.name),
                        .format = *entry.format,
                        .shape = shape,
                        .bytes = entry.bytes});
    return ok();
  }

  // "" for what is not of the language model.
  std::string canonical_name(std::string_view name) const {
    if (is_multimodal_) {
      for (const auto& [from, to] :
           {std::pair<std::string_view, std::string_view>{"model.language_model.", "model."},
            {"language_model.model.", "model."},
            {"language_model.lm_head.", "lm_head."},
            {"lm_head.", "lm_head."}}) {
        if (name.starts_with(from)) return std::string(to).append(name.substr(from.size()));
      }
      return "";
    }
    const std::string_view prefix = architecture_ ? architecture_->hf_prefix : "";
    const bool is_head = name.starts_with("lm_head.") || name.starts_with("cls.");
    if (prefix.empty() || is_head || name.starts_with(prefix)) return std::string(name);
    return std::string(prefix).append(name);
  }

  std::string path_;
  std::string model_type_;
  bool is_multimodal_ = false;
  const GgufArchitecture* architecture_ = nullptr;
  std::vector<GuardedFile> files_;
  Json config_;
  Json generation_config_;
  SourceConventions conventions_;
  std::vector<TensorInfo> tensors_;
  std::vector<UnusableTensor> unusable_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace

Result<std::shared_ptr<const TensorSource>> open_hf_folder(const std::string& path) {
  return HfFolder::open(path);
}

}  // namespace jiang
