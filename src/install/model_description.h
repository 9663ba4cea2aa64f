// What a model's file or folder says of itself, without loading it.
#pragma once

#include <cstdint>
#include <string>

#include "base/json_value.h"  // Json by value
#include "base/result.h"

namespace jiang {

struct ModelDescription {
  uint64_t parameters = 0;
  // In GGUF's words: "general.architecture", "qwen2.context_length" ...; {} for a folder.
  Json info;
  std::string chat_template;  // "": none in the file
  bool is_encoder = false;
};

Result<ModelDescription> describe_model(const std::string& path);

}  // namespace jiang
