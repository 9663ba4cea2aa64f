// How a model thinks aloud: the markers around its reasoning, and the template's switch for it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "text/output_parser.h"
#include "text/tokenizer.h"

namespace jiang {

struct ReasoningTraits {
  ReasoningMarkers markers = {};  // empty: the model does not reason in marked text
  std::string switch_name = {};   // the template's variable, "enable_thinking"; "": it has none
};

ReasoningTraits reasoning_traits(const TextAssets& assets);

// Adds the template's switch to `extra`. An error when the model has no such switch.
Status set_thinking(Json& extra, const ReasoningTraits& traits, std::optional<bool> thinking);

// Whether an answer after `prompt` begins inside reasoning: the template has opened it.
bool ends_in_reasoning(std::string_view prompt, const ReasoningMarkers& markers);

}  // namespace jiang
