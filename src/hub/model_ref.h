// MODEL on a command line -> a path: a .gguf file, a Hugging Face folder, the name of a model in
// the store (store.h), or a file or folder that somebody put into JIANG_HOME/models.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

// JIANG_HOME, by default ~/.jiang.
std::string jiang_home();

struct InstalledModel {
  std::string name;  // "qwen2.5-0.5b-q4_0"
  std::string path;  // a .gguf file or a folder
  uint64_t bytes = 0;
  int64_t modified = 0;  // seconds since 1970
  std::string id = {};   // of the store: 64 hex digits; "" for a file that lies there by itself
};

// Sorted by name. An absent folder is an empty list. Later parts of split models are left out.
std::vector<InstalledModel> installed_models(const std::string& home = jiang_home());

// The model that came with jiang: the first of models/ in the repository that the program at
// `binary` was built in.
std::optional<std::string> bundled_model(const std::string& binary = "/proc/self/exe");

// The error of a missing model names the closest installed one, or the way out. "ms:org/model" and
// the catalogue's names mean what `jiang pull` would have made of them.
Result<std::string> find_model(std::string_view reference, const std::string& home = jiang_home());

// Whether `jiang pull REFERENCE` could be meant: a catalogue's name, a hub's, a URL of a GGUF.
bool is_pullable(std::string_view reference, const std::string& home = jiang_home());

}  // namespace jiang
