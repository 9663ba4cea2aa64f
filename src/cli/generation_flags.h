// The sampling flags of `jiang run`, their /set parameter names, and the model's own defaults
// (generation_config.json), which flags beat.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/chat.h"
#include "cli/options.h"

namespace jiang {

struct GenerationFlags {
  std::optional<int32_t> max_tokens;
  std::optional<float> temp, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
  std::optional<int32_t> top_k;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;

  void add_to(Options& options);
  // As `/set parameter NAME VALUE`; the same ranges as the flags.
  Status set(const std::string& name, const std::string& value);
  static std::vector<std::string> parameter_names();
  // What is not given takes its value from here: names and values of a Modelfile. num_ctx is left
  // to the caller.
  Status set_defaults(const std::vector<std::pair<std::string, std::string>>& parameters);
  std::string describe(const GenerateOptions& defaults) const;  // "temp 0.7\ntop_k 40\n..."

  // Flags over `generation_config` over jiang's defaults. A value of the model's file that is
  // beyond the flags' ranges is an error, not a surprise.
  Result<GenerateOptions> apply(const Json& generation_config) const;
};

}  // namespace jiang
