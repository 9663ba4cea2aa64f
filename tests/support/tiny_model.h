// Tiny random models, true to the shape of each family: the same names, the same conventions of
// both file formats, head counts that are no powers of two, shared K/V heads, outliers as trained
// models have them. Deterministic in (fixture, seed) on every machine.
//
//   TinyModel model = make_tiny_model("qwen2");
//   write_hf_folder(model, folder);               // config.json, model.safetensors, tokenizer.json
//   write_gguf(model, folder + "/model.gguf");    // as llama.cpp's converter lays it out
//
// The tokenizer is byte-level BPE over the 256 bytes: token id = byte (BERT: a WordPiece of
// letters).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "quant/weight_format.h"

namespace jiang {

struct TinyTensor {
  std::string name;            // HF spelling
  std::vector<int64_t> shape;  // as in the HF checkpoint
  std::vector<float> values;
};

struct TinyModel {
  std::string fixture;  // "llama3"
  std::string gguf_architecture;
  Json config;  // HF's config.json
  std::vector<TinyTensor> tensors;

  const TinyTensor& tensor(std::string_view name) const;
};

// llama, llama3 (scaled rope), llama-linear, llama-yarn, mistral, qwen2, qwen2-window, qwen3, phi3,
// gemma2, gemma3, chatglm, glm, glm4, gpt2, bert.
std::vector<std::string> tiny_fixtures();
TinyModel make_tiny_model(std::string_view fixture, uint64_t seed = 1);
// Whether GGUF has a way to say what the fixture is (it has none for Qwen2's windows and Glm).
bool has_gguf_form(std::string_view fixture);

// Throw std::runtime_error when the disk says no. Matrices in `format` (HF: f32, f16 or bf16),
// vectors in f32.
void write_hf_folder(const TinyModel& model, const std::string& folder,
                     Format format = Format::f32);
void write_gguf(const TinyModel& model, const std::string& path, Format format = Format::f32);

}  // namespace jiang
