// What a compile and a run are to a model, to a person, and in one sentence of an answer.
#pragma once

#include <string>
#include <string_view>

#include "base/json_value.h"
#include "sandbox/c_program.h"
#include "sandbox/python_program.h"

namespace jiang {

enum class Locale : uint8_t { english, chinese };
// Of a text that a person wrote: Chinese when it has one Chinese character.
Locale locale_of(std::string_view text);

// Compiled, and ended by itself with exit code 0.
bool ran_well(const CRun& result);

// For the model: diagnostics, end, output, hint.
std::string execution_text(const CRun& result);

// The same of a program that needs no compiler.
std::string execution_text(const PythonRun& result);
Json execution_part(const PythonRun& result, const std::string& folder,
                    const std::string& files_url);

// {"type": "execution", ...} of docs/api.md, with the compiler's words in "diagnostics" and the
// files that lie in `folder` now ("": none), to be had below `files_url`.
Json execution_part(const CRun& result, const std::string& folder, const std::string& files_url);

// "Compiled without warnings; it ran and printed: 1 2 3". Says only what happened.
std::string verified_sentence(const CRun& result, const std::string& input, Locale locale);

}  // namespace jiang
