// ModelDefaults: what a model's files say of answers (generation_config.json, and the settings that
// `jiang create` put around it), for requests that say nothing themselves.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/sampling.h"
#include "hub/manifest.h"

namespace jiang {

struct ModelDefaults {
  SamplingParams sampling = {};
  int32_t max_tokens = -1;
  std::vector<std::string> stop = {};
  std::string system = {};                                      // for chats that bring none
  std::vector<std::pair<std::string, std::string>> first = {};  // role, text: before every chat
};

// jiang's defaults with the model's generation_config over them. A value that no request could have
// is an error, not a surprise.
Result<SamplingParams> sampling_of(const Json& generation_config);
// And `settings` over these.
Result<ModelDefaults> model_defaults(const Json& generation_config, const ModelSettings& settings);

}  // namespace jiang
