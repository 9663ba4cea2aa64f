// `jiang create`: a model of the store from another one, or from files, with settings around it.
#pragma once

#include <string>

#include "base/result.h"
#include "hub/manifest.h"
#include "hub/modelfile.h"
#include "hub/store.h"

namespace jiang {

// `from` is an installed name, a .gguf file or a Hugging Face folder; files are copied. Settings of
// the model that it begins with stay where the Modelfile says nothing.
Result<Manifest> create_model(const Store& store, const std::string& name,
                              const Modelfile& modelfile);

// The Modelfile that makes this model anew.
Modelfile modelfile_of(const Store& store, const Manifest& manifest);

}  // namespace jiang
