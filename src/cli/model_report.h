// What `jiang show` and /show say about a model, from its file alone: no weights are read.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"
#include "weights/tensor_source.h"

namespace jiang {

struct ModelReportOptions {
  int32_t context = 0;  // 0: min(trained, 8192)
  KvType kv_type = KvType::f16;
};

Result<Json> describe_model(const TensorSource& source, const ModelReportOptions& options);
std::string model_report_text(const Json& report);

// The context that an engine would take: `wanted`, or min(trained, 8192).
int32_t context_or_default(int32_t wanted, int32_t trained);
// Bytes of K and V of one token, all layers.
uint64_t kv_bytes_per_token(const ModelConfig& config, KvType type);

// What one token costs in multiply-accumulates, from the shapes of the weights.
struct MacCount {
  uint64_t per_token = 0;           // matmuls of the layers
  uint64_t head = 0;                // one row of logits
  uint64_t attention_per_pair = 0;  // for each (token, token it sees)
};
MacCount count_macs(const TensorSource& source, const ModelConfig& config);

}  // namespace jiang
