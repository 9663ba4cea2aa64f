// A Modelfile, in Ollama's words: FROM, PARAMETER, TEMPLATE, SYSTEM, MESSAGE, LICENSE; or the same
// as TOML. Templates are Jinja, as models have them, not Go's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hub/manifest.h"

namespace jiang {

struct Modelfile {
  std::string from;  // an installed model, a .gguf file, or a folder
  ModelSettings settings;
};

// Errors say WHERE:LINE. ADAPTER and Go templates are refused: they would be ignored.
Result<Modelfile> parse_modelfile(std::string_view text, std::string_view where);
Result<Modelfile> parse_modelfile_toml(std::string_view text, std::string_view where);
// What parse_modelfile reads as the same.
std::string modelfile_text(const Modelfile& modelfile);

// "temperature", "0.7": a known name with a value of its kind. Values are kept as they are written.
Status check_parameter(std::string_view name, std::string_view value);
// That settings can be written down, and name no role or template that jiang does not have.
Status check_settings(const ModelSettings& settings);

}  // namespace jiang
