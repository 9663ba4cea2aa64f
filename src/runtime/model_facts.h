// What a model's file says of it, without loading it. Opening a file takes milliseconds: the last
// answers are kept, by path, size and time of the file. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace jiang {

struct ModelFacts {
  uint64_t parameters = 0;
  std::string type;          // of most of its weights: "q4_k"
  std::string architecture;  // "qwen2"
  int32_t context = 0;       // trained for
};

// nullopt: nothing at `path` can be opened as a model.
std::optional<ModelFacts> model_facts(const std::string& path);

}  // namespace jiang
