// Which files of a repository jiang needs: one GGUF model, or a Hugging Face folder's config,
// tokenizer and safetensors. Everything else stays at the hub.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hub/repository.h"

namespace jiang {

struct FileSelection {
  std::vector<const RepoFile*> files;  // small ones first
  bool is_gguf = false;
  // What to quantise a folder to, when the choice named it; else "".
  std::string type;
  uint64_t bytes() const;
};

// `choice`: "", a file of the repository, or a type ("q4_k_m"); `known_types` tells a type from a
// slip of the pen.
Result<FileSelection> select_files(const Repository& repository, std::string_view choice,
                                   const std::vector<std::string>& known_types);

bool is_weights_file(std::string_view name);  // .safetensors or .gguf

}  // namespace jiang
