// AdapterFile: a LoRA adapter as it is stored, in either form: PEFT's folder (adapter_config.json,
// adapter_model.safetensors) or a GGUF file of general.type "adapter".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "weights/tensor_source.h"

namespace jiang {

// W becomes W + scale * b a.
struct AdapterMatrix {
  std::string name;  // HF name of the weight: "model.layers.0.self_attn.q_proj.weight"
  int64_t rank = 0;
  int64_t in = 0;
  int64_t out = 0;
  float scale = 1;       // alpha / rank
  std::vector<float> a;  // (rank, in)
  std::vector<float> b;  // (out, rank)
};

struct AdapterFile {
  std::string path;
  // Rows of q and k are in adjacent pairs, as GGUF files of llama have them.
  bool rows_in_pairs = false;
  std::vector<AdapterMatrix> matrices;
};

Result<AdapterFile> read_adapter_file(const std::string& path);

// Puts the rows of q's and k's b into the order that a model of `conventions` has.
void match_row_order(AdapterFile& adapter, const SourceConventions& conventions, int64_t head_dim);

// "PATH" or "PATH:0.5".
struct AdapterReference {
  std::string path;
  float scale = 1;
};
Result<AdapterReference> parse_adapter_reference(std::string_view text);

}  // namespace jiang
