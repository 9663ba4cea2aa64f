// A Hugging Face folder into one GGUF file, also while its weights are still being fetched.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "convert/quantize.h"
#include "install/shard_gate.h"

namespace jiang {

struct QuantiseFolder {
  std::string folder;
  std::string out;
  QuantizeType type;
  int threads = 1;
  std::function<bool(const QuantizeProgress&)> progress = {};
};

// `shards`: the names of the safetensors files, in the gate's order. Without a gate all is there.
Status quantise_folder(const QuantiseFolder& job, const std::vector<std::string>& shards,
                       ShardGate* gate);

// Whether the first `bytes` of a safetensors file hold its whole header.
bool safetensors_header_is_there(const std::string& path, uint64_t bytes);

}  // namespace jiang
