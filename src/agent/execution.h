// What a compile and a run are to a model, to a person, and in one sentence of an answer.
#pragma once

#include <string>

#include "base/json_value.h"
#include "sandbox/c_program.h"

namespace jiang {

enum class Locale : uint8_t { english, chinese };

// Compiled, and ended by itself with exit code 0.
bool ran_well(const CRun& result);

// For the model: diagnostics, end, output, hint.
std::string execution_text(const CRun& result);

// {"type": "execution", ...} of docs/api.md, with the compiler's words in "diagnostics".
Json execution_part(const CRun& result);

// "Compiled without warnings; it ran and printed: 1 2 3". Says only what happened.
std::string verified_sentence(const CRun& result, const std::string& input, Locale locale);

}  // namespace jiang
