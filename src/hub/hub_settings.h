// Where the hubs are, and who we are there: from the environment variables and files that the
// hubs' own tools use.
//
//   HF_ENDPOINT, MODELSCOPE_ENDPOINT or MODELSCOPE_DOMAIN   another server for that hub
//   JIANG_MIRROR       "ms" or "hf": ask that hub first; a URL: a server in place of both
//   HF_TOKEN, HF_TOKEN_PATH, HF_HOME/token, ~/.cache/huggingface/token; MODELSCOPE_API_TOKEN
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "hub/model_name.h"

namespace jiang {

struct HubSettings {
  std::string modelscope = "https://www.modelscope.cn";  // without '/' at the end
  std::string huggingface = "https://huggingface.co";
  std::string modelscope_token = {};
  std::string huggingface_token = {};
  // Which hub comes first for a name without prefix; any: both are asked, the faster one is taken.
  Hub first = Hub::any;

  std::vector<std::pair<std::string, std::string>> headers(Hub hub) const;
  const std::string& endpoint(Hub hub) const;
};

// http:// is taken only where the environment says it itself (a mirror in one's own network).
Result<HubSettings> hub_settings_from_environment();

}  // namespace jiang
