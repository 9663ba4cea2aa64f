// What a person writes after `jiang pull`: a short name of the catalogue, a repository of a hub, or
// a URL.
//
//   qwen2:1.5b    Qwen/Qwen2-1.5B-Instruct    ms:org/model    hf:org/model@revision:q4_k_m
//   org/model:model-q8_0.gguf    https://host/path/model.gguf
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

enum class Hub { any, modelscope, huggingface, url };
std::string_view hub_name(Hub hub);    // "ModelScope", for people
std::string_view hub_prefix(Hub hub);  // "ms", "hf", "url", ""

struct ModelName {
  Hub hub = Hub::any;
  std::string repo;              // "org/model"; "" for a URL and for a short name
  std::string huggingface_repo;  // where it has another name there; "": the same
  std::string short_name;        // "qwen2:1.5b" when there is no '/'
  std::string revision;          // "": the hub's default branch
  std::string choice;  // "": the default; a file of the repository, or a type such as "q4_k_m"
  std::string url;

  const std::string& repo_at(Hub at) const {
    return at == Hub::huggingface && !huggingface_repo.empty() ? huggingface_repo : repo;
  }
  // What the store calls it: "org/model:q4_k_m", "qwen2:1.5b", "model" of .../model.gguf.
  std::string store_name() const;
};

Result<ModelName> parse_model_name(std::string_view text);

// A name that the store can keep: letters, digits and . _ - + : @ /, no empty part, at most 200.
Status check_store_name(std::string_view name);

}  // namespace jiang
