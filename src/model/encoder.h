// The encoder block of BERT: attention without a mask, norms after each residual, no cache and no
// logits. Outputs are hidden states; pooling them is the caller's (config.pooling).
#pragma once

#include "model/architecture.h"

namespace jiang {

Result<std::shared_ptr<const Model>> build_encoder(const Architecture& architecture,
                                                   const ModelConfig& config, TensorLoader& loader,
                                                   const FinishLoading& finish);

}  // namespace jiang
