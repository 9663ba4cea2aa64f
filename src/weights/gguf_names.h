// The edge between GGUF and Hugging Face: one row per architecture of GGUF, holding its class in
// HF's config.json, how each tensor is called on both sides, and what the two store differently.
// HF's spelling is canonical in the rest of the program.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/metadata.h"
#include "base/result.h"
#include "weights/tensor_source.h"

namespace jiang {

// "*" stands for the number of a layer. A name without its last word ("attn_q") stands for its
// weight and its bias.
struct TensorNameRow {
  const char* gguf;
  const char* hf;
};

struct GgufArchitecture {
  const char* name;        // general.architecture: "qwen2"
  const char* hf_class;    // "Qwen2ForCausalLM"
  const char* model_type;  // "qwen2"
  std::span<const std::span<const TensorNameRow>> names;
  SourceConventions conventions;  // of its GGUF files
  const char* hf_prefix;  // what some checkpoints leave away: "transformer." of GPT-2, "bert."
};

std::span<const GgufArchitecture> gguf_architectures();
const GgufArchitecture* find_gguf_architecture(std::string_view name);
// The row for a HF config (by its class, else its model_type); nullptr if GGUF has none that we
// know.
const GgufArchitecture* gguf_architecture_of(const Json& hf_config);

// Names that the table does not have: unchanged on the way to HF, "" on the way to GGUF.
std::string hf_tensor_name(const GgufArchitecture* architecture, std::string_view gguf_name);
std::string gguf_tensor_name(std::string_view architecture, std::string_view hf_name);

// ---- the way out: HF folder -> GGUF

// general.architecture and the keys that llama.cpp wants of this architecture, with the widths that
// GgufWriter turns into llama.cpp's types. Name, file type and tokenizer are the caller's.
Result<Metadata> gguf_metadata_from_config(const Json& hf_config, std::string_view where);

// Tensors that GGUF has for what HF keeps in config.json: "rope_freqs.weight" (Llama 3.1),
// "rope_factors_long.weight" and "rope_factors_short.weight" (long rope). All F32 vectors.
struct GgufExtraTensor {
  std::string name;
  std::vector<float> values;
};
Result<std::vector<GgufExtraTensor>> gguf_extra_tensors(const Json& hf_config,
                                                        std::string_view where);

}  // namespace jiang
