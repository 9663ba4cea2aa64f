// A trained model as a Hugging Face folder: config.json, model.safetensors, the tokenizer's files,
// generation_config.json. Every file is whole or not there.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "quant/weight_format.h"
#include "train/parameters.h"

namespace jiang {

struct NamedMatrix {
  std::string name;
  std::vector<int64_t> shape;
  const float* values;
};
// A .safetensors file in f32, f16 or bf16. `metadata` goes into its header.
Status write_safetensors(const std::string& path, const std::vector<NamedMatrix>& tensors,
                         Format format, const Json& metadata);

// The parameters under their names; parts of fused matrices become the whole again.
Status write_weights(const std::string& path, const ParameterSet& parameters, Format format);

// ChatML: what a new model's template is.
std::string chatml_template();
// tokenizer_config.json of a tokenizer of `jiang train tokenizer`.
Json new_tokenizer_config(const std::string& end_of_text, const std::string& end_of_turn);

// Copies the tokenizer's files (tokenizer.json, tokenizer_config.json, vocab.json, merges.txt,
// tokenizer.model, chat_template.jinja ... those that are there) from one folder to another.
Status copy_tokenizer_files(const std::string& from, const std::string& to);

}  // namespace jiang
