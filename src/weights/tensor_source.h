// TensorSource: where weights come from. A GGUF file (single or split) and a Hugging Face folder
// look the same from here: HF tensor names, HF shapes (outermost first), an HF config.json.
//
// Immutable after opening; any thread may read. Views stay valid as long as the source lives.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/metadata.h"
#include "base/result.h"
#include "quant/weight_matrix.h"
#include "tensor/shape.h"

namespace jiang {

struct TensorInfo {
  std::string name;         // HF spelling: "model.layers.0.self_attn.q_proj.weight"
  std::string source_name;  // as the file spells it: "blk.0.attn_q.weight"
  Format format = Format::f32;
  Shape shape;  // (out, in) for a projection
  std::span<const std::byte> bytes;

  // As a matrix of shape.rows() x shape.cols().
  WeightMatrix matrix() const { return {format, shape.rows(), shape.cols(), bytes.data()}; }
};

// Where two file formats store the same model differently; the loader undoes it.
struct SourceConventions {
  // GGUF of the llama architecture permutes q and k rows for rope over adjacent pairs; HF rotates
  // halves.
  bool rope_interleaved = false;
  // GGUF of Gemma stores 1 + w for the norms' weights w.
  bool norm_has_one_added = false;
  // HF GPT-2 stores projections as (in, out).
  bool conv1d_transposed = false;
};

// A tensor of a kind that jiang does not compute with (an I64 buffer, F64 weights): no reason to
// refuse the file, only to refuse its use.
struct UnusableTensor {
  std::string name;  // HF spelling
  std::string why;
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // "model.gguf" or "folder/": for messages.
  virtual const std::string& path() const = 0;
  virtual const Json& config() const = 0;  // HF config.json, or the translation of GGUF's keys
  virtual const Json& generation_config() const = 0;  // {} when there is none
  virtual const Metadata* metadata() const = 0;       // GGUF's own keys; nullptr for a folder
  virtual const SourceConventions& conventions() const = 0;
  virtual std::span<const TensorInfo> tensors() const = 0;
  virtual const TensorInfo* find(std::string_view hf_name) const = 0;
  virtual std::span<const UnusableTensor> unusable() const { return {}; }
  // find(), or an error that says whether the tensor is missing or unusable.
  Result<const TensorInfo*> require(std::string_view hf_name) const;
  // False when a file was truncated since it was opened. What it lost reads as zeros
  // (guarded_file.h), so ask after reading, before believing.
  virtual bool still_whole() const = 0;
  // Changes when the files' bytes may have, their content apart. Empty: not known.
  virtual std::string identity() const { return {}; }
  // These bytes of a tensor are not needed soon: memory that a file can give back may be freed.
  virtual void forget(std::span<const std::byte> bytes) const { static_cast<void>(bytes); }
};

// A .gguf file (any part of a split model finds its siblings) or a folder with config.json.
Result<std::shared_ptr<const TensorSource>> open_tensor_source(const std::string& path);

}  // namespace jiang
