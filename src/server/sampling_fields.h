// The sampling fields that the dialects share, and how they become SamplingParams.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/fields.h"

namespace jiang {

struct SamplingFields {
  std::optional<double> temperature = {};
  std::optional<double> top_p = {};
  std::optional<int64_t> top_k = {};
  std::optional<double> min_p = {};
  std::optional<double> repeat_penalty = {};
  std::optional<double> presence_penalty = {};
  std::optional<double> frequency_penalty = {};
  std::optional<int64_t> penalty_window = {};  // Ollama's repeat_last_n
  std::optional<int64_t> seed = {};
  Json logit_bias = {};  // {"id": bias}
  std::vector<std::string> stop = {};
  bool ignore_eos = false;  // the answer goes on where the model would end it
  Json lora = {};  // [{"id": 0, "scale": 0.5}]: which of the model's adapters, and how much of each

  void fields(Fields& f);  // by OpenAI's names and ranges
  // After fields(): what is given over `defaults`.
  SamplingParams over(SamplingParams defaults) const;
  std::optional<AdapterMix> adapters() const;
};

}  // namespace jiang
