// What the model says of answers, where a request says nothing.
#pragma once

#include <cstddef>

#include "chat/backend.h"
#include "runtime/model_defaults.h"
#include "server/sampling_fields.h"

namespace jiang {

// The system message of the model and what it says before every chat.
void add_prompt_defaults(const ModelDefaults& defaults, ChatRequest& request);
// Sampling, stop texts and the limit. `choice` counts the answers to one prompt: each draws its
// own, the first as it would alone.
void add_sampling(const ModelDefaults& defaults, const SamplingFields& given, size_t choice,
                  ChatRequest& request);
// The same for the page's requests: `settings` (docs/api.md) over what the model says.
Status add_settings(const ModelDefaults& defaults, const Json& settings, ChatRequest& request);

}  // namespace jiang
