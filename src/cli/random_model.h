// A model with random weights in the shape of a real one, and a byte-level BPE tokenizer that
// works: for benchmarks and tests that anyone can repeat offline. The same seed gives the same
// file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "convert/gguf_writer.h"
#include "quant/weight_format.h"

namespace jiang {

struct RandomModelShape {
  const char* arch;  // "qwen2", "llama3": as on the command line
  const char* name;  // "1.5b"
  int32_t hidden;
  int32_t intermediate;
  int32_t layers;
  int32_t heads;
  int32_t kv_heads;
  int32_t vocab;
  int32_t normal_tokens;  // of the vocabulary; then come the special ones
  bool tied;              // the head is the embedding
  int32_t context;
  double rope_theta;
  double rms_eps;

  int32_t head_dim() const { return hidden / heads; }
  bool is_qwen2() const { return std::string(arch) == "qwen2"; }
};

std::vector<std::string> random_model_archs();
std::vector<std::string> random_model_shapes(const std::string& arch);
Result<RandomModelShape> find_random_model_shape(const std::string& arch, const std::string& name);

Metadata random_model_metadata(const RandomModelShape& shape);
// In the order of llama.cpp's files. Heads and embeddings take the types that a stock quantiser
// gives them (q6_k beside a quantised body), rows that a block does not divide its fallback.
std::vector<GgufTensor> random_model_tensors(const RandomModelShape& shape, Format format);

struct RandomModelOptions {
  uint64_t seed = 1;
  std::function<bool(uint64_t done, uint64_t total)> progress;  // false: stop, nothing is left
};
// Returns the bytes of the file.
Result<uint64_t> write_random_model(const std::string& path, const RandomModelShape& shape,
                                    Format format, ThreadPool& pool,
                                    const RandomModelOptions& options = {});

}  // namespace jiang
