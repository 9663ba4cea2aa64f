// Manifest: what an installed model is made of, where it came from, and what was put around it
// (`jiang create`). One JSON file per model, with a checksum over itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace jiang {

struct ManifestFile {
  std::string name;    // "model.gguf", "config.json"
  std::string sha256;  // of its blob
  uint64_t bytes = 0;
  std::string verified;  // "sha256" | "git" | "size" | "made" (here, by quantising or importing)
  bool operator==(const ManifestFile&) const = default;
};

// What a Modelfile says beyond the weights.
struct ModelSettings {
  std::string system = {};
  std::string chat_template = {};  // Jinja; "": the model's own
  // "temperature" -> "0.7"; `stop` may come several times. Names are Ollama's.
  std::vector<std::pair<std::string, std::string>> parameters = {};
  std::vector<std::pair<std::string, std::string>> messages = {};  // role, text
  std::string licence = {};
  bool operator==(const ModelSettings&) const = default;
  bool is_empty() const { return *this == ModelSettings(); }
};

struct Manifest {
  std::string name;
  std::string hub = {};       // "ms" | "hf" | "url" | "file" | "model" (made from another one)
  std::string repo = {};      // "org/model", a URL, a path, a name
  std::string revision = {};  // a commit where the hub has one
  std::string wanted = {};    // what the person asked for: "ms:org/model"
  std::string licence = {};   // as the hub names it
  std::string type = {};      // "q4_k_m"; "" when unknown
  int64_t created = 0;        // seconds since 1970
  std::vector<ManifestFile> files = {};
  // The files that `files` was quantised from; still there when the originals were kept.
  std::vector<ManifestFile> quantised_from = {};
  bool originals_kept = false;
  ModelSettings settings = {};

  // 64 hex digits over all that makes the model what it is; not its name and date.
  std::string id() const;
  // The folder of links that belongs to `files` and `settings`.
  std::string view_id() const { return id().substr(0, 24); }
  // "model.gguf", or "" for a Hugging Face folder.
  std::string gguf_name() const;
  uint64_t bytes() const;
};

std::string manifest_text(const Manifest& manifest);
Result<Manifest> parse_manifest(std::string_view text, std::string_view where);

Json settings_json(const ModelSettings& settings);
Result<ModelSettings> parse_settings(const Json& json, std::string_view where);

}  // namespace jiang
